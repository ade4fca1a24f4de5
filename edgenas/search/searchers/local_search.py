"""Pareto local search, Paquete et al. 2004; for architectures White et al. 2021."""

from __future__ import annotations

import numpy as np

from edgenas.arch.spec import ArchSpec
from edgenas.search.pareto import front_mask
from edgenas.search.searcher import SEARCHERS, Searcher, points_of

FOUNDERS = 8
NEIGHBOURS = 30
"""Neighbours drawn of one result before its neighbourhood counts as known."""


@SEARCHERS.register("local-search")
class LocalSearcher(Searcher):
    """Trains the neighbours (one decision changed) of the front's members, in random order.

    A neighbourhood that seems used up is left; when all are, a random spec is next.
    """

    has_parents = True

    def propose(self, rng: np.random.Generator) -> ArchSpec:
        """An unknown neighbour of a member of the front, or a random spec while results are few."""
        results = self.successes()
        if len(results) < FOUNDERS:
            return self.problem.space.sample(rng)
        members = np.flatnonzero(front_mask(points_of(results)))
        for row in rng.permutation(members):
            for _ in range(NEIGHBOURS):
                parent = results[int(row)].candidate.spec
                spec = self.problem.space.mutate(parent, rng)
                if spec.arch_id not in self._asked:
                    return self.child_of(parent, spec)
        return self.problem.space.sample(rng)
