"""What a surrogate-based searcher knows after some results: beliefs about a pool, and the best of it.

A plan is a function of the problem, the results and what is awaited, so a resumed search makes the
same one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from collections.abc import Set as AbstractSet
from math import ceil

import numpy as np

from edgenas.arch.spec import ArchSpec
from edgenas.search.gain import Belief, Known, expected_gain
from edgenas.search.pareto import ranks
from edgenas.search.pool import Members, Pool, error_of
from edgenas.search.searcher import Observation
from edgenas.search.surrogate import Groups, Hyperparameters, Posterior, fit_hyperparameters
from edgenas.search.trend import NoTrend, Trend
from edgenas.search.warp import SOFTENING, Warp

LEARNED = 400
"""Results that a surrogate learns from at most."""

FITTED = 200
"""Results that its hyperparameters are fitted to at most."""

GROWTH = 1.08
"""By how much the results grow before the hyperparameters are fitted again."""

WORST_PERCENTILE = 90
"""Values beyond this percentile of the results are worth nothing."""


class Evidence:
    """All results so far as columns; features are looked up for those that are learned from.

    Attributes:
        candidates: What was trained.
        points: Objectives, shape (n, objectives); a failure has the worst error and its own costs.
    """

    def __init__(self, pool: Pool, observations: Sequence[Observation]) -> None:
        self.pool = pool
        self.candidates = [observation.candidate for observation in observations]
        self._errors = np.array([error_of(observation) for observation in observations])
        self._costs = pool.costs(self.candidates)
        self.points = self.first(len(self.candidates))

    def first(self, number: int) -> np.ndarray:
        """Objectives of the first so many; a failure has the worst error of these."""
        errors = self._errors[:number].copy()
        failed = np.isnan(errors)
        errors[failed] = np.nanmax(self._errors if failed.all() else errors)
        return np.column_stack([errors, self._costs[:number]])

    def features(self, rows: np.ndarray) -> tuple[np.ndarray, ...]:
        """Features of some of them."""
        return self.pool.features([self.candidates[row].spec for row in rows])


class Fits:
    """Hyperparameters of each objective, fitted again whenever the results have grown by 8 %.

    They are fitted to the results up to a fixed number, so a resumed search has the same.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[int, int], Hyperparameters] = {}

    def get(self, objective: int, evidence: Evidence, trend: Trend) -> Hyperparameters:
        """Those of one objective after these results, for what is left of it beside a trend."""
        size, total = 1, len(evidence.points)
        while (larger := max(size + 1, ceil(size * GROWTH))) <= total:
            size = larger
        if (objective, size) not in self._known:
            points = evidence.first(size)
            rows = learned_rows(points, FITTED)
            values, features = points[rows, objective], evidence.features(rows)
            line = Line(trend, features, values)
            self._known[objective, size] = fit_hyperparameters(features, line.warped - line(features))
        return self._known[objective, size]


class Line:
    """A trend brought to the height and slope of some results.

    Args:
        trend: What is known beforehand.
        features: Of the networks that were trained.
        values: What came out, shape (n,).
        warp: How values are warped; by these values if None.

    Attributes:
        warped: The values, warped.
    """

    def __init__(self, trend: Trend, features: Groups, values: np.ndarray, warp: Warp | None = None) -> None:
        warp = warp or Warp(values)
        self.trend = trend
        self.warped = warp(values)
        self.height, self.slope = trend.line(trend(features), self.warped, warp.spread)

    def __call__(self, features: Groups) -> np.ndarray:
        """Warped values expected of networks, shape (n,)."""
        return np.asarray(self.height + self.slope * self.trend(features))


