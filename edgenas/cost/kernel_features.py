"""What the time of a network on a microcontroller depends on, counted from the shapes of its operations.

The features follow how CMSIS-NN, X-CUBE-AI and TFLite-Micro's reference kernels run an int8 operation: a
convolution gathers each input window into a column (im2col), multiplies columns with the weights two at a
time, and requantizes every output; a fully connected layer reads each weight once, from flash; elementwise
operations requantize every element (Lai, Suda and Chandra 2018, "CMSIS-NN"). The idea of predicting a
network from its kinds of kernels is nn-Meter's (Zhang et al. 2021).

The prior cycles are rough figures for an optimized kernel on a core with 16-bit SIMD, from counting the
instructions of such loops; a fit (`edgenas.cost.fitting`) corrects them, and its interval is as wide as the
data leave it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import prod

import numpy as np
import numpy.typing as npt

from edgenas.arch.graph import Op, OpGraph
from edgenas.errors import UnsupportedError

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Feature:
    """One thing that costs cycles.

    Attributes:
        name: Its name in predictor files.
        cycles: Prior median of the cycles that one of them costs.
        spread: Prior standard deviation of the logarithm of that.
        counts: What is counted.
    """

    name: str
    cycles: float
    spread: float
    counts: str


FEATURES = (
    Feature("gemm_mac", 0.9, 0.3, "MACs of convolutions, as matrix products"),
    Feature("window_mac", 0.1, 0.7, "MACs of convolutions with a window larger than 1x1, on top"),
    Feature("gemm_out", 15, 0.5, "outputs of convolutions, each requantized"),
    Feature("ragged_out", 20, 0.8, "outputs of convolutions whose window depth is no multiple of four"),
    Feature("gather_row", 5, 0.7, "positions of a window larger than 1x1, each copied to a column"),
    Feature("gather_element", 1.2, 0.5, "elements copied into columns"),
    Feature("depthwise_mac", 2.0, 0.4, "MACs of depthwise convolutions"),
    Feature("depthwise_out", 15, 0.6, "outputs of depthwise convolutions"),
    Feature("dense_mac", 1.8, 0.4, "weights of fully connected layers, each read once"),
    Feature("dense_out", 25, 0.7, "outputs of fully connected layers"),
    Feature("elementwise", 10, 0.6, "elements of additions and other elementwise operations"),
    Feature("pooled", 3, 0.7, "elements read by poolings"),
    Feature("moved", 1.5, 0.8, "elements written by padding and other data movement"),
    Feature("looked_up", 5, 0.8, "elements of nonlinear functions; those of a softmax twenty times"),
    Feature("operation", 1500, 1.0, "operations"),
    Feature("network", 3000, 1.0, "one a network"),
)
NAMES = tuple(feature.name for feature in FEATURES)
_PLACE = {name: place for place, name in enumerate(NAMES)}
_NORM_STEPS = 20

_CONVOLUTIONS = frozenset({"conv2d", "transpose_conv2d"})
_DENSE = frozenset({"dense", "matmul", "lstm", "gru"})  # a recurrent cell is a dense layer, step after step
_ELEMENTWISE = frozenset(
    {"add", "sub", "mul", "div", "maximum", "minimum", "squared_difference", "power", "quantize"}
)
_POOLS = frozenset({"max_pool2d", "avg_pool2d"})
_REDUCTIONS = frozenset(
    {"global_avg_pool", "global_max_pool", "mean", "sum", "reduce_max", "reduce_min", "argmax"}
)
_MOVES = frozenset(
    {"pad", "transpose", "concat", "slice", "split", "tile", "gather", "resize_nearest", "resize_bilinear",
     "depth_to_space", "space_to_depth"}
)  # fmt: skip
_NORMS = frozenset({"softmax", "log_softmax", "l2_norm", "local_response_norm"})
_CLIPS = frozenset({"linear", "relu", "relu6"})


@lru_cache(maxsize=65_536)
def op_features(op: Op) -> tuple[tuple[int, float], ...]:
    """(place in `FEATURES`, count) of one operation.

    Raises:
        UnsupportedError: The kind of operation has no features.
    """
    counts = _counts(op)
    if counts:  # a reshape costs nothing
        counts["operation"] = 1.0
    return tuple((_PLACE[name], float(count)) for name, count in counts.items() if count)


def _counts(op: Op) -> dict[str, float]:
    out = prod(op.out_shape)
    if op.kind in _CONVOLUTIONS:
        return _convolution(op)
    if op.kind == "depthwise_conv2d":
        return {"depthwise_mac": op.macs, "depthwise_out": out}
    if op.kind in _DENSE:
        return {"dense_mac": op.macs, "dense_out": out}
    if op.kind in _ELEMENTWISE or (op.kind == "activation" and op.activation in _CLIPS):
        return {"elementwise": out}
    if op.kind in _POOLS:
        return {"pooled": out * prod(op.kernel)}
    if op.kind in _REDUCTIONS:
        return {"pooled": prod(op.in_shape)}
    if op.kind in _MOVES:
        return {"moved": out}
    if op.kind in _NORMS or op.kind == "activation":
        return {"looked_up": out * (_NORM_STEPS if op.kind in _NORMS else 1)}
    if op.kind == "reshape":
        return {}
    raise UnsupportedError(
        f"operation '{op.name}' of kind '{op.kind}' has no features to predict its latency from; expected "
        "another kind, or measure the network: edgenas profile"
    )


def _convolution(op: Op) -> dict[str, float]:
    pixels = prod(op.out_shape[:-1])
    window = prod(op.kernel)
    depth = op.macs / max(prod(op.out_shape), 1)
    wide = {"window_mac": op.macs, "gather_row": pixels * window} if window > 1 else {}
    return {
        "gemm_mac": op.macs,
        "gemm_out": prod(op.out_shape),
        "ragged_out": prod(op.out_shape) if depth % 4 else 0,
        "gather_element": pixels * window * op.in_shape[-1],
        **wide,
    }


def network_features(graph: OpGraph) -> Floats:
    """The counts of a whole network, in the order of `FEATURES`.

    Raises:
        UnsupportedError: An operation has no features.
    """
    counts = [0.0] * len(FEATURES)
    counts[-1] = 1.0
    for op in graph.ops:
        for place, count in op_features(op):
            counts[place] += count
    return np.array(counts)


def prior() -> tuple[Floats, Floats]:
    """Logarithm of the prior cycles of each feature, and its standard deviation."""
    cycles = np.array([feature.cycles for feature in FEATURES])
    return np.log(cycles), np.array([feature.spread for feature in FEATURES])
