"""Blocks of networks for phones: bottlenecks with squeeze-and-excite and hard swish, in forms that int8 runs.

Sources: inverted bottleneck, Sandler et al. 2018 (MobileNetV2); squeeze-and-excite, Hu et al. 2018, with the
hard sigmoid and hard swish of Howard et al. 2019 (MobileNetV3).

A hard sigmoid is ``relu6(x + 3) / 6``. Its 3 stands in the bias of the convolution before it, where training
starts from it, and its factor 1/6 in the weights of the projection behind it: the gate goes from 0 to 6, and
the network is the same with two operations less.
"""

from __future__ import annotations

from edgenas.arch.blocks import BLOCKS
from edgenas.arch.graph import FUSED_ACTIVATIONS, GraphBuilder

GATE_START = 3.0
"""Bias of a gate before training: the middle of what it is clipped to."""

SQUEEZE = 4
"""How many times fewer channels the middle of a squeeze-and-excite has (MobileNetV3)."""


def divisible(channels: float, divisor: int = 8) -> int:
    """Channels rounded to a multiple, never down by more than a tenth (MobileNet's rule)."""
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * channels else rounded


def activated_convolution(
    builder: GraphBuilder, tensor: int, name: str,
    *, filters: int, kernel: int = 1, stride: int = 1, activation: str = "relu6",
) -> int:  # fmt: skip
    """Convolution with batch normalization and an activation."""
    return _activated(builder, tensor, "conv2d", name, activation, filters, kernel, stride)


def mobile_bottleneck(
    builder: GraphBuilder, tensor: int, name: str,
    *, filters: int, kernel: int, stride: int, expansion: int, squeeze: bool, activation: str,
) -> int:  # fmt: skip
    """Expansion (if above 1), depthwise convolution, squeeze-and-excite, linear projection, skip.

    Args:
        filters: Channels it puts out.
        expansion: How many times wider its middle is than what it reads.
        squeeze: Whether there is a squeeze-and-excite.
        activation: ``relu6`` or ``hard_swish``, behind expansion and depthwise convolution.
    """
    channels = builder.shape(tensor)[-1]
    hidden = tensor
    if expansion > 1:
        wide = divisible(channels * expansion)
        hidden = _activated(builder, hidden, "conv2d", f"{name}_expand", activation, wide)
    hidden = _activated(builder, hidden, "depthwise_conv2d", f"{name}_dw", activation, None, kernel, stride)
    if squeeze:
        hidden = squeeze_excite(builder, hidden, name)
    out = builder.window("conv2d", f"{name}_project", hidden, filters=filters, batch_norm=True)
    if builder.shape(tensor) == builder.shape(out):
        return builder.simple("add", f"{name}_add", tensor, out)
    return out


def squeeze_excite(builder: GraphBuilder, tensor: int, name: str) -> int:
    """Channels weighted by a function of their means, from 0 to 6."""
    channels = builder.shape(tensor)[-1]
    mean = builder.simple("global_avg_pool", f"{name}_mean", tensor, out_shape=(1, 1, channels))
    squeezed = builder.window(
        "conv2d", f"{name}_squeeze", mean, filters=divisible(channels / SQUEEZE), bias=True, activation="relu"
    )
    gate = builder.window(
        "conv2d", f"{name}_excite", squeezed, filters=channels, bias=True, activation="relu6",
        bias_start=GATE_START,
    )  # fmt: skip
    return builder.simple("mul", f"{name}_scale", tensor, gate)


def _activated(
    builder: GraphBuilder, tensor: int, kind: str, name: str, activation: str,
    filters: int | None, kernel: int = 1, stride: int = 1,
) -> int:  # fmt: skip
    """A convolution with batch normalization, its activation fused where runtimes fuse it."""
    fused = activation if activation in FUSED_ACTIVATIONS else "linear"
    tensor = builder.window(
        kind, name, tensor, filters=filters, kernel=kernel, stride=stride, batch_norm=True, activation=fused
    )
    if fused == activation:
        return tensor
    return builder.simple("activation", f"{name}_act", tensor, activation=activation)


BLOCKS["conv"] = activated_convolution
BLOCKS["bottleneck"] = mobile_bottleneck