def learned_rows(points: np.ndarray, most: int) -> np.ndarray:
    """Which results to learn from: all, or half of them by the fronts and an even choice of the rest."""
    if len(points) <= most:
        return np.arange(len(points))
    order = np.argsort(ranks(points), kind="stable") if points.shape[1] > 1 else np.argsort(points[:, 0])
    rest = order[most // 2 :]
    even = rest[np.linspace(0, len(rest) - 1, most - most // 2).round().astype(int)]
    return np.sort(np.concatenate([order[: most // 2], even]))


class Plan:
    """Beliefs about the unseen members of a pool after some results.

    Args:
        pool: Where candidates come from.
        observations: All results, in order, with one or more successes.
        asked: Names that are not to be proposed.
        fits: Keeps hyperparameters between plans.
        learns_costs: Whether costs are modelled too, as if unknown, or taken as they are.
        trend: What is known of the error beforehand.
        members: Whom to choose from; None for the pool's that were not asked.
        step: Results from one block of the pool to the next.
    """

    def __init__(
        self,
        pool: Pool,
        observations: Sequence[Observation],
        asked: Collection[str],
        fits: Fits,
        *,
        learns_costs: bool = False,
        trend: Trend | None = None,
        members: Members | None = None,
        step: int = 1,
    ) -> None:
        self.results = len(observations)
        self.pool = pool
        self.members = pool.unseen(observations, asked, step) if members is None else members
        self._awaited: set[str] = set()
        evidence = Evidence(pool, observations)
        points = evidence.points
        rows = learned_rows(points, LEARNED)
        observed = evidence.features(rows)
        modelled = range(points.shape[1] if learns_costs else 1)
        self.warps = [Warp(points[:, axis]) for axis in modelled]
        trends = [(trend if trend and axis == 0 else NoTrend()) for axis in modelled]
        self.lines = [
            Line(known, observed, points[rows, axis], warp)
            for axis, (known, warp) in enumerate(zip(trends, self.warps, strict=True))
        ]
        groups = self.members.groups if self.members.specs else [group[:0] for group in observed]
        self.posteriors = [
            Posterior(fits.get(axis, evidence, known), observed, line.warped - line(observed), groups)
            for axis, (known, line) in enumerate(zip(trends, self.lines, strict=True))
        ]
        self.expected = [line(groups) for line in self.lines]
        errors = np.concatenate([points[:, 0], self._typical()]) if trend else points[:, 0]
        self.reference = np.concatenate([[_worst(errors)], _largest(pool, points[:, 1:])])
        self.front = points[rows].copy()
        self.front[:, 0] = self.warps[0].back(self.posteriors[0].fitted + self.lines[0](observed))

    def _typical(self) -> np.ndarray:
        """Errors that the trend expects of ten networks from the best to the worst of the random ones.

        They stand for the random founders that a search with a trend does without.
        """
        expected = self.warps[0].back(self.lines[0](self.pool.base_features()))
        return np.asarray(np.quantile(expected, np.linspace(0.05, 0.95, 10)))

    def await_results(self, specs: Iterable[ArchSpec]) -> None:
        """Count trainings that go on at their expected results; a second time changes nothing."""
        new = {spec.arch_id: spec for spec in specs if spec.arch_id not in self._awaited}
        if not new:
            return
        self._awaited.update(new)
        awaited = [self.pool.candidate(spec) for spec in new.values()]
        features = self.pool.features(list(new.values()))
        points = np.column_stack([np.zeros(len(awaited)), self.pool.costs(awaited)])
        for axis, (posterior, line, warp) in enumerate(
            zip(self.posteriors, self.lines, self.warps, strict=True)
        ):
            points[:, axis] = warp.back(posterior.believe(features) + line(features))
        self.front = np.vstack([self.front, points])

    def best(self, asked: AbstractSet[str]) -> ArchSpec | None:
        """The member of the largest expected gain that was not asked; None if all were."""
        open_rows = np.ones(len(self.members.ids), dtype=bool)
        open_rows[[self.members.rows[name] for name in self.members.rows.keys() & asked]] = False
        if not open_rows.any():
            return None
        gain = expected_gain(self._beliefs(), self.front, self.reference)
        if gain[open_rows].max() <= 0:  # nothing can gain: the most uncertain one
            gain = self.posteriors[0].variance
        return self.members.specs[int(np.argmax(np.where(open_rows, gain, -np.inf)))]

    def _beliefs(self) -> list[Belief]:
        beliefs: list[Belief] = [
            warp.belief(posterior.mean + expected, posterior.variance)
            for warp, posterior, expected in zip(self.warps, self.posteriors, self.expected, strict=True)
        ]
        return beliefs + [Known(column) for column in self.members.costs.T[len(beliefs) - 1 :]]


def _worst(errors: np.ndarray) -> float:
    """The error beyond which nothing counts; if all are the same so far, a little above them."""
    worst = float(np.percentile(errors, WORST_PERCENTILE))
    return worst if worst > errors.min() else worst + max(1e-9, SOFTENING * abs(worst))


def _largest(pool: Pool, costs: np.ndarray) -> np.ndarray:
    """The largest of each cost among the results and the pool's base."""
    return np.asarray(np.concatenate([costs, pool.base_costs()]).max(axis=0))
