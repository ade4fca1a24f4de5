"""Layers of Keras as operations, one function for each family."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

from edgenas.arch.graph import Op
from edgenas.build.keras_reader import CARRIES_BATCH_NORM, KerasReader
from edgenas.errors import UnsupportedError

Handler = Callable[[KerasReader, Any, list[int]], int]

SKIPPED = frozenset({
    "Dropout", "SpatialDropout1D", "SpatialDropout2D", "GaussianNoise", "GaussianDropout",
    "AlphaDropout", "ActivityRegularization", "RandomFlip", "RandomRotation", "RandomZoom", "RandomCrop",
    "RandomContrast", "RandomTranslation", "Identity",
})  # fmt: skip
"""Layers that do nothing when a network is used."""


def _pair(value: Any) -> tuple[int, int]:
    """(vertical, horizontal) of a 2-D or 1-D layer; a 1-D operation runs along the width."""
    values = (value,) if isinstance(value, int) else tuple(value)
    return (1, int(values[0])) if len(values) == 1 else (int(values[0]), int(values[1]))


def _channels_last(layer: Any) -> None:
    if getattr(layer, "data_format", "channels_last") != "channels_last":
        raise UnsupportedError(f"layer '{layer.name}' has channels first; build the model with channels_last")


def _as_image(reader: KerasReader, layer: Any, tensor: int) -> tuple[int, bool]:
    """A tensor (height, width, channels), and whether it was (width, channels)."""
    _channels_last(layer)
    shape = reader.graph.shape(tensor)
    if len(shape) != 2:
        return tensor, False
    return reader.graph.simple("reshape", f"{layer.name}_expand", tensor, out_shape=(1, *shape)), True


def _as_rows(reader: KerasReader, layer: Any, tensor: int, is_flat: bool) -> int:
    if not is_flat:
        return tensor
    shape = reader.graph.shape(tensor)
    rows = reader.graph.simple("reshape", f"{layer.name}_squeeze", tensor, out_shape=shape[1:])
    reader.rows[rows] = tensor
    return rows


def _padding(layer: Any) -> str:
    if layer.padding not in ("same", "valid"):
        raise UnsupportedError(
            f"layer '{layer.name}' has padding '{layer.padding}', which has no cost; use 'same' or 'valid'"
        )
    return str(layer.padding)


def _conv(reader: KerasReader, layer: Any, inputs: list[int]) -> int:
    tensor, is_flat = _as_image(reader, layer, inputs[0])
    tensor = reader.graph.window(
        "conv2d", layer.name, tensor, filters=layer.filters, kernel=_pair(layer.kernel_size),
        stride=_pair(layer.strides), padding=_padding(layer), bias=layer.use_bias,
        dilation=_pair(layer.dilation_rate), groups=int(getattr(layer, "groups", 1)),
    )  # fmt: skip
    op = reader.graph.ops[-1]
    if 1 < op.groups == op.in_shape[-1]:
        reader.change(tensor, kind="depthwise_conv2d", groups=1)
    return _activated_rows(reader, layer, tensor, is_flat)


def _activated_rows(reader: KerasReader, layer: Any, tensor: int, is_flat: bool) -> int:
    """Activation of a layer, and for a 1-D one the way back to rows."""
    return _as_rows(reader, layer, reader.activated(tensor, layer), is_flat)


def _depthwise(reader: KerasReader, layer: Any, inputs: list[int]) -> int:
    tensor, is_flat = _as_image(reader, layer, inputs[0])
    channels = reader.graph.shape(tensor)[-1]
    tensor = reader.graph.window(
        "depthwise_conv2d", layer.name, tensor, filters=channels * layer.depth_multiplier,
        kernel=_pair(layer.kernel_size), stride=_pair(layer.strides), padding=_padding(layer),
        bias=layer.use_bias, dilation=_pair(layer.dilation_rate),
    )  # fmt: skip
    return _activated_rows(reader, layer, tensor, is_flat)


def _separable(reader: KerasReader, layer: Any, inputs: list[int]) -> int:
    tensor, is_flat = _as_image(reader, layer, inputs[0])
    channels = reader.graph.shape(tensor)[-1]
    tensor = reader.graph.window(
        "depthwise_conv2d", f"{layer.name}_depthwise", tensor, filters=channels * layer.depth_multiplier,
        kernel=_pair(layer.kernel_size), stride=_pair(layer.strides), padding=_padding(layer),
        dilation=_pair(layer.dilation_rate),
    )  # fmt: skip
    tensor = reader.graph.window("conv2d", layer.name, tensor, filters=layer.filters, bias=layer.use_bias)
    return _activated_rows(reader, layer, tensor, is_flat)


def _transpose_conv(reader: KerasReader, layer: Any, inputs: list[int]) -> int:
    _channels_last(layer)
    shape = reader.graph.shape(inputs[0])
    op = Op(
        "transpose_conv2d", layer.name, (inputs[0],), shape, _written(layer), _pair(layer.kernel_size),
        _pair(layer.strides), _padding(layer), bias=layer.use_bias, dilation=_pair(layer.dilation_rate),
    )  # fmt: skip
    return reader.activated(reader.graph.add_op(op), layer)


def _written(layer: Any) -> tuple[int, ...]:
    output = layer.output[0] if isinstance(layer.output, (list, tuple)) else layer.output
    return tuple(int(size) for size in output.shape[1:])


def _dense(reader: KerasReader, layer: Any, inputs: list[int]) -> int:
    tensor = reader.graph.dense(layer.name, inputs[0], layer.units, bias=layer.use_bias)
    return reader.activated(tensor, layer)


def _batch_norm(reader: KerasReader, layer: Any, inputs: list[int]) -> int:
    """Part of the convolution before it, else a factor and a summand for each channel."""
    op = reader.fusable(inputs[0], CARRIES_BATCH_NORM)
    if op is not None and not op.batch_norm:
        return reader.change(inputs[0], batch_norm=True)
    channels = reader.graph.shape(inputs[0])[-1]
    scaled = reader.constant_op("mul", f"{layer.name}_scale", inputs[0], channels, batch_norm=True)
    return reader.constant_op("add", layer.name, scaled, channels)


def _relu(reader: KerasReader, layer: Any, inputs: list[int]) -> int:
    limit = getattr(layer, "max_value", None)
    slope = getattr(layer, "negative_slope", 0.0)
    if limit not in (None, 6, 6.0) or (slope and limit is not None) or getattr(layer, "threshold", 0.0):
        raise UnsupportedError(
            f"layer '{layer.name}' is a ReLU other than relu, relu6 and leaky_relu; use one of them"
        )
    name = "leaky_relu" if slope else "relu" if limit is None else "relu6"
    return reader.activate(inputs[0], layer.name, name, layer.name)


def _named(activation: str) -> Handler:
    return lambda reader, layer, inputs: reader.activate(inputs[0], layer.name, activation, layer.name)


def _activation(reader: KerasReader, layer: Any, inputs: list[int]) -> int:
    given = layer.activation
    name = getattr(given, "__name__", None) or str(getattr(given, "name", given))
    return reader.activate(inputs[0], layer.name, name, layer.name)


def _prelu(reader: KerasReader, layer: Any, inputs: list[int]) -> int:
    constants = prod(layer.alpha.shape)
    return reader.constant_op("activation", layer.name, inputs[0], constants, activation="prelu")


def _pool(kind: str) -> Handler:
    def read(reader: KerasReader, layer: Any, inputs: list[int]) -> int:
        tensor, is_flat = _as_image(reader, layer, inputs[0])
        tensor = reader.graph.window(
            kind, layer.name, tensor,
            kernel=_pair(layer.pool_size), stride=_pair(layer.strides), padding=_padding(layer),
        )  # fmt: skip
        return _as_rows(reader, layer, tensor, is_flat)

    return read


def _global_pool(kind: str, over_rows: str) -> Handler:
    """A pooling over all of an image, or over all rows of (time, features)."""

    def read(reader: KerasReader, layer: Any, inputs: list[int]) -> int:
        _channels_last(layer)
        shape = reader.graph.shape(inputs[0])
        kept = (1,) * (len(shape) - 1) if getattr(layer, "keepdims", False) else ()
        name = kind if len(shape) == 3 else over_rows
        return reader.graph.simple(name, layer.name, inputs[0], out_shape=(*kept, shape[-1]))

    return read


def _shaped(kind: str) -> Handler:
    """An operation without weights whose output's shape Keras knows."""

    def read(reader: KerasReader, layer: Any, inputs: list[int]) -> int:
        return reader.graph.simple(kind, layer.name, inputs[0], out_shape=_written(layer))

    return read


