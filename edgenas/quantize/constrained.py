"""Training under constraints on weights and activations: int8 steps, zeros that stay, shared values.

One training serves quantization-aware training, alone and after pruning and clustering: every kernel goes
through ``mask -> cluster means -> int8 steps`` in the forward pass and gets its gradient straight through
(Bengio et al. 2013). `edgenas.build.builder` makes the model as ever; it is only handed layers that know
their constraints. docs/decisions/0006-constrained-training.md says why this is not
tensorflow-model-optimization, which prunes and clusters.

- int8 steps: weights symmetric a channel (a tensor for dense layers), activations with trained ends
  of their range, the fake quantization of Jacob et al. 2018. The converter reads the ranges from it.
- masks: weights that are zero stay zero.
- clusters: weights of one cluster have one value, their mean.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np

from edgenas.arch.graph import Op, OpGraph
from edgenas.build.builder import build_model
from edgenas.build.twin import named_twin

Range = tuple[float, float]
INPUT = "input"
RANGED = frozenset({"conv2d", "depthwise_conv2d", "dense", "add", "global_avg_pool", "activation"})
"""Kinds whose output has a range of its own; pooling and reshaping keep that of their input, and that of
a softmax is fixed."""

STEPS = 127
"""Of a symmetric int8 weight on either side of zero."""


@dataclass(frozen=True)
class Constraints:
    """What holds during a training, by layer name.

    Attributes:
        masks: 1 where a weight may differ from zero, else 0.
        clusters: Number of the cluster of each weight, from 0.
        ranges: (low, high) of a layer's output and of ``input``; None leaves activations in float.
        int8_weights: Whether kernels are rounded to int8 steps.
    """

    masks: Mapping[str, np.ndarray] = field(default_factory=dict)
    clusters: Mapping[str, np.ndarray] = field(default_factory=dict)
    ranges: Mapping[str, Range] | None = None
    int8_weights: bool = False


def last_layer(op: Op) -> str:
    """Name of the layer that writes what an operation writes, as the builder names it."""
    fused = op.activation in ("relu", "relu6")
    return f"{op.name}_{op.activation}" if fused else f"{op.name}_bn" if op.batch_norm else op.name


def ranged_layers(graph: OpGraph) -> list[str]:
    """Names of the layers whose output has a range of its own."""
    return list(dict.fromkeys(last_layer(op) for op in graph.ops if op.kind in RANGED))


def found_ranges(model: Any, names: Sequence[str], images: np.ndarray) -> dict[str, Range]:
    """Smallest and largest value of the input and of what layers write, zero included.

    Args:
        model: A tf_keras model.
        names: Of the layers, see `ranged_layers`.
        images: Calibration images.
    """
    import tf_keras

    outputs = [model.get_layer(name).output for name in names]
    values = tf_keras.Model(model.input, outputs)(images, training=False)
    values = values if isinstance(values, list) else [values]
    pairs = {INPUT: images, **dict(zip(names, map(np.asarray, values), strict=True))}
    return {name: (min(0.0, float(v.min())), max(0.0, float(v.max()))) for name, v in pairs.items()}


def constrained_model(
    graph: OpGraph, weights: Mapping[str, list[np.ndarray]], constraints: Constraints
) -> Any:
    """A tf_keras model that computes under constraints.

    Args:
        graph: The network, batch normalizations folded where activations have ranges.
        weights: By layer.
        constraints: What holds.
    """
    import tf_keras

    tf_keras.backend.clear_session()
    readers = {op.name for op in graph.ops if 0 in op.inputs}
    model = build_model(graph, _keras_with(constraints, readers))
    for layer in model.layers:
        given = weights.get(layer.name, [])
        layer.set_weights([*given, *layer.get_weights()[len(given) :]])
    return model


def released(model: Any) -> tuple[dict[str, list[np.ndarray]], dict[str, Range]]:
    """Weights as a constrained model computes with them, and its trained ranges."""
    weights, ranges = {}, {}
    for layer in model.layers:
        if hasattr(layer, "effective_kernel"):
            arrays = [np.asarray(layer.effective_kernel())]
            weights[layer.name] = arrays + ([np.asarray(layer.bias)] if layer.use_bias else [])
        elif type(layer).__name__.endswith("BatchNormalization"):
            weights[layer.name] = layer.get_weights()
        for kind, name in (("output_range", layer.name), ("input_range", INPUT)):
            if (found := getattr(layer, kind, None)) is not None:
                ranges[name] = (float(found[0]), float(found[1]))
    return weights, ranges


def plain_model(graph: OpGraph, weights: Mapping[str, list[np.ndarray]], ranges: Any = None) -> Any:
    """The model that is converted: plain layers, and fake quantization of activations if there are ranges."""
    if ranges is None:
        return named_twin(graph, weights)
    return constrained_model(graph, weights, Constraints(ranges=ranges))


def _keras_with(constraints: Constraints, readers: set[str]) -> Any:
    """tf_keras with layers that keep to constraints, for the builder."""
    import tf_keras

    plain = tf_keras.layers
    ranged = {
        kind: _with_ranges(getattr(plain, kind), constraints, readers)
        for kind in ("Add", "ReLU", "GlobalAveragePooling2D", "MaxPooling2D", "AveragePooling2D", "Reshape")
    }
    weighted = {
        kind: _with_ranges(_with_kernel(getattr(plain, kind), constraints), constraints, readers)
        for kind in ("Conv2D", "DepthwiseConv2D", "Dense")
    }
    untouched = {kind: getattr(plain, kind) for kind in ("BatchNormalization", "Softmax")}
    layers = SimpleNamespace(**ranged, **weighted, **untouched)
    return SimpleNamespace(
        Input=tf_keras.Input, Model=tf_keras.Model, layers=layers,
        initializers=tf_keras.initializers, activations=tf_keras.activations,
    )  # fmt: skip


def _with_ranges(layer_class: Any, constraints: Constraints, readers: set[str]) -> Any:
    """A layer class with fake quantization of its output, and of the network's input where it reads it."""
    import tensorflow as tf

    ranges = constraints.ranges

    class Ranged(layer_class):
        def build(self, input_shape: Any) -> None:
            super().build(input_shape)
            if ranges is None:
                return
            if self.name in readers:
                self.input_range = self._ends("input_range", ranges[INPUT], trainable=False)
            if self.name in ranges:
                self.output_range = self._ends("output_range", ranges[self.name], trainable=True)

        def _ends(self, name: str, values: Range, trainable: bool) -> list[Any]:
            """Low and high end as weights; an end at zero stays there."""
            import tf_keras

            return [
                self.add_weight(
                    name=f"{name}_{end}", shape=(), trainable=trainable and value != 0,
                    initializer=tf_keras.initializers.Constant(value),
                )
                for end, value in zip(("low", "high"), values, strict=True)
            ]  # fmt: skip

        def call(self, inputs: Any) -> Any:
            if getattr(self, "input_range", None) is not None:
                inputs = tf.quantization.fake_quant_with_min_max_vars(inputs, *self.input_range)
            outputs = super().call(inputs)
            if getattr(self, "output_range", None) is not None:
                outputs = tf.quantization.fake_quant_with_min_max_vars(outputs, *self.output_range)
            return outputs

    Ranged.__name__ = layer_class.__name__
    return Ranged


