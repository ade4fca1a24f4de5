"""Constants of a ``.tflite`` file that tell operations what to do: axes, shapes, amounts, places.

Equal ones stand in a file once (`edgenas.export.order`), so networks with many operations of one
form need fewer than they have operations.
"""

from __future__ import annotations

from functools import lru_cache

from edgenas.arch.graph import Op

Setting = tuple[int, tuple[int, ...]]
"""Axes and values of an int32 constant."""


_KINDS = frozenset({"global_avg_pool", "global_max_pool", "reshape", "pad", "slice"})
"""Kinds that read any; to look an operation up takes longer than to see that it is another."""


def settings(op: Op) -> tuple[Setting, ...]:
    """The int32 constants that an operation reads, as far as the graph determines them."""
    return _settings(op) if op.kind in _KINDS else ()


@lru_cache(maxsize=10_000)
def _settings(op: Op) -> tuple[Setting, ...]:
    axes = len(op.in_shape)
    if op.kind in ("global_avg_pool", "global_max_pool"):
        return ((1, tuple(range(1, axes))),)
    if op.kind == "reshape":
        return ((1, (1, *op.out_shape)),)
    if op.kind == "pad":
        gaps = [out - size for size, out in zip(op.in_shape, op.out_shape, strict=True)]
        before = [gap if op.padding == "causal" else gap // 2 for gap in gaps]
        amounts = (n for gap, first in zip(gaps, before, strict=True) for n in (first, gap - first))
        return ((2, (0, 0, *amounts)),)
    if is_step(op):
        zeros = (0,) * (axes - 1)
        return ((1, (0, op.start, *zeros)), (1, (0, op.start + 1, *op.out_shape)), (1, (1,) * (axes + 1)))
    return ()


def is_step(op: Op) -> bool:
    """Whether an operation takes one place of the first axis (time)."""
    return op.kind == "slice" and op.out_shape == op.in_shape[1:] and bool(op.out_shape)
