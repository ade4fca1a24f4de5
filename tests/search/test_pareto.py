"""Fronts, ranks, hypervolume and thinning, against definitions written out by hand."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from edgenas.search.pareto import (
    crowding_distance,
    front_mask,
    hypervolume,
    ranks,
    spread_subset,
    unit_square,
)

# whole numbers from a small range, so that ties and equal points are common
POINTS = st.tuples(st.integers(1, 14), st.integers(2, 4)).flatmap(
    lambda shape: arrays(np.float64, shape, elements=st.integers(0, 5).map(float))
)


def dominates(first: np.ndarray, second: np.ndarray) -> bool:
    return bool((first <= second).all() and (first < second).any())


def layers(points: np.ndarray) -> list[int]:
    """Rank of each point, by taking one front after the other away."""
    left, rank, found = set(range(len(points))), 0, [0] * len(points)
    while left:
        front = {k for k in left if not any(dominates(points[other], points[k]) for other in left)}
        for k in front:
            found[k] = rank
        left -= front
        rank += 1
    return found


@given(POINTS)
def test_the_front_is_what_nothing_dominates_with_equal_points_once(points: np.ndarray) -> None:
    expected = [
        not any(dominates(other, point) for other in points)
        and not any((other == point).all() for other in points[:k])
        for k, point in enumerate(points)
    ]
    assert front_mask(points).tolist() == expected


@given(POINTS)
def test_ranks_peel_one_front_after_the_other(points: np.ndarray) -> None:
    assert ranks(points).tolist() == layers(points)


@given(POINTS)
def test_hypervolume_counts_the_dominated_cells(points: np.ndarray) -> None:
    """With whole numbers the volume is the number of unit cells that some point dominates."""
    reference = np.full(points.shape[1], 6.0)
    cells = np.stack(np.meshgrid(*[np.arange(6)] * points.shape[1], indexing="ij"), -1)
    dominated = np.zeros(cells.shape[:-1], dtype=bool)
    for point in points:
        dominated |= (cells >= point).all(axis=-1)
    assert hypervolume(points, reference) == pytest.approx(dominated.sum())


@given(POINTS, st.integers(1, 5))
def test_a_thinned_front_keeps_its_best_point_and_most_of_its_volume(points: np.ndarray, size: int) -> None:
    front = points[front_mask(points)]
    kept = spread_subset(front, size)
    assert kept == sorted(set(kept))
    assert len(kept) == min(size, len(front))
    best_error = min(range(len(front)), key=lambda k: tuple(front[k]))
    assert best_error in kept
    scaled, reference = unit_square(front), np.full(front.shape[1], 1.1)
    subsets = (some for some in combinations(range(len(front)), len(kept)) if best_error in some)
    best = max(hypervolume(scaled[list(some)], reference) for some in subsets)
    assert hypervolume(scaled[kept], reference) >= (1 - 1 / np.e) * best - 1e-9


def test_no_points_have_no_front_and_no_volume() -> None:
    nothing = np.zeros((0, 2))
    assert front_mask(nothing).tolist() == []
    assert hypervolume(nothing, np.ones(2)) == 0.0
    assert spread_subset(nothing, 3) == []


def test_points_beyond_the_reference_count_for_nothing() -> None:
    assert hypervolume(np.array([[2.0, 0.0], [0.0, 2.0]]), np.ones(2)) == 0.0


def test_crowding_is_infinite_at_the_ends_and_sums_gaps_between() -> None:
    front = np.array([[0.0, 10.0], [4.0, 2.0], [1.0, 5.0], [10.0, 0.0]])
    distance = crowding_distance(front)
    assert distance[[0, 3]].tolist() == [np.inf, np.inf]
    assert distance[1] == pytest.approx((10 - 1) / 10 + (5 - 0) / 10)
    assert distance[2] == pytest.approx((4 - 0) / 10 + (10 - 2) / 10)


def test_crowding_of_equal_points_is_no_division_by_zero() -> None:
    assert not np.isnan(crowding_distance(np.ones((4, 2)))).any()
