"""From a user's own Keras model to an OpGraph, so that it gets costs like any other network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from edgenas.arch.graph import GraphBuilder, OpGraph
from edgenas.errors import UnsupportedError

_SKIPPED = {
    "InputLayer", "Dropout", "SpatialDropout2D", "GaussianNoise", "ActivityRegularization",
}  # fmt: skip
_ACTIVATIONS = {"linear", "relu", "relu6", "softmax"}


class _Reader:
    """Walks the layers of a functional or sequential model and appends fused operations."""

    def __init__(self, model: Any) -> None:
        shape = model.input_shape
        if not isinstance(shape, tuple) or any(size is None for size in shape[1:]):
            raise UnsupportedError(
                f"a model with input shape {shape} was given; expected one input of fixed size, "
                "for example keras.Input((28, 28, 1))"
            )
        self.graph = GraphBuilder(tuple(shape[1:]))
        self.tensors: dict[int, int] = {}

    def tensor(self, source: Any, layer: Any) -> int:
        """The id of a tensor that a layer reads."""
        if id(source) not in self.tensors:
            raise UnsupportedError(
                f"layer '{layer.name}' is used in more than one place, which cannot be read; use a layer of "
                "its own in each place"
            )
        return self.tensors[id(source)]

    def add(self, layer: Any, inputs: list[int]) -> int:
        """Append one layer and return the tensor that holds its output."""
        kind = type(layer).__name__
        if kind in _SKIPPED:
            return inputs[0]
        if kind not in _READERS:
            raise UnsupportedError(
                f"layer '{layer.name}' ({kind}) has no cost; supported: {', '.join(sorted(_READERS))}"
            )
        return _READERS[kind](self.graph, layer, inputs)


def graph_from_keras(model: Any) -> OpGraph:
    """The fused operations of a built Keras 3 or tf_keras model.

    Batch normalization and activations are merged into the convolution before them, as the
    TFLite converter does; dropout and the like disappear.

    Raises:
        UnsupportedError: A layer has no cost (it is named), or the model has several inputs.
    """
    reader = _Reader(model)
    if type(model).__name__ == "Sequential":  # a layer's own tensors are those of an earlier `add`
        tensor = 0
        for layer in model.layers:
            tensor = reader.add(layer, [tensor])
        return reader.graph.finish()
    for layer in model.layers:
        if type(layer).__name__ == "InputLayer":
            reader.tensors[id(_one_output(layer))] = 0
            continue
        sources = layer.input if isinstance(layer.input, list) else [layer.input]
        inputs = [reader.tensor(source, layer) for source in sources]
        reader.tensors[id(_one_output(layer))] = reader.add(layer, inputs)
    return reader.graph.finish()


def _one_output(layer: Any) -> Any:
    output = layer.output
    return output[0] if isinstance(output, list) else output


def _activation_name(layer: Any) -> str:
    name = getattr(layer.activation, "__name__", str(layer.activation))
    if name not in _ACTIVATIONS:
        raise UnsupportedError(
            f"activation '{name}' of layer '{layer.name}' has no cost; supported: "
            f"{', '.join(sorted(_ACTIVATIONS))}"
        )
    return name


def _fuse(graph: GraphBuilder, tensor: int, name: str, activation: str) -> int:
    """Merge an activation into the operation that wrote ``tensor``, or append it on its own."""
    if activation == "linear":
        return tensor
    if activation == "softmax":
        return graph.simple("softmax", f"{name}_softmax", tensor)
    last = graph.ops[-1] if graph.ops and tensor == len(graph.ops) else None
    if last and last.activation == "linear" and last.kind in ("conv2d", "depthwise_conv2d", "dense", "add"):
        graph.replace_last(activation=activation)
        return tensor
    return graph.simple("activation", name, tensor, activation=activation)


def _conv(kind: str) -> Callable[[GraphBuilder, Any, list[int]], int]:
    def read(graph: GraphBuilder, layer: Any, inputs: list[int]) -> int:
        if tuple(layer.dilation_rate) != (1, 1) or int(getattr(layer, "groups", 1)) != 1:
            raise UnsupportedError(f"layer '{layer.name}' is dilated or grouped, which has no cost yet")
        if getattr(layer, "depth_multiplier", 1) != 1:
            raise UnsupportedError(f"layer '{layer.name}' has a depth multiplier above 1; use 1")
        tensor = graph.window(
            kind,
            layer.name,
            inputs[0],
            filters=layer.filters if kind == "conv2d" else None,
            kernel=tuple(layer.kernel_size),
            stride=tuple(layer.strides),
            padding=layer.padding,
            bias=layer.use_bias,
        )
        return _fuse(graph, tensor, layer.name, _activation_name(layer))

    return read


def _dense(graph: GraphBuilder, layer: Any, inputs: list[int]) -> int:
    tensor = graph.dense(layer.name, inputs[0], layer.units, bias=layer.use_bias)
    return _fuse(graph, tensor, layer.name, _activation_name(layer))


def _batch_norm(graph: GraphBuilder, layer: Any, inputs: list[int]) -> int:
    last = graph.ops[-1] if graph.ops and inputs[0] == len(graph.ops) else None
    fusable = last and last.kind in ("conv2d", "depthwise_conv2d", "dense")
    if not last or not fusable or last.batch_norm or last.activation != "linear":
        raise UnsupportedError(
            f"batch normalization '{layer.name}' does not directly follow a convolution or dense layer "
            "and cannot be fused; move it there"
        )
    graph.replace_last(batch_norm=True)
    return inputs[0]


def _relu(graph: GraphBuilder, layer: Any, inputs: list[int]) -> int:
    limit = getattr(layer, "max_value", None)
    if limit not in (None, 6, 6.0) or getattr(layer, "negative_slope", False):
        raise UnsupportedError(f"layer '{layer.name}' is a ReLU other than relu and relu6; use one of them")
    return _fuse(graph, inputs[0], layer.name, "relu" if limit is None else "relu6")


def _activation(graph: GraphBuilder, layer: Any, inputs: list[int]) -> int:
    return _fuse(graph, inputs[0], layer.name, _activation_name(layer))


def _pool(kind: str) -> Callable[[GraphBuilder, Any, list[int]], int]:
    def read(graph: GraphBuilder, layer: Any, inputs: list[int]) -> int:
        return graph.window(
            kind, layer.name, inputs[0],
            kernel=tuple(layer.pool_size), stride=tuple(layer.strides), padding=layer.padding,
        )  # fmt: skip

    return read


def _global_pool(graph: GraphBuilder, layer: Any, inputs: list[int]) -> int:
    return graph.simple("global_avg_pool", layer.name, inputs[0], out_shape=graph.shape(inputs[0])[-1:])


def _reshape(graph: GraphBuilder, layer: Any, inputs: list[int]) -> int:
    return graph.simple("reshape", layer.name, inputs[0], out_shape=tuple(_one_output(layer).shape[1:]))


def _add(graph: GraphBuilder, layer: Any, inputs: list[int]) -> int:
    return graph.simple("add", layer.name, *inputs)


def _softmax(graph: GraphBuilder, layer: Any, inputs: list[int]) -> int:
    return graph.simple("softmax", layer.name, inputs[0])


_READERS: dict[str, Callable[[GraphBuilder, Any, list[int]], int]] = {
    "Conv2D": _conv("conv2d"),
    "DepthwiseConv2D": _conv("depthwise_conv2d"),
    "Dense": _dense,
    "BatchNormalization": _batch_norm,
    "ReLU": _relu,
    "Activation": _activation,
    "MaxPooling2D": _pool("max_pool2d"),
    "AveragePooling2D": _pool("avg_pool2d"),
    "GlobalAveragePooling2D": _global_pool,
    "Flatten": _reshape,
    "Reshape": _reshape,
    "Add": _add,
    "Softmax": _softmax,
}
