"""ModelledSearcher: what the surrogate-based searchers share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from math import isnan

import numpy as np
from threadpoolctl import threadpool_limits

from edgenas.arch.spec import ArchSpec
from edgenas.search.plan import Fits, Plan
from edgenas.search.pool import Pool, error_of
from edgenas.search.problem import Problem
from edgenas.search.searcher import Observation, Searcher
from edgenas.search.transfer import Earlier
from edgenas.search.trend import Trend

FEWEST_LONG = 3
"""Longer trainings before a model chooses whom to give one."""

FOUNDERS = 10
"""Results before the surrogate chooses."""


class ModelledSearcher(Searcher):
    """Chooses from a pool by expected gain of hypervolume under Gaussian processes.

    Trainings that are still going on count at their expected result (Ginsbourger et al. 2010),
    which keeps a batch diverse. A failed training counts as the worst error seen.

    Attributes:
        learns_costs: Whether costs are modelled like the error, or taken as they are.
        sees_graph: Whether the network's graph is among the features, or the decisions alone.
    """

    learns_costs: bool
    sees_graph: bool

    def __init__(self, problem: Problem, seed: int = 0) -> None:
        super().__init__(problem, seed)
        self._pool = Pool(problem, seed, sees_graph=self.sees_graph)
        self._fits = Fits()
        self._awaited: dict[str, ArchSpec] = {}
        self._plan: Plan | None = None
        self._succeeded = 0
        self._counted = -1
        self._trend: Trend | None = None

    def learn_from(self, earlier: Earlier) -> None:
        """Begin with an earlier run's front, and with what its results say of all networks."""
        super().learn_from(earlier)
        specs, errors = earlier.learned_from()
        candidates = [self.problem.candidate(spec) for spec in specs]
        self._trend = Trend(self._pool.features(candidates), errors)

    def note_asked(self, spec: ArchSpec, fidelity: float = 1.0) -> None:
        """Count a spec as asked and as awaited."""
        super().note_asked(spec, fidelity)
        self._counted = len(self.observations)
        self._awaited[spec.arch_id] = spec

    def tell(self, observation: Observation) -> None:
        """Take note of a result."""
        super().tell(observation)
        self._awaited.pop(observation.candidate.spec.arch_id, None)
        self._succeeded += not isnan(error_of(observation))

    def propose(self, rng: np.random.Generator) -> ArchSpec:
        """The candidate of the largest expected gain, or one of the founders."""
        with threadpool_limits(limits=1, user_api="blas"):  # more threads slow small matrices down
            founders = 1 if self._trend else FOUNDERS
            chosen = self.founder(rng) if self._succeeded < founders else self._planned()
        if self._counted < len(self.observations):  # what the pool refused since the last ask
            self.refused.update(self._pool.refused(self._counted))
            self._counted = len(self.observations)
        return chosen or self.problem.space.sample(rng)

    def promote(
        self,
        short: Sequence[Observation],
        longer: Sequence[Observation],
        awaited: Sequence[ArchSpec],
    ) -> ArchSpec | None:
        """The one of some shortly trained candidates that gains most by a longer training.

        The short trainings give the trend of the long ones, which learn the difference to it (the
        autoregressive model of Kennedy and O'Hagan 2000).

        Returns:
            None while too few had the longer training, or if none is left.
        """
        known = [result for result in short if not isnan(error_of(result))]
        begun = {result.candidate.spec.arch_id for result in longer} | {spec.arch_id for spec in awaited}
        waiting = [result.candidate for result in known if result.candidate.spec.arch_id not in begun]
        if sum(not isnan(error_of(result)) for result in longer) < FEWEST_LONG or not waiting:
            return None
        with threadpool_limits(limits=1, user_api="blas"):
            features = self._pool.features([result.candidate for result in known])
            trend = Trend(features, np.array([error_of(result) for result in known]))
            members = self._pool.members(waiting)
            plan = Plan(self._pool, longer, (), Fits(), trend=trend, members=members)
            for spec in awaited:
                plan.await_result(spec)
            return plan.best(())

    def _planned(self) -> ArchSpec | None:
        if self._plan is None or self._plan.results != len(self.observations):
            self._plan = Plan(
                self._pool,
                self.observations,
                self._asked,
                self._fits,
                learns_costs=self.learns_costs,
                trend=self._trend,
            )
        for spec in self._awaited.values():
            self._plan.await_result(spec)
        return self._plan.best(self._asked)

    @abstractmethod
    def founder(self, rng: np.random.Generator) -> ArchSpec | None:
        """A candidate for the time before the surrogate can choose; None leaves it to chance."""
