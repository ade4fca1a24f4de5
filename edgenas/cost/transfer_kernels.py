"""What the time of a network on a phone or single-board computer depends on, counted from its operations.

The features follow how ruy, XNNPACK and Arm NN run an operation on a Cortex-A: a convolution is a matrix
product in tiles of 8x8 outputs, whose sides and depth are padded; a convolution of a larger window first
gathers its windows; weights are packed or streamed, at a higher price where they do not fit the cache; a
fully connected layer is bound by reading its weights; depthwise convolutions and elementwise operations by
the elements they touch; every operation pays for waking the threads.

The prior costs are rough figures for four Cortex-A72 cores at 1.5 GHz, from counting the instructions of such
loops (four float or eight int8 MACs a cycle and core, about 4 GB/s of memory) and from how the first networks
of a Raspberry Pi 4 divided; a fit corrects them, and their spread says how far it may.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import prod

import numpy as np

from edgenas.arch.graph import Op, OpGraph, kind_of
from edgenas.cost.fitting import KernelCycles
from edgenas.cost.kernel_features import Floats

TILE = 8
"""Rows and columns of a tile of outputs in a matrix product."""
DEPTH_STEP = {"float32": 4, "int8": 16}
"""Depth that a matrix product takes at once."""
ELEMENT_BYTES = {"float32": 4, "int8": 1}
CACHE_BYTES = 512 * 1024
"""What weights or activations larger than this miss: half the shared cache of a Cortex-A72 cluster."""
SCALE_SPREAD = 2.0
"""Prior standard deviation of the logarithm of a device's speed as a whole: nothing is known of it."""


@dataclass(frozen=True, slots=True)
class CoreFeature:
    """One thing that costs time on an application processor.

    Attributes:
        name: Its name in predictor files.
        float32_ns: Prior median of what one of them costs, nanoseconds.
        int8_ns: The same in int8.
        spread: Prior standard deviation of the logarithm of that.
        counts: What is counted.
    """

    name: str
    float32_ns: float
    int8_ns: float
    spread: float
    counts: str


CORE_FEATURES = (
    CoreFeature("product_mac", 0.045, 0.02, 0.3, "MACs of 1x1 convolutions, padded to whole tiles"),
    CoreFeature("product_out", 0.6, 0.5, 0.7, "outputs of 1x1 convolutions"),
    CoreFeature("product_in", 0.15, 0.05, 0.7, "inputs of 1x1 convolutions, packed"),
    CoreFeature("product_weight", 0.2, 0.1, 0.7, "weights of 1x1 convolutions"),
    CoreFeature(
        "spilled_weight_byte", 0.4, 0.2, 0.7, "bytes of their weights in layers larger than the cache"
    ),
    CoreFeature("spilled_tensor_byte", 0.1, 0.1, 0.7, "bytes in and out of operations larger than the cache"),
    CoreFeature(
        "window_mac", 0.1, 0.04, 0.5, "MACs of convolutions of larger windows, padded to whole tiles"
    ),
    CoreFeature("gathered", 6, 1, 0.7, "elements gathered from windows"),
    CoreFeature("window_out", 1, 0.5, 0.7, "outputs of convolutions of larger windows"),
    CoreFeature("depthwise_mac", 0.4, 0.15, 0.4, "MACs of depthwise convolutions of up to 3x3"),
    CoreFeature("wide_depthwise_mac", 0.25, 0.12, 0.4, "MACs of depthwise convolutions of larger windows"),
    CoreFeature("strided_mac", 0.1, 0.05, 0.7, "MACs of depthwise convolutions with a stride"),
    CoreFeature("depthwise_out", 0.5, 0.3, 0.7, "outputs of depthwise convolutions"),
    CoreFeature("dense_byte", 0.2, 0.2, 0.5, "bytes of weights that are read for one position only"),
    CoreFeature("added", 1, 1, 0.6, "outputs of additions"),
    CoreFeature("multiplied", 2, 2, 0.7, "outputs of other elementwise operations, which broadcast"),
    CoreFeature("function", 1, 1.5, 0.7, "elements of functions that are not fused"),
    CoreFeature("pooled", 1, 0.7, 0.7, "elements read by poolings and means"),
    CoreFeature("moved", 1, 0.5, 0.7, "elements written by concatenation, padding and other movement"),
    CoreFeature("operation", 1e4, 1e4, 0.7, "operations"),
    CoreFeature("network", 3e4, 3e4, 1.0, "one a network"),
)
CORE_NAMES = tuple(feature.name for feature in CORE_FEATURES)
_PLACE = {name: place for place, name in enumerate(CORE_NAMES)}

