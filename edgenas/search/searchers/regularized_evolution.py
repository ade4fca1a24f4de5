"""Regularized (aging) evolution, Real et al. 2019, with a Pareto tournament for several objectives."""

from __future__ import annotations

import numpy as np

from edgenas.arch.spec import ArchSpec
from edgenas.search.pareto import ranks
from edgenas.search.searcher import SEARCHERS, Searcher, points_of

FOUNDERS = 8
POPULATION = 24
TOURNAMENT = 6


@SEARCHERS.register("regularized-evolution")
class RegularizedEvolutionSearcher(Searcher):
    """The youngest 24 results are the population; the best front of six drawn has the child.

    The winner of a tournament is drawn from the non-dominated ones among six, and one of its
    decisions is mutated. Old results die of age, good or bad.
    """

    has_parents = True

    def propose(self, rng: np.random.Generator) -> ArchSpec:
        """A mutated parent, or a random spec while there are fewer than eight results."""
        population = self.successes()[-POPULATION:]
        if len(population) < FOUNDERS:
            return self.problem.space.sample(rng)
        drawn = rng.choice(len(population), size=min(TOURNAMENT, len(population)), replace=False)
        entrants = [population[int(position)] for position in drawn]
        best = np.flatnonzero(ranks(points_of(entrants)) == 0)
        parent = entrants[int(rng.choice(best))].candidate.spec
        return self.child_of(parent, self.problem.space.mutate(parent, rng))
