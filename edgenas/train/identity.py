"""New blocks that begin by passing on what they read (deeper networks, Chen et al. 2016, Wei et al. 2016).

A block with a skip is silenced: the factor of its last batch normalization becomes 0. Where there is no skip,
kernels become identities. A ReLU6 between them would cut values off, so these are brought into its range by
the first batch normalization and back by the last convolution. Batch normalizations get the mean and variance
that are expected of what they read, so that they change little in training as well.
"""

from __future__ import annotations

import numpy as np

from edgenas.arch.graph import Op
from edgenas.build.builder import EPSILON
from edgenas.train.channels import CEILING, Carried, Values, around

Layers = dict[str, list[np.ndarray]]
"""Weights by the name of their layer."""

PASSING = ("linear", "relu6")
"""Activations that values can be brought through unchanged."""


def silence(layers: Layers, op: Op) -> bool:
    """Let a batch-normalized operation put out zeros; False if it has none or an activation."""
    if not op.batch_norm or op.activation != "linear":
        return False
    gamma, beta, *moments = layers[f"{op.name}_bn"]
    layers[f"{op.name}_bn"] = [np.zeros_like(gamma), np.zeros_like(beta), *moments]
    return True


def make_identity(layers: Layers, ops: list[Op], read: Carried | None) -> Carried | None:
    """Let the convolutions of a block pass on what they read, if they can.

    Args:
        layers: Weights of the network, changed in place.
        ops: The block's operations in a chain, squeeze-and-excite left out.
        read: What the first of them reads.

    Returns:
        What the last one puts out, or None where the block cannot be an identity; then nothing is changed.
    """
    if read is None or read.values is None or not _can(ops, read.values):
        return None
    values, channels = read.values, len(read.source)
    rectified = values.rectified
    scale = 1.0 if rectified else max(abs(values.low), abs(values.high), 1e-3) / (CEILING / 2)
    shift = 0.0 if rectified else CEILING / 2
    inside = Values(values.mean / scale + shift, values.variance / scale**2, 0.0, CEILING)
    for op in ops[:-1]:
        first = op is ops[0]
        _pass(layers, op, channels, 1 / scale if first else 1.0)
        moment = inside.mean - shift if first else inside.mean
        _normalize(layers, op, channels, moment, inside.variance, inside.mean)
    return _leave(layers, ops[-1], read, scale, shift)


def _can(ops: list[Op], values: Values) -> bool:
    """Whether a chain of operations can pass on such values."""
    if len(ops) < 2 or any(op.kind not in ("conv2d", "depthwise_conv2d") for op in ops):
        return False
    if any(op.stride != (1, 1) or op.activation not in PASSING or not op.batch_norm for op in ops):
        return False
    finite = np.isfinite([values.low, values.high]).all()
    fits = values.rectified or ops[-1].activation == "linear"
    widens = all(op.out_shape[-1] >= ops[0].in_shape[-1] for op in ops)
    return bool(finite and fits and widens and ops[-1].kind == "conv2d" and ops[-1].kernel == (1, 1))


def _pass(layers: Layers, op: Op, channels: int, factor: float) -> None:
    """Let the first channels of an operation be those it reads, times a factor; the others stay fresh."""
    kernel = layers[op.name][0].copy()
    row, column = ((size - 1) // 2 for size in op.kernel)
    if op.kind == "depthwise_conv2d":
        kernel[:, :, :channels] = 0.0
        kernel[row, column, :channels, 0] = factor
    else:
        kernel[..., :channels] = 0.0
        kernel[row, column, np.arange(channels), np.arange(channels)] = factor
    layers[op.name] = [kernel, *layers[op.name][1:]]


def _normalize(
    layers: Layers, op: Op, channels: int, mean: np.ndarray, variance: np.ndarray, centre: np.ndarray
) -> None:
    """Let a batch normalization move its first channels from a mean to a centre, and not scale them."""
    rows = [array.copy() for array in layers[f"{op.name}_bn"]]
    for row, value in zip(rows, (np.sqrt(variance + EPSILON), centre, mean, variance), strict=True):
        row[:channels] = value
    layers[f"{op.name}_bn"] = rows


def _leave(layers: Layers, op: Op, read: Carried, scale: float, shift: float) -> Carried:
    """The last convolution: back to the values that the first one read, in as many copies as it is wide."""
    assert read.values is not None
    channels = len(read.source)
    copies = around(op.out_shape[-1], channels)
    kernel = np.zeros_like(layers[op.name][0])
    kernel[0, 0, copies, np.arange(len(copies))] = scale
    layers[op.name] = [kernel, *layers[op.name][1:]]
    values = read.values.of(copies)
    _normalize(layers, op, len(copies), values.mean + scale * shift, values.variance, values.mean)
    return Carried(read.of, read.source[copies], read.width, read.exact, values)


def expand_identity(layers: Layers, op: Op, read: Carried | None) -> Carried | None:
    """A new 1x1 convolution inside a known block: copies of what it reads, if its ReLU6 leaves them alone."""
    if read is None or read.values is None or not read.values.rectified or op.kernel != (1, 1):
        return None
    if op.activation not in PASSING or not op.batch_norm or op.stride != (1, 1) or op.kind != "conv2d":
        return None
    return _leave(layers, op, read, 1.0, 0.0)
