"""Expected gain of hypervolume of each candidate, in closed form (all objectives are minimized).

The box below the reference point is cut along the coordinates of the front into columns over the
objectives but the first; over a column the front has one height. A candidate gains, over each
column, its expected improvement in the first objective times its expected width there (Emmerich
et al. 2011 integrate over the same cells). An objective that is known needs no belief: its
"expected" width is its width. With two or three objectives this is exact up to `CELLS`
columns; beyond that, and with more objectives, the columns are merged to a coarser grid.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Protocol

import numpy as np
from scipy.special import ndtr

from edgenas.search.pareto import front_mask

CELLS = 2048
"""Columns that the objectives but the first are cut into at most."""


class Belief(Protocol):
    """What is believed of one objective of n candidates."""

    def below(self, limits: np.ndarray) -> np.ndarray:
        """Expected amount by which each candidate is below each limit, shape (n, limits)."""
        ...


@dataclass(frozen=True)
class Known:
    """An objective known exactly: ``values`` of shape (n,)."""

    values: np.ndarray

    def below(self, limits: np.ndarray) -> np.ndarray:
        """How far each candidate is below each limit, shape (n, limits)."""
        return np.asarray(np.maximum(limits[None] - self.values[:, None], 0.0))


@dataclass(frozen=True)
class LogNormal:
    """An objective whose ``log(value + shift)`` is normal: ``mean`` and ``deviation`` of shape (n,)."""

    mean: np.ndarray
    deviation: np.ndarray
    shift: float

    def below(self, limits: np.ndarray) -> np.ndarray:
        """Expected amount by which each candidate is below each limit, shape (n, limits)."""
        shifted = np.maximum(limits + self.shift, 1e-300)[None]
        deviation = self.deviation[:, None]
        distance = (np.log(shifted) - self.mean[:, None]) / deviation
        expected = np.exp(self.mean + self.deviation**2 / 2)[:, None]
        return np.asarray(np.maximum(shifted * ndtr(distance) - expected * ndtr(distance - deviation), 0.0))


def expected_gain(beliefs: Sequence[Belief], front: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Expected gain of hypervolume of each candidate.

    Args:
        beliefs: One for each objective, for the same n candidates.
        front: float array of shape (points, objectives); dominated points are left out.
        reference: float array of shape (objectives,); what is beyond it counts for nothing.

    Returns:
        float array of shape (n,).
    """
    front = front[(front < reference).all(axis=1)]
    front = front[front_mask(front)]
    others = range(1, len(beliefs))
    most = CELLS if len(beliefs) < 3 else max(2, int(CELLS ** (1 / len(others))))
    edges = [_edges(front[:, axis], reference[axis], most) for axis in others]
    widths = [_widths(beliefs[axis], cuts) for axis, cuts in zip(others, edges, strict=True)]
    heights = _heights(front, reference[0], edges)
    levels, position = np.unique(heights, return_inverse=True)
    improvement = beliefs[0].below(levels)
    position = position.reshape(heights.shape)
    if not widths:
        return np.asarray(improvement[:, int(position)])
    gain = np.zeros(len(improvement))
    for leading in product(*(range(width.shape[1]) for width in widths[:-1])):
        share = np.ones(len(gain))
        for width, column in zip(widths, leading, strict=False):
            share = share * width[:, column]
        gain += share * (widths[-1] * improvement[:, position[leading]]).sum(axis=1)
    return gain


def _edges(values: np.ndarray, reference: float, most: int) -> np.ndarray:
    """Where columns begin, the first one at minus infinity, and the reference where the last one ends."""
    cuts = np.unique(values)
    if len(cuts) > most - 1:
        cuts = cuts[np.linspace(0, len(cuts) - 1, most - 1).round().astype(int)]
    return np.concatenate([[-np.inf], cuts, [reference]])


def _widths(belief: Belief, edges: np.ndarray) -> np.ndarray:
    """Expected width of each column that a candidate covers, shape (n, columns)."""
    below = belief.below(edges[1:])
    return np.diff(below, axis=1, prepend=0.0)


def _heights(front: np.ndarray, reference: float, edges: list[np.ndarray]) -> np.ndarray:
    """The front's least first objective over each column, the reference where there is none."""
    heights = np.full([len(cuts) - 1 for cuts in edges], reference)
    for point in front:
        inside = tuple(
            slice(int(np.searchsorted(cuts[:-1], value)), None)
            for cuts, value in zip(edges, point[1:], strict=True)
        )
        heights[inside] = np.minimum(heights[inside], point[0])
    return heights
