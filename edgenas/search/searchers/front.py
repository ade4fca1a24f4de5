"""`front`: the fewest trainings to the front, by what is known of a network before its training.

General optimizers learn latency, memory and accuracy from trainings. Here only the accuracy is
learned, by a Gaussian process over the decisions and the graph of a network (in the line of
BANANAS, White et al. 2021, and NAS-BOWL, Ru et al. 2021); the costs of thousands of unseen
candidates are exact, and the one of the largest expected gain of hypervolume is trained next
(Emmerich et al. 2011; with the costs known it has a closed form). Trainings that are still going
on count at their expected result (Ginsbourger et al. 2010), which keeps a batch diverse.
"""

from __future__ import annotations

import numpy as np

from edgenas.arch.spec import ArchSpec
from edgenas.search.plan import Fits, Plan
from edgenas.search.pool import Pool, succeeded
from edgenas.search.problem import Problem
from edgenas.search.searcher import SEARCHERS, Observation, Searcher

FOUNDERS = 10
"""Trainings spread over the costs before the surrogate chooses."""


@SEARCHERS.register("front")
class FrontSearcher(Searcher):
    """Expected gain of hypervolume with exact costs and a surrogate of the error.

    The first ten candidates are spread over the costs of a random pool. A failed training counts as
    the worst error seen.
    """

    learns_costs = False

    def __init__(self, problem: Problem, seed: int = 0) -> None:
        super().__init__(problem, seed)
        self._pool = Pool(problem, seed)
        self._fits = Fits()
        self._awaited: dict[str, ArchSpec] = {}
        self._plan: Plan | None = None
        self._succeeded = 0

    def note_asked(self, spec: ArchSpec) -> None:
        """Count a spec as asked and as awaited."""
        super().note_asked(spec)
        self._awaited[spec.arch_id] = spec

    def tell(self, observation: Observation) -> None:
        """Take note of a result."""
        super().tell(observation)
        self._awaited.pop(observation.candidate.spec.arch_id, None)
        self._succeeded += succeeded(observation)

    def propose(self, rng: np.random.Generator) -> ArchSpec:
        """The candidate of the largest expected gain, or one of the founders."""
        if self._succeeded < FOUNDERS:
            return self._founder(rng)
        if self._plan is None or self._plan.results != len(self.observations):
            self._plan = Plan(
                self._pool, self.observations, self._asked, self._fits, learns_costs=self.learns_costs
            )
        for spec in self._awaited.values():
            self._plan.await_result(spec)
        return self._plan.best(self._asked) or self.problem.space.sample(rng)

    def _founder(self, rng: np.random.Generator) -> ArchSpec:
        """From the next of ten equal slices of the pool's base, sorted by cost."""
        members = self._pool.unseen((), self._asked)
        if not members.specs:
            return self.problem.space.sample(rng)
        order = np.lexsort(members.costs.T[::-1]) if members.costs.shape[1] else np.arange(len(members.specs))
        turn, position = divmod(len(self._asked), FOUNDERS)
        slices = np.array_split(order, FOUNDERS)
        part = slices[int(np.random.default_rng([self.seed, turn, 3]).permutation(FOUNDERS)[position])]
        return members.specs[int(rng.choice(part if len(part) else order))]
