"""What a surrogate-based searcher knows between two results: beliefs about a pool, and the best of it.

A plan is a function of the problem, the results and what is awaited, so a resumed search makes the
same one.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from math import ceil

import numpy as np

from edgenas.arch.spec import ArchSpec
from edgenas.search.gain import Belief, Known, LogNormal, expected_gain
from edgenas.search.pareto import ranks
from edgenas.search.pool import Members, Pool, error_of
from edgenas.search.searcher import Observation
from edgenas.search.surrogate import Hyperparameters, Posterior, fit_hyperparameters

LEARNED = 400
"""Results that a surrogate learns from at most."""

FITTED = 200
"""Results that its hyperparameters are fitted to at most."""

GROWTH = 1.08
"""By how much the results grow before the hyperparameters are fitted again."""

WORST_PERCENTILE = 90
"""Values beyond this percentile of the results are worth nothing."""

SOFTENING = 0.05
"""Share of the median that is added to all values before taking logarithms."""


class Warp:
    """``log(value + shift)``, standardized: errors and costs spread over orders of magnitude."""

    def __init__(self, values: np.ndarray) -> None:
        least = min(0.0, float(values.min()))
        self.shift = SOFTENING * max(float(np.median(values)) - least, 1e-9) - least
        logs = np.log(values + self.shift)
        self.centre = float(logs.mean())
        self.spread = float(logs.std()) or 1.0

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Warped values."""
        return np.asarray((np.log(values + self.shift) - self.centre) / self.spread)

    def back(self, warped: np.ndarray) -> np.ndarray:
        """Values from warped ones."""
        return np.asarray(np.exp(warped * self.spread + self.centre) - self.shift)

    def belief(self, mean: np.ndarray, variance: np.ndarray) -> LogNormal:
        """What is believed of values of which warped mean and variance are known."""
        return LogNormal(mean * self.spread + self.centre, np.sqrt(variance) * self.spread, self.shift)


class Evidence:
    """All results so far as columns; features are looked up for those that are learned from.

    Attributes:
        candidates: What was trained.
        points: Objectives, shape (n, objectives); a failure has the worst error and its own costs.
    """

    def __init__(self, pool: Pool, observations: Sequence[Observation]) -> None:
        self.pool = pool
        self.candidates = [observation.candidate for observation in observations]
        errors = np.array([error_of(observation) for observation in observations])
        errors[np.isnan(errors)] = np.nanmax(errors)
        self.points = np.column_stack([errors, pool.costs(self.candidates)])

    def features(self, rows: np.ndarray) -> tuple[np.ndarray, ...]:
        """Features of some of them."""
        return self.pool.features([self.candidates[row] for row in rows])


class Fits:
    """Hyperparameters of each objective, fitted again whenever the results have grown by 8 %.

    They are fitted to the results up to a fixed number, so a resumed search has the same.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[int, int], Hyperparameters] = {}

    def get(self, objective: int, evidence: Evidence) -> Hyperparameters:
        """Those of one objective after these results."""
        size, total = 1, len(evidence.points)
        while (larger := max(size + 1, ceil(size * GROWTH))) <= total:
            size = larger
        if (objective, size) not in self._known:
            rows = learned_rows(evidence.points[:size], FITTED)
            values = evidence.points[rows, objective]
            self._known[objective, size] = fit_hyperparameters(evidence.features(rows), Warp(values)(values))
        return self._known[objective, size]


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
    """

    def __init__(
        self,
        pool: Pool,
        observations: Sequence[Observation],
        asked: Collection[str],
        fits: Fits,
        *,
        learns_costs: bool = False,
    ) -> None:
        self.results = len(observations)
        self.pool = pool
        self.members: Members = pool.unseen(observations, asked)
        self._awaited: set[str] = set()
        evidence = Evidence(pool, observations)
        points = evidence.points
        self.reference = np.concatenate([[_worst(points[:, 0])], _largest(pool, points[:, 1:])])
        rows = learned_rows(points, LEARNED)
        observed = evidence.features(rows)
        modelled = range(points.shape[1] if learns_costs else 1)
        self.warps = [Warp(points[:, axis]) for axis in modelled]
        self.posteriors = [
            Posterior(
                fits.get(axis, evidence),
                observed,
                warp(points[rows, axis]),
                self.members.groups if self.members.specs else [group[:0] for group in observed],
            )
            for axis, warp in zip(modelled, self.warps, strict=True)
        ]
        self.front = points[rows].copy()
        self.front[:, 0] = self.warps[0].back(self.posteriors[0].fitted)

    def await_result(self, spec: ArchSpec) -> None:
        """Count a training that goes on at its expected result; a second time changes nothing."""
        if spec.arch_id in self._awaited:
            return
        self._awaited.add(spec.arch_id)
        awaited = [self.pool.problem.candidate(spec)]
        features = self.pool.features(awaited)
        warped = [posterior.believe(features) for posterior in self.posteriors]
        point = np.concatenate([[0.0], self.pool.costs(awaited)[0]])
        for axis, (warp, value) in enumerate(zip(self.warps, warped, strict=True)):
            point[axis] = warp.back(np.array(value))
        self.front = np.vstack([self.front, point])

    def best(self, asked: Collection[str]) -> ArchSpec | None:
        """The member of the largest expected gain that was not asked; None if all were."""
        open_rows = [row for row, name in enumerate(self.members.ids) if name not in asked]
        if not open_rows:
            return None
        gain = expected_gain(self._beliefs(), self.front, self.reference)
        if gain[open_rows].max() <= 0:  # nothing can gain: the most uncertain one
            gain = self.posteriors[0].variance
        return self.members.specs[open_rows[int(np.argmax(gain[open_rows]))]]

    def _beliefs(self) -> list[Belief]:
        beliefs: list[Belief] = [
            warp.belief(posterior.mean, posterior.variance)
            for warp, posterior in zip(self.warps, self.posteriors, strict=True)
        ]
        return beliefs + [Known(column) for column in self.members.costs.T[len(beliefs) - 1 :]]


def _worst(errors: np.ndarray) -> float:
    """The error beyond which nothing counts; if all are the same so far, a little above them."""
    worst = float(np.percentile(errors, WORST_PERCENTILE))
    return worst if worst > errors.min() else worst + max(1e-9, SOFTENING * abs(worst))


def _largest(pool: Pool, costs: np.ndarray) -> np.ndarray:
    """The largest of each cost among the results and the pool's base."""
    return np.asarray(np.concatenate([costs, pool.base_costs()]).max(axis=0))
