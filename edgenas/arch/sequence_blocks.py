"""Blocks for series, spectrograms and feature vectors: temporal convolutions, recurrent and dense layers.

A series (time, channels) is an image of width 1 to all convolutions here: (time, 1, channels). So the
kernels, costs and tables of two-dimensional convolutions serve it, as they do in TFLite itself.
Sources: temporal convolutional network (TCN), Bai et al. 2018; LSTM, Hochreiter and Schmidhuber 1997;
GRU, Cho et al. 2014; first convolution on spectrograms, Zhang et al. 2017 ("Hello Edge"); dense
autoencoder, Purohit et al. 2019 and MLPerf Tiny's anomaly detection.
"""

from __future__ import annotations

from edgenas.arch.blocks import BLOCKS, BlockFunction
from edgenas.arch.graph import GraphBuilder, Op, Shape


def _register(kind: str, block: BlockFunction) -> None:
    BLOCKS[kind] = block


def series_shape(shape: Shape) -> Shape:
    """(time, 1, channels) of a series; all axes behind the first become channels."""
    channels = 1
    for size in shape[1:]:
        channels *= size
    return (shape[0], 1, channels)


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
    same = {"filters": filters, "kernel": kernel, "dilation": dilation}
    hidden = temporal_convolution(builder, tensor, f"{name}_a", **same, separable=separable, causal=causal)
    out = temporal_convolution(
        builder, hidden, f"{name}_b", **same, separable=separable, causal=causal, activation="linear"
    )
    return builder.simple("add", f"{name}_add", tensor, out, activation="relu6")


def lstm(builder: GraphBuilder, tensor: int, name: str, *, units: int) -> int:
    """One LSTM layer over (time, 1, features), all of its states: (time, units)."""
    time, _, features = builder.shape(tensor)
    steps = _reshape(builder, f"{name}_steps", tensor, (time, features))
    op = Op("lstm", f"{name}_lstm", (steps,), (time, features), (time, units), constants=4 * units)
    return builder.add_op(op)


def gru(builder: GraphBuilder, tensor: int, name: str, *, units: int) -> int:
    """A GRU over (time, 1, features), written out step after step; its last state, (units,).

    TFLite has no GRU; written out as dense layers and elementwise functions it runs in int8. The first
    state is a dense layer of the first step, so that no constant state is read. With ``[ ]`` for joining:
    ``z = sigmoid([x, h])``, ``r = sigmoid([x, h])``, ``c = tanh([x, r h])``, ``h = c + z (h - c)``.
    """
    time, _, features = builder.shape(tensor)
    steps = _reshape(builder, f"{name}_steps", tensor, (time, features))
    first = builder.dense(f"{name}_first", builder.step(f"{name}_x0", steps, 0), units)
    state = builder.simple("activation", f"{name}_h0", first, activation="tanh")
    for number in range(1, time):
        state = _gru_step(builder, steps, state, name, number)
    return state


def _gru_step(builder: GraphBuilder, steps: int, state: int, name: str, number: int) -> int:
    here = f"{name}_{number}"
    units = builder.shape(state)[-1]

    def gate(inputs: tuple[int, ...], part: str, activation: str) -> int:
        joined = builder.simple("concat", f"{here}_{part}_in", *inputs, out_shape=(width,))
        return dense(joined, part, activation)

    def dense(joined: int, part: str, activation: str) -> int:
        shared = "" if number == 1 else f"{name}_1_{part}"
        gate = builder.dense(f"{here}_{part}", joined, units, weights_of=shared)
        return builder.simple("activation", f"{here}_{part}_out", gate, activation=activation)

    x = builder.step(f"{name}_x{number}", steps, number)
    width = builder.shape(x)[-1] + units
    joined = builder.simple("concat", f"{here}_in", x, state, out_shape=(width,))
    reset = dense(joined, "r", "sigmoid")
    kept = builder.simple("mul", f"{here}_kept", reset, state)
    candidate = gate((x, kept), "c", "tanh")
    update = dense(joined, "z", "sigmoid")
    change = builder.simple("sub", f"{here}_change", state, candidate)
    part = builder.simple("mul", f"{here}_part", update, change)
    return builder.simple("add", f"{here}_h", candidate, part)


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
    size = 1
    for axis in builder.shape(tensor):
        size *= axis
    return tensor if builder.shape(tensor) == (size,) else _reshape(builder, name, tensor, (size,))


def dense_layer(
    builder: GraphBuilder, tensor: int, name: str, *, units: int, activation: str, batch_norm: bool
) -> int:
    """Fully connected layer; its batch normalization is folded into it in the file."""
    return builder.dense(
        f"{name}_dense", tensor, units, bias=not batch_norm, batch_norm=batch_norm, activation=activation
    )


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
