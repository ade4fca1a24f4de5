"""Channels that really go: which may, which are worth least, and the smaller network without them.

Tensors that are added or filtered a channel at a time share their channels, so they lose the same
ones. The channels of the input, of the output and of what a reshape mixes stay.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import prod

import numpy as np

from edgenas.arch.graph import Op, OpGraph, Shape
from edgenas.quantize.folding import Weights, folded

MULTIPLE = 4
"""Kept channels are a multiple of it: int8 kernels take four at once."""

_MAKES_CHANNELS = ("conv2d", "dense")


@dataclass
class _Spaces:
    """Which tensors share their channels: a forest, and which trees stay whole."""

    parent: dict[int, int]
    repeats: dict[int, int]
    fixed: set[int]

    def root(self, tensor: int) -> int:
        while self.parent[tensor] != tensor:
            tensor = self.parent[tensor]
        return tensor

    def join(self, tensor: int, other: int) -> None:
        self.parent[self.root(tensor)] = self.root(other)

    def is_fixed(self, tensor: int) -> bool:
        return self.root(tensor) in {self.root(one) for one in self.fixed}


def without_channels(
    graph: OpGraph, weights: Weights, share: float, worth: Mapping[str, np.ndarray] | None = None
) -> tuple[OpGraph, dict[str, list[np.ndarray]], dict[str, int]]:
    """Take the least important channels out of a network.

    A channel's importance is the sum of what it is worth to the operations that make it or filter it alone,
    each relative to the mean of its operation. Without `worth` that is the magnitude of its folded weights
    in the operations that make it (Li et al. 2017, with the scale of the batch normalization as in Liu et
    al. 2017).

    Args:
        graph: A network of operations that `edgenas.quantize.support.layer_obstacle` accepts.
        weights: By layer.
        share: Share of the channels to remove, of each group of tensors that share them.
        worth: Of each output channel by operation, see `edgenas.quantize.importance.loss_by_channel`.

    Returns:
        The smaller graph, its weights, and ``channels_before`` and ``channels_after`` over all groups.
    """
    spaces = _spaces(graph)
    worth = magnitudes(graph, weights) if worth is None else worth
    kept = _kept(graph, spaces, _importance(graph, worth, spaces), share)
    ops = tuple(_smaller(graph, op, number, spaces, kept) for number, op in enumerate(graph.ops, start=1))
    cut: dict[str, list[np.ndarray]] = {}
    for number, op in enumerate(graph.ops, start=1):
        cut.update(_cut_weights(graph, op, number, spaces, kept, weights))
    before = sum(graph.shape(root)[-1] // spaces.repeats[root] for root in kept)
    counts = {"channels_before": before, "channels_after": sum(len(one) for one in kept.values())}
    return OpGraph(graph.input_shape, ops), cut, counts


def _spaces(graph: OpGraph) -> _Spaces:
    count = len(graph.ops) + 1
    spaces = _Spaces({t: t for t in range(count)}, dict.fromkeys(range(count), 1), {0, count - 1})
    for number, op in enumerate(graph.ops, start=1):
        if op.kind in _MAKES_CHANNELS:
            continue
        spaces.repeats[number] = spaces.repeats[op.inputs[0]]
        if op.kind == "reshape" and not _keeps_channels(op):
            if len(op.out_shape) == 1 and spaces.repeats[number] == 1:
                spaces.repeats[number] = prod(op.in_shape[:-1])
            else:
                spaces.repeats[number] = 1
                spaces.fixed |= {number, op.inputs[0]}
                continue
        for tensor in op.inputs:
            spaces.join(number, tensor)
    return spaces


def _keeps_channels(op: Op) -> bool:
    return op.in_shape[-1] == op.out_shape[-1]


def magnitudes(graph: OpGraph, weights: Weights) -> dict[str, np.ndarray]:
    """Sum of the magnitudes of each output channel's folded weights, of the operations that make channels."""
    plain, arrays = folded(graph, weights)
    found = {}
    for op in plain.ops:
        if op.kind in _MAKES_CHANNELS:
            kernel = np.abs(arrays[op.name][0])
            found[op.name] = kernel.sum(axis=tuple(range(kernel.ndim - 1)))
    return found


def _importance(graph: OpGraph, worth: Mapping[str, np.ndarray], spaces: _Spaces) -> dict[int, np.ndarray]:
    """Importance of each channel of each group that may shrink, by its root."""
    found: dict[int, np.ndarray] = {}
    for number, op in enumerate(graph.ops, start=1):
        if op.name in worth and not spaces.is_fixed(number):
            values, root = worth[op.name], spaces.root(number)
            if spaces.repeats[number] == 1:
                found[root] = found.get(root, 0) + values / max(float(values.mean()), 1e-20)
    return found


def _kept(
    graph: OpGraph, spaces: _Spaces, importance: Mapping[int, np.ndarray], share: float
) -> dict[int, np.ndarray]:
    """Positions of the channels that stay, in their order, by root."""
    kept = {}
    for root, values in importance.items():
        count = min(len(values), max(MULTIPLE, MULTIPLE * round(len(values) * (1 - share) / MULTIPLE)))
        kept[root] = np.sort(np.argsort(-values, kind="stable")[:count])
    return kept


def _positions(graph: OpGraph, tensor: int, spaces: _Spaces, kept: Mapping[int, np.ndarray]) -> np.ndarray:
    """Positions along the last axis of a tensor that stay; a flattened tensor repeats its channels."""
    size, root = graph.shape(tensor)[-1], spaces.root(tensor)
    if root not in kept:
        return np.arange(size)
    repeats = spaces.repeats[tensor]
    channels = size // repeats
    places: np.ndarray = np.arange(repeats)[:, None] * channels + kept[root][None]
    return places.ravel()


def _smaller(graph: OpGraph, op: Op, number: int, spaces: _Spaces, kept: Mapping[int, np.ndarray]) -> Op:
    def shape(tensor: int, given: Shape) -> Shape:
        return (*given[:-1], len(_positions(graph, tensor, spaces, kept)))

    return replace(op, in_shape=shape(op.inputs[0], op.in_shape), out_shape=shape(number, op.out_shape))


def _cut_weights(
    graph: OpGraph, op: Op, number: int, spaces: _Spaces, kept: Mapping[int, np.ndarray], weights: Weights
) -> dict[str, list[np.ndarray]]:
    read = _positions(graph, op.inputs[0], spaces, kept)
    written = _positions(graph, number, spaces, kept)
    cut = {}
    if op.name in weights:
        kernel, *bias = weights[op.name]
        smaller = (
            kernel[..., written, :] if op.kind == "depthwise_conv2d" else kernel[..., read, :][..., written]
        )
        cut[op.name] = [smaller, *(one[written] for one in bias)]
    if op.batch_norm:
        cut[f"{op.name}_bn"] = [one[written] for one in weights[f"{op.name}_bn"]]
    return cut
