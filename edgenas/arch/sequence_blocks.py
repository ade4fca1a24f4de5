"""Blocks for series, spectrograms and feature vectors: temporal convolutions, recurrent and dense layers.

A series (time, channels) is an image of width 1 to all convolutions here: (time, 1, channels). So the
kernels, costs and tables of two-dimensional convolutions serve it, as they do in TFLite itself.
Sources: temporal convolutional network (TCN), Bai et al. 2018; LSTM, Hochreiter and Schmidhuber 1997;
GRU, Cho et al. 2014; first convolution on spectrograms, Zhang et al. 2017 ("Hello Edge"); dense
autoencoder, Purohit et al. 2019 and MLPerf Tiny's anomaly detection.
"""

from __future__ import annotations

from math import prod

from edgenas.arch.blocks import BLOCKS, BlockFunction
from edgenas.arch.graph import GraphBuilder, Op, Shape


def _register(kind: str, block: BlockFunction) -> None:
    BLOCKS[kind] = block


def series_shape(shape: Shape) -> Shape:
    """(time, 1, channels) of a series; all axes behind the first become channels."""
    return (shape[0], 1, prod(shape[1:]))


def as_series(builder: GraphBuilder, tensor: int, name: str) -> int:
    """Time becomes the height of an image of width 1, everything else its channels."""
    out = series_shape(builder.shape(tensor))
    return tensor if builder.shape(tensor) == out else _reshape(builder, name, tensor, out)


def temporal_convolution(
    builder: GraphBuilder, tensor: int, name: str,
    *, filters: int, kernel: int, stride: int = 1, dilation: int = 1,
    separable: bool = False, causal: bool = False, activation: str = "relu6",
) -> int:  # fmt: skip
    """Convolution over time; ``separable``: depthwise over time, then pointwise.

    Args:
        causal: See no later step than the output's own: zeros stand before the first step.
        activation: Of what it returns.
    """
    padding = "same"
    span = (kernel - 1) * dilation
    if causal and span:
        time, width, channels = builder.shape(tensor)
        padded = (time + span, width, channels)
        tensor = builder.add_op(
            Op("pad", f"{name}_pad", (tensor,), (time, width, channels), padded, padding="causal")
        )
        padding = "valid"
    if not separable:
        return builder.window(
            "conv2d", f"{name}_conv", tensor, filters=filters, kernel=(kernel, 1), stride=(stride, 1),
            padding=padding, dilation=(dilation, 1), batch_norm=True, activation=activation,
        )  # fmt: skip
    hidden = builder.window(
        "depthwise_conv2d", f"{name}_dw", tensor, kernel=(kernel, 1), stride=stride,
        padding=padding, dilation=(dilation, 1), batch_norm=True, activation="relu6",
    )  # fmt: skip
    return builder.window(
        "conv2d", f"{name}_pw", hidden, filters=filters, batch_norm=True, activation=activation
    )


def residual_block(
    builder: GraphBuilder, tensor: int, name: str,
    *, kernel: int, dilation: int, separable: bool, causal: bool,
) -> int:  # fmt: skip
    """Two dilated convolutions of the input's width, added to the input (a TCN's block)."""
    filters = builder.shape(tensor)[-1]

    def convolution(source: int, part: str, activation: str) -> int:
        return temporal_convolution(
            builder, source, f"{name}_{part}", filters=filters, kernel=kernel, dilation=dilation,
            separable=separable, causal=causal, activation=activation,
        )  # fmt: skip

    out = convolution(convolution(tensor, "a", "relu6"), "b", "linear")
    return builder.simple("add", f"{name}_add", tensor, out, activation="relu6")


def lstm(builder: GraphBuilder, tensor: int, name: str, *, units: int) -> int:
    """One LSTM layer over (time, 1, features), all of its states: (time, units)."""
    time, _, features = builder.shape(tensor)
    steps = _reshape(builder, f"{name}_steps", tensor, (time, features))
    op = Op("lstm", f"{name}_lstm", (steps,), (time, features), (time, units), constants=4 * units)
    return builder.add_op(op)


def gru(builder: GraphBuilder, tensor: int, name: str, *, units: int) -> int:
    """A GRU over (time, 1, features), written out step after step; its last state, (units,).

    TFLite has no GRU; written out as dense layers and elementwise functions it runs in int8. What the
    gates take from the input is one convolution over all steps; from the state ``h`` each step takes
    ``r = sigmoid(x_r + U_r h)``, ``z = sigmoid(x_z + U_z h)``, ``c = tanh(x_c + U_c (r h))``, and its state
    is ``z h + (1 - z) c``, written ``c + z (h - c)``. The state before the first step is zero.
    (Keras' `GRU` with ``reset_after=False``.)
    """
    time = builder.shape(tensor)[0]
    gates = builder.window("conv2d", f"{name}_gates", tensor, filters=3 * units, bias=True)
    rows = _reshape(builder, f"{name}_rows", gates, (3 * time, units))
    state = _first_gru_step(builder, rows, f"{name}_0")
    for number in range(1, time):
        state = _gru_step(builder, rows, state, name, number)
    return state


