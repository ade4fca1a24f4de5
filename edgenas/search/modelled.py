"""ModelledSearcher: what the surrogate-based searchers share."""

from __future__ import annotations

from abc import abstractmethod
from math import isnan

import numpy as np
from threadpoolctl import threadpool_limits

from edgenas.arch.spec import ArchSpec
from edgenas.search.plan import Fits, Plan
from edgenas.search.pool import Pool, error_of
from edgenas.search.problem import Problem
from edgenas.search.searcher import Observation, Searcher

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

    def note_asked(self, spec: ArchSpec) -> None:
        """Count a spec as asked and as awaited."""
        super().note_asked(spec)
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
            chosen = self.founder(rng) if self._succeeded < FOUNDERS else self._planned()
        if self._counted < len(self.observations):  # what the pool refused since the last ask
            self.refused.update(self._pool.refused(self._counted))
            self._counted = len(self.observations)
        return chosen or self.problem.space.sample(rng)

    def _planned(self) -> ArchSpec | None:
        if self._plan is None or self._plan.results != len(self.observations):
            self._plan = Plan(
                self._pool, self.observations, self._asked, self._fits, learns_costs=self.learns_costs
            )
        for spec in self._awaited.values():
            self._plan.await_result(spec)
        return self._plan.best(self._asked)

    @abstractmethod
    def founder(self, rng: np.random.Generator) -> ArchSpec | None:
        """A candidate for the time before the surrogate can choose; None leaves it to chance."""