def _upsampling(reader: KerasReader, layer: Any, inputs: list[int]) -> int:
    kind = "resize_nearest" if layer.interpolation == "nearest" else "resize_bilinear"
    return reader.graph.simple(kind, layer.name, inputs[0], out_shape=_written(layer))


def _joined(kind: str) -> Handler:
    """An operation of two tensors; of more, one behind the other, except for a sum and a concatenation."""

    def read(reader: KerasReader, layer: Any, inputs: list[int]) -> int:
        out = _written(layer)
        if kind in ("add", "concat") or len(inputs) == 2:
            return reader.graph.simple(kind, layer.name, *inputs, out_shape=out)
        tensor = inputs[0]
        for place, other in enumerate(inputs[1:], start=2):
            name = layer.name if place == len(inputs) else f"{layer.name}_{place}"
            tensor = reader.graph.simple(kind, name, tensor, other, out_shape=out)
        return tensor

    return read


def _average(reader: KerasReader, layer: Any, inputs: list[int]) -> int:
    summed = reader.graph.simple("add", f"{layer.name}_sum", *inputs, out_shape=_written(layer))
    return reader.constant_op("mul", layer.name, summed, 1)


def _rescaling(reader: KerasReader, layer: Any, inputs: list[int]) -> int:
    tensor = reader.constant_op("mul", layer.name, inputs[0], _elements(layer.scale))
    if isinstance(layer.offset, (int, float)) and not layer.offset:
        return tensor
    return reader.constant_op("add", f"{layer.name}_offset", tensor, _elements(layer.offset))


