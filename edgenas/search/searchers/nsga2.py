"""NSGA-II, Deb et al. 2002, one child at a time (steady state)."""

from __future__ import annotations

import numpy as np

from edgenas.arch.spec import ArchSpec
from edgenas.search.pareto import crowding_distance, ranks
from edgenas.search.searcher import SEARCHERS, Observation, Searcher, points_of

FOUNDERS = 8
POPULATION = 16
MUTATION_RATE = 0.8


@SEARCHERS.register("nsga2")
class Nsga2Searcher(Searcher):
    """The best 16 results by front and crowding distance are the population.

    Two binary tournaments choose the parents; the child takes each decision from one of them and
    is then mutated four times in five. Its parent, where it inherits weights, is the one it shares more
    decisions with.
    """

    has_parents = True

    def propose(self, rng: np.random.Generator) -> ArchSpec:
        """A child of two good results, or a random spec while there are fewer than eight."""
        space = self.problem.space
        population = self._population()
        if len(population) < FOUNDERS:
            return space.sample(rng)
        drawn = [population[self._tournament(len(population), rng)] for _ in range(2)]
        first, second = (result.candidate.spec for result in drawn)
        child = space.crossover(first, second, rng)
        child = space.mutate(child, rng) if rng.random() < MUTATION_RATE else child
        return self.child_of(max((first, second), key=lambda parent: _shared(parent, child)), child)

    def _population(self) -> list[Observation]:
        """Survivors, best first."""
        results = self.successes()
        if not results:
            return []
        points = points_of(results)
        front = ranks(points)
        crowding = np.zeros(len(results))
        for rank in np.unique(front):
            members = np.flatnonzero(front == rank)
            crowding[members] = crowding_distance(points[members])
        order = np.lexsort((-crowding, front))
        return [results[int(position)] for position in order[:POPULATION]]

    @staticmethod
    def _tournament(size: int, rng: np.random.Generator) -> int:
        """The better of two drawn positions (the population is sorted, best first)."""
        return int(rng.integers(size, size=2).min())


def _shared(parent: ArchSpec, child: ArchSpec) -> int:
    """In how many decisions two specs agree."""
    return len(parent.choices.items() & child.choices.items())