_FREE = frozenset({"reshape"})
_ELEMENTWISE = frozenset({"sub", "mul", "div", "maximum", "minimum", "squared_difference", "power"})
_FUNCTIONS = frozenset({"activation", "softmax", "log_softmax", "l2_norm", "local_response_norm", "quantize"})
_POOLS = frozenset({"max_pool2d", "avg_pool2d"})
_MEANS = frozenset(
    {"global_avg_pool", "global_max_pool", "mean", "sum", "reduce_max", "reduce_min", "argmax"}
)


def core_network_features(graph: OpGraph, precision: str) -> Floats:
    """The counts of a whole network, in the order of `CORE_FEATURES`.

    Args:
        precision: ``float32`` or ``int8``.

    Raises:
        UnsupportedError: The graph holds an operation without a known cost.
    """
    counts = np.zeros(len(CORE_FEATURES))
    counts[-1] = 1.0
    for op in graph.ops:
        for place, count in core_op_features(op, precision):
            counts[place] += count
    return counts


@lru_cache(maxsize=65_536)
def core_op_features(op: Op, precision: str) -> tuple[tuple[int, float], ...]:
    """(place in `CORE_FEATURES`, count) of one operation.

    Raises:
        UnsupportedError: The operation has no known cost.
    """
    kind_of(op.kind)
    if op.kind in _FREE:
        return ()
    counts = {"operation": 1.0, **_counts(op, precision)}
    moved_bytes = ELEMENT_BYTES[precision] * (prod(op.in_shape) + prod(op.out_shape))
    if moved_bytes > CACHE_BYTES:
        counts["spilled_tensor_byte"] = moved_bytes
    return tuple((_PLACE[name], float(count)) for name, count in counts.items() if count)


def core_prior(precision: str, scale: float) -> KernelCycles:
    """What is known of the kernels of a device before any measurement.

    Args:
        precision: ``float32`` or ``int8``.
        scale: Logarithm of the cycles, or whatever the unit is, of one prior nanosecond.
    """
    log_ns = np.log(
        [feature.float32_ns if precision == "float32" else feature.int8_ns for feature in CORE_FEATURES]
    )
    own = np.diag([feature.spread**2 for feature in CORE_FEATURES])
    return KernelCycles(log_ns + scale, own + SCALE_SPREAD**2)


def _counts(op: Op, precision: str) -> dict[str, float]:
    out = prod(op.out_shape)
    if op.kind == "depthwise_conv2d":
        return {
            "depthwise_mac" if max(op.kernel) <= 3 else "wide_depthwise_mac": op.macs,
            "strided_mac": op.macs if max(op.stride) > 1 else 0,
            "depthwise_out": out,
        }
    if op.macs:
        return _product(op, precision)
    if op.kind in _ELEMENTWISE:
        return {"multiplied": out}
    if op.kind in _FUNCTIONS:
        return {"function": out}
    if op.kind in _POOLS:
        return {"pooled": out * prod(op.kernel)}
    if op.kind in _MEANS:
        return {"pooled": prod(op.in_shape)}
    return {"added" if op.kind == "add" else "moved": out}


def _product(op: Op, precision: str) -> dict[str, float]:
    """A matrix product: outputs of one position by positions, over the depth of a window."""
    positions, channels = prod(op.out_shape[:-1]), op.out_shape[-1]
    depth = op.macs // (positions * channels)
    weight_bytes = ELEMENT_BYTES[precision] * depth * channels
    if positions == 1:
        return {"dense_byte": weight_bytes}
    groups = max(op.groups, 1)
    tiles = _up(positions, TILE) * _up(channels // groups, TILE) * groups
    macs = tiles * _up(depth, DEPTH_STEP[precision])
    if prod(op.kernel) > 1:
        gathered = positions * prod(op.kernel) * op.in_shape[-1]
        return {"window_mac": macs, "gathered": gathered, "window_out": prod(op.out_shape)}
    return {
        "product_mac": macs,
        "product_out": prod(op.out_shape),
        "product_in": prod(op.in_shape),
        "product_weight": depth * channels,
        "spilled_weight_byte": weight_bytes if weight_bytes > CACHE_BYTES else 0,
    }


def _up(size: int, step: int) -> int:
    return -(-size // step) * step
