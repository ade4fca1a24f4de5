"""Uniform random search: the baseline that every other method has to beat."""

from __future__ import annotations

import numpy as np

from edgenas.arch.spec import ArchSpec
from edgenas.search.searcher import SEARCHERS, Searcher


@SEARCHERS.register("random")
class RandomSearcher(Searcher):
    """Uniform decisions, whatever was learned."""

    def propose(self, rng: np.random.Generator) -> ArchSpec:
        """A uniformly random spec."""
        return self.problem.space.sample(rng)
