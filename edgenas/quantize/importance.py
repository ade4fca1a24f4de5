"""What each channel is worth: by how much the loss would change without it, to the first order.

Molchanov et al. 2019, "Importance Estimation for Neural Network Pruning": the square of weight times
gradient, summed over what makes a channel, mean over batches. Where a batch normalization follows, its
scale and offset are the gate of the channel; else kernel and bias are.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgenas.arch.graph import OpGraph
from edgenas.quantize.tuning import ends_in_softmax

KINDS = ("conv2d", "dense", "depthwise_conv2d")
IMAGES, BATCH = 4096, 128
"""Images that are looked at, and how many at a time."""


def loss_by_channel(
    model: Any, graph: OpGraph, images: np.ndarray, labels: np.ndarray, seed: int = 0
) -> dict[str, np.ndarray]:
    """Importance of each output channel, by the name of its operation.

    Args:
        model: A tf_keras classifier with the graph's layers; stays as it is.
        graph: Its operations.
        images: float32 array (n, ...) as the network reads them; 4,096 of them are used.
        labels: int array (n,).
        seed: Of the choice.

    Returns:
        float arrays of shape (channels,), each with mean 1, of convolutions and dense layers.
    """
    import tensorflow as tf
    import tf_keras

    gates = [(op, _gate(model, op.name)) for op in graph.ops if op.kind in KINDS]
    variables = [variable for _, gate in gates for variable in gate]
    loss = tf_keras.losses.SparseCategoricalCrossentropy(from_logits=not ends_in_softmax(model))

    @tf.function  # type: ignore[untyped-decorator]
    def slopes(batch: Any, truth: Any) -> Any:
        with tf.GradientTape() as tape:
            value = loss(truth, model(batch, training=False))
        return tape.gradient(value, variables)

    rows = np.random.default_rng(seed).permutation(len(images))[:IMAGES]
    whole = rows[: max(1, len(rows) // BATCH) * BATCH]
    squares = {op.name: np.zeros(op.out_shape[-1]) for op, _ in gates}
    for start in range(0, len(whole), BATCH):
        chosen = whole[start : start + BATCH]
        gradients = iter(slopes(images[chosen], labels[chosen]))
        for op, gate in gates:
            changes = [_by_channel(variable, next(gradients), op.out_shape[-1]) for variable in gate]
            squares[op.name] += np.sum(changes, axis=0) ** 2
    return {name: value / max(float(value.mean()), 1e-20) for name, value in squares.items()}


def _gate(model: Any, name: str) -> list[Any]:
    """The variables that a channel passes: of its batch normalization, else of its own layer."""
    layers = {layer.name: layer for layer in model.layers}
    after = layers.get(f"{name}_bn")
    if after is not None:
        return [one for one in (after.gamma, after.beta) if one is not None]
    return list(layers[name].trainable_weights)


def _by_channel(variable: Any, gradient: Any, channels: int) -> np.ndarray:
    """Weight times gradient, summed over all but the output channels, a kernel's last axis or two."""
    change = np.asarray(variable.numpy() * gradient.numpy(), dtype=np.float64)
    return np.asarray(change.reshape(-1, channels).sum(axis=0))