def _elements(value: Any) -> int:
    return len(value) if hasattr(value, "__len__") else 1


def _normalization(reader: KerasReader, layer: Any, inputs: list[int]) -> int:
    channels = reader.graph.shape(inputs[0])[-1]
    centred = reader.constant_op("sub", f"{layer.name}_mean", inputs[0], channels)
    return reader.constant_op("mul", layer.name, centred, channels)


def _recurrent(kind: str, gates: int) -> Handler:
    def read(reader: KerasReader, layer: Any, inputs: list[int]) -> int:
        if getattr(layer, "go_backwards", False) or getattr(layer, "return_state", False):
            raise UnsupportedError(
                f"layer '{layer.name}' runs backwards or returns states, which has no cost"
            )
        shape = reader.graph.shape(inputs[0])
        twice = kind == "gru" and layer.reset_after
        constants = gates * layer.units * (1 + twice) * layer.use_bias
        op = Op(kind, layer.name, (inputs[0],), shape, (shape[0], layer.units), constants=constants)
        tensor = reader.graph.add_op(op)
        if layer.return_sequences:
            return tensor
        return reader.graph.simple("slice", f"{layer.name}_last", tensor, out_shape=(layer.units,))

    return read


def _embedding(reader: KerasReader, layer: Any, inputs: list[int]) -> int:
    shape = reader.graph.shape(inputs[0])
    constants = layer.input_dim * layer.output_dim
    op = Op("gather", layer.name, (inputs[0],), shape, (*shape, layer.output_dim), constants=constants)
    return reader.graph.add_op(op)


LAYERS: dict[str, Handler] = {
    "Conv1D": _conv,
    "Conv2D": _conv,
    "DepthwiseConv1D": _depthwise,
    "DepthwiseConv2D": _depthwise,
    "SeparableConv1D": _separable,
    "SeparableConv2D": _separable,
    "Conv2DTranspose": _transpose_conv,
    "Dense": _dense,
    "BatchNormalization": _batch_norm,
    "ReLU": _relu,
    "LeakyReLU": _named("leaky_relu"),
    "ELU": _named("elu"),
    "PReLU": _prelu,
    "Activation": _activation,
    "Softmax": _named("softmax"),
    "MaxPooling1D": _pool("max_pool2d"),
    "MaxPooling2D": _pool("max_pool2d"),
    "AveragePooling1D": _pool("avg_pool2d"),
    "AveragePooling2D": _pool("avg_pool2d"),
    "GlobalAveragePooling1D": _global_pool("global_avg_pool", "mean"),
    "GlobalAveragePooling2D": _global_pool("global_avg_pool", "mean"),
    "GlobalMaxPooling1D": _global_pool("global_max_pool", "reduce_max"),
    "GlobalMaxPooling2D": _global_pool("global_max_pool", "reduce_max"),
    "Flatten": _shaped("reshape"),
    "Reshape": _shaped("reshape"),
    "Permute": _shaped("transpose"),
    "ZeroPadding1D": _shaped("pad"),
    "ZeroPadding2D": _shaped("pad"),
    "Cropping1D": _shaped("slice"),
    "Cropping2D": _shaped("slice"),
    "RepeatVector": _shaped("tile"),
    "UpSampling2D": _upsampling,
    "Resizing": _upsampling,
    "Add": _joined("add"),
    "Subtract": _joined("sub"),
    "Multiply": _joined("mul"),
    "Maximum": _joined("maximum"),
    "Minimum": _joined("minimum"),
    "Concatenate": _joined("concat"),
    "Average": _average,
    "Rescaling": _rescaling,
    "Normalization": _normalization,
    "LSTM": _recurrent("lstm", 4),
    "GRU": _recurrent("gru", 3),
    "Embedding": _embedding,
}
