"""Pareto front and hypervolume, by the library moocore (all objectives are minimized)."""

from __future__ import annotations

import moocore
import numpy as np


def front_mask(points: np.ndarray) -> np.ndarray:
    """Which points no other point dominates; of equal points the first counts.

    Args:
        points: float array of shape (n, objectives), lower is better.

    Returns:
        bool array of shape (n,).
    """
    if len(points) == 0:
        return np.zeros(0, dtype=bool)
    return np.asarray(moocore.is_nondominated(np.asarray(points, dtype=float)), dtype=bool)


def ranks(points: np.ndarray) -> np.ndarray:
    """Fronts of a non-dominated sorting: 0 for the front, 1 for the front without it, and so on."""
    return np.asarray(moocore.pareto_rank(np.asarray(points, dtype=float)))


def hypervolume(points: np.ndarray, reference: np.ndarray) -> float:
    """Volume that the points dominate below a reference point.

    Args:
        points: float array of shape (n, objectives).
        reference: float array of shape (objectives,); points beyond it count for nothing.
    """
    if len(points) == 0:
        return 0.0
    return float(moocore.hypervolume(np.asarray(points, dtype=float), ref=np.asarray(reference, dtype=float)))


def crowding_distance(points: np.ndarray) -> np.ndarray:
    """How far each point's neighbours are apart, summed over objectives (Deb et al. 2002, NSGA-II).

    Args:
        points: float array of shape (n, objectives) of one front.

    Returns:
        float array of shape (n,); infinite at the ends.
    """
    distance = np.zeros(len(points))
    for column in np.asarray(points, dtype=float).T:
        order = np.argsort(column, kind="stable")
        span = column[order[-1]] - column[order[0]]
        distance[order[0]] = distance[order[-1]] = np.inf
        if span > 0:
            distance[order[1:-1]] += (column[order[2:]] - column[order[:-2]]) / span
    return distance


def unit_square(points: np.ndarray) -> np.ndarray:
    """Points scaled so that each objective runs from 0 (best of them) to 1 (worst of them)."""
    low, high = points.min(axis=0), points.max(axis=0)
    span = np.where(high > low, high - low, 1.0)
    return np.asarray((points - low) / span)


def spread_subset(points: np.ndarray, size: int) -> list[int]:
    """Positions, in ascending order, of a few points of a front that keep most of its hypervolume.

    See `greedy_order`.
    """
    return sorted(greedy_order(points, size))


def greedy_order(points: np.ndarray, size: int) -> list[int]:
    """Positions of a few points of a front, the one that adds most hypervolume always next.

    The point best in the first objective comes first; then greedily the point that adds most
    hypervolume (at least 1 - 1/e of the best subset's that holds the first point, Nemhauser et al. 1978).

    Args:
        points: float array of shape (n, objectives) of one front.
        size: How many to keep.
    """
    if len(points) == 0:
        return []
    scaled = unit_square(points)
    reference = np.full(points.shape[1], 1.1)
    chosen = [int(np.lexsort(scaled.T[::-1])[0])]
    while len(chosen) < min(size, len(points)):
        rest = [position for position in range(len(points)) if position not in chosen]
        gains = [hypervolume(scaled[[*chosen, position]], reference) for position in rest]
        chosen.append(rest[int(np.argmax(gains))])
    return chosen
