"""A network's forward pass, operation by operation, with TensorFlow and weights that are handed in.

Building and tracing a Keras model takes seconds, and a search by shared weights trains hundreds of networks.
So the operations of `OpGraph` are carried out as they stand. Traced without a model around them, a network is
ready in a quarter of a second, and a step of it takes a third of the time of one operation after the other.
`tests/oneshot` holds the outputs against those of the Keras model of the same weights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from edgenas.arch.graph import Op, OpGraph
from edgenas.build.builder import EPSILON
from edgenas.oneshot.elastic import Part

Tensor = Any
Learning = Callable[[Sequence[np.ndarray], np.ndarray, np.ndarray], tuple[Tensor, list[Tensor], Tensor]]
"""Weights, images and targets to loss, gradients and answers; see `learning`."""
Statistics = dict[int, tuple[np.ndarray, np.ndarray]]
"""Mean and variance of each channel, by the position of the operation that is normalized."""


class Normalizer:
    """Batch normalization with the statistics of the batch, or with fixed ones.

    Args:
        fixed: Statistics to use; None takes those of the batch, and keeps them in ``seen``.
    """

    def __init__(self, fixed: Statistics | None = None) -> None:
        self.fixed = fixed
        self.seen: dict[int, tuple[Tensor, Tensor]] = {}

    def __call__(self, position: int, x: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:
        """The normalized tensor."""
        import tensorflow as tf

        flat = x if len(x.shape) == 4 else x[:, None, None, :]
        if self.fixed is None:
            y, mean, variance = tf.compat.v1.nn.fused_batch_norm(flat, gamma, beta, epsilon=EPSILON)
            self.seen[position] = (mean, variance)
        else:
            mean, variance = self.fixed[position]
            y, _, _ = tf.compat.v1.nn.fused_batch_norm(
                flat, gamma, beta, mean, variance, epsilon=EPSILON, is_training=False
            )
        return y if len(x.shape) == 4 else y[:, 0, 0, :]


def forward(
    graph: OpGraph, parts: Sequence[Part], weights: Sequence[Tensor], images: Tensor, normalize: Normalizer
) -> Tensor:
    """What a network gives before its softmax, float32 (batch, classes).

    Args:
        graph: Its operations.
        parts: What each of ``weights`` is, from `edgenas.oneshot.elastic.parts_of`.
        weights: One tensor a part.
        images: float32 (batch, *input_shape).
        normalize: Its batch normalizations.
    """
    own: dict[int, dict[str, Tensor]] = {}
    for part, tensor in zip(parts, weights, strict=True):
        own.setdefault(part.op, {})[part.role] = tensor
    tensors = [images]
    for position, op in enumerate(graph.ops):
        if op.kind == "softmax" and position == len(graph.ops) - 1:
            break
        mine = own.get(position, {})
        x = _OPERATIONS[op.kind](op, [tensors[index] for index in op.inputs], mine)
        if "bias" in mine:
            x = x + mine["bias"]
        if op.batch_norm:
            x = normalize(position, x, mine["gamma"], mine["beta"])
        tensors.append(_activated(op, x))
    return tensors[-1]


def learning(graph: OpGraph, parts: Sequence[Part]) -> Learning:
    """What gives a network's loss, gradients and answers on a batch of any size, traced.

    It takes the weights, one array a part, images (batch, *input_shape) and targets (batch, classes), the
    weight of each class in the cross-entropy of each example. It gives the mean loss, one gradient a weight,
    and the softmax (batch, classes).

    Args:
        graph: The network's operations.
        parts: What each of the weights is.
    """
    import tensorflow as tf

    def learn(weights: list[Tensor], images: Tensor, targets: Tensor) -> tuple[Tensor, list[Tensor], Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(weights)
            logits = forward(graph, parts, weights, images, Normalizer())
            loss = -tf.reduce_mean(tf.reduce_sum(targets * tf.nn.log_softmax(logits), axis=-1))
        return loss, tape.gradient(loss, weights), tf.nn.softmax(logits)

    signature = (
        [tf.TensorSpec(part.shape) for part in parts],
        tf.TensorSpec((None, *graph.input_shape)),
        tf.TensorSpec((None, graph.ops[-1].out_shape[-1])),
    )
    traced: Learning = tf.function(learn, input_signature=signature, autograph=False).get_concrete_function()
    return traced


@contextmanager
def not_rewritten() -> Iterator[None]:
    """Traced functions that are called in here run as they were traced; for the whole process.

    TensorFlow's rewriting takes up to a tenth of a second a function, and steps were no faster for it.
    """
    import tensorflow as tf

    before = tf.config.optimizer.get_experimental_options().get("disable_meta_optimizer", False)
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    try:
        yield
    finally:
        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": before})


def _activated(op: Op, x: Tensor) -> Tensor:
    import tensorflow as tf

    if op.activation == "linear":
        return x
    if op.activation == "relu6":
        return tf.nn.relu6(x)
    if op.activation == "relu":
        return tf.nn.relu(x)
    return x * tf.nn.relu6(x + 3.0) * (1.0 / 6.0)  # hard_swish, the last of `ACTIVATIONS`


def _conv(op: Op, inputs: Sequence[Tensor], own: Mapping[str, Tensor]) -> Tensor:
    import tensorflow as tf

    return tf.nn.conv2d(inputs[0], own["kernel"], op.stride, op.padding.upper(), dilations=op.dilation)


def _depthwise(op: Op, inputs: Sequence[Tensor], own: Mapping[str, Tensor]) -> Tensor:
    import tensorflow as tf

    stride = (1, *op.stride, 1)
    return tf.nn.depthwise_conv2d(inputs[0], own["kernel"], stride, op.padding.upper(), dilations=op.dilation)


def _dense(op: Op, inputs: Sequence[Tensor], own: Mapping[str, Tensor]) -> Tensor:
    import tensorflow as tf

    return tf.matmul(inputs[0], own["kernel"])


def _mean(op: Op, inputs: Sequence[Tensor], own: Mapping[str, Tensor]) -> Tensor:
    import tensorflow as tf

    return tf.reduce_mean(inputs[0], axis=(1, 2), keepdims=len(op.out_shape) == len(op.in_shape))


def _softmax(op: Op, inputs: Sequence[Tensor], own: Mapping[str, Tensor]) -> Tensor:
    import tensorflow as tf

    return tf.nn.softmax(inputs[0])


_OPERATIONS: dict[str, Callable[[Op, Sequence[Tensor], Mapping[str, Tensor]], Tensor]] = {
    "conv2d": _conv,
    "depthwise_conv2d": _depthwise,
    "dense": _dense,
    "add": lambda op, inputs, own: inputs[0] + inputs[1],
    "mul": lambda op, inputs, own: inputs[0] * inputs[1],
    "global_avg_pool": _mean,
    "softmax": _softmax,
    "activation": lambda op, inputs, own: inputs[0],
}
"""How each of `edgenas.oneshot.elastic.ELASTIC_KINDS` is carried out."""