def _with_kernel(layer_class: Any, constraints: Constraints) -> Any:
    """A layer class that computes with its constrained kernel."""
    import tensorflow as tf

    attribute = "depthwise_kernel" if layer_class.__name__ == "DepthwiseConv2D" else "kernel"
    axes = {"Conv2D": (0, 1, 2), "DepthwiseConv2D": (0, 1, 3), "Dense": (0, 1)}[layer_class.__name__]

    class Constrained(layer_class):
        def effective_kernel(self) -> Any:
            kernel = getattr(self, attribute)
            if self.name in constraints.masks:
                kernel = kernel * tf.constant(constraints.masks[self.name], kernel.dtype)
            if self.name in constraints.clusters:
                kernel = _clustered(kernel, constraints.clusters[self.name])
            return _rounded(kernel, axes) if constraints.int8_weights else kernel

        def call(self, inputs: Any) -> Any:
            variable = getattr(self, attribute)
            object.__setattr__(self, attribute, self.effective_kernel())
            try:
                return super().call(inputs)
            finally:
                object.__setattr__(self, attribute, variable)

    Constrained.__name__ = layer_class.__name__
    return Constrained


def _clustered(kernel: Any, numbers: np.ndarray) -> Any:
    import tensorflow as tf

    flat, count = tf.constant(numbers.ravel(), tf.int32), int(numbers.max()) + 1
    means = tf.math.unsorted_segment_mean(tf.reshape(kernel, (-1,)), flat, count)
    return tf.reshape(tf.gather(means, flat), kernel.shape)


def _rounded(kernel: Any, axes: tuple[int, ...]) -> Any:
    """Nearest int8 steps, with the gradient straight through."""
    import tensorflow as tf

    step = tf.maximum(tf.reduce_max(tf.abs(kernel), axis=axes, keepdims=True), 1e-8) / STEPS
    return kernel + tf.stop_gradient(tf.round(kernel / step) * step - kernel)