def _first_gru_step(builder: GraphBuilder, rows: int, here: str) -> int:
    """The step from the state of zeros: ``c - z c``."""
    update = _function(builder, f"{here}_z", builder.step(f"{here}_xz", rows, 1), "sigmoid")
    candidate = _function(builder, f"{here}_c", builder.step(f"{here}_xc", rows, 2), "tanh")
    part = builder.simple("mul", f"{here}_part", update, candidate)
    return builder.simple("sub", f"{here}_h", candidate, part)


def _gru_step(builder: GraphBuilder, rows: int, state: int, name: str, number: int) -> int:
    here = f"{name}_{number}"

    def gate(place: int, part: str, source: int, activation: str) -> int:
        given = builder.step(f"{here}_x{part}", rows, 3 * number + place)
        shared = "" if number == 1 else f"{name}_1_{part}"
        units = builder.shape(source)[-1]
        remembered = builder.dense(f"{here}_{part}", source, units, bias=False, weights_of=shared)
        both = builder.simple("add", f"{here}_{part}_sum", given, remembered)
        return _function(builder, f"{here}_{part}_gate", both, activation)

    reset = gate(0, "r", state, "sigmoid")
    kept = builder.simple("mul", f"{here}_kept", reset, state)
    candidate = gate(2, "c", kept, "tanh")
    change = builder.simple("sub", f"{here}_change", state, candidate)
    update = gate(1, "z", state, "sigmoid")
    part = builder.simple("mul", f"{here}_part", update, change)
    return builder.simple("add", f"{here}_h", candidate, part)


def _function(builder: GraphBuilder, name: str, tensor: int, activation: str) -> int:
    return builder.simple("activation", name, tensor, activation=activation)


def spectrogram_stem(
    builder: GraphBuilder, tensor: int, name: str,
    *, filters: int, frames: int, bands: int, stride: int,
) -> int:  # fmt: skip
    """Full convolution with a window of ``frames`` by ``bands`` that first reads a spectrogram."""
    return builder.window(
        "conv2d", f"{name}_conv", tensor, filters=filters, kernel=(frames, bands), stride=stride,
        batch_norm=True, activation="relu6",
    )  # fmt: skip


def series_head(
    builder: GraphBuilder, tensor: int, name: str,
    *, classes: int, pool: str = "avg", activation: str = "softmax",
) -> int:  # fmt: skip
    """From (time, 1, channels), (time, channels) or (features,) to the outputs.

    Args:
        pool: ``avg`` or ``max`` over time, ``last`` step, or ``flat``: all steps side by side.
        activation: ``softmax`` or ``linear``.
    """
    if len(builder.shape(tensor)) > 1:
        tensor = _pooled(builder, tensor, name, pool)
    logits = builder.dense(f"{name}_dense", tensor, classes)
    return logits if activation == "linear" else builder.simple("softmax", f"{name}_softmax", logits)


def _pooled(builder: GraphBuilder, tensor: int, name: str, pool: str) -> int:
    """One vector of features from all steps."""
    shape = builder.shape(tensor)
    time, channels = shape[0], shape[-1]
    if pool == "flat":
        return _reshape(builder, f"{name}_flat", tensor, (time * channels,))
    wanted = (time, channels) if pool == "last" else (time, 1, channels)
    if shape != wanted:
        tensor = _reshape(builder, f"{name}_steps", tensor, wanted)
    if pool == "last":
        return builder.step(f"{name}_last", tensor, time - 1)
    return builder.simple(f"global_{pool}_pool", f"{name}_pool", tensor, out_shape=(channels,))


def flat(builder: GraphBuilder, tensor: int, name: str) -> int:
    """All elements as one vector of features."""
    size = prod(builder.shape(tensor))
    return tensor if builder.shape(tensor) == (size,) else _reshape(builder, name, tensor, (size,))


def dense_layer(
    builder: GraphBuilder, tensor: int, name: str, *, units: int, activation: str, batch_norm: bool
) -> int:
    """Fully connected layer; its batch normalization is folded into it in the file."""
    return builder.dense(
        f"{name}_dense", tensor, units, bias=not batch_norm, batch_norm=batch_norm, activation=activation
    )


def reconstruction(builder: GraphBuilder, tensor: int, name: str, *, activation: str = "linear") -> int:
    """A dense layer that gives the network's input again, in the input's shape.

    Args:
        activation: ``linear``; stated so that a spec shows how the network ends.
    """
    shape = builder.input_shape
    values = builder.dense(f"{name}_dense", tensor, prod(shape), activation=activation)
    return values if len(shape) == 1 else _reshape(builder, f"{name}_shape", values, shape)


def _reshape(builder: GraphBuilder, name: str, tensor: int, out: Shape) -> int:
    return builder.simple("reshape", name, tensor, out_shape=out)


_register("series", as_series)
_register("tconv", temporal_convolution)
_register("tcn", residual_block)
_register("lstm", lstm)
_register("gru", gru)
_register("spectrogram_stem", spectrogram_stem)
_register("series_head", series_head)
_register("flat", flat)
_register("dense", dense_layer)
_register("reconstruction", reconstruction)
