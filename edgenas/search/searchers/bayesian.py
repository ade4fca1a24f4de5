"""Bayesian optimization with expected hypervolume improvement, costs learned like the error."""

from __future__ import annotations

import numpy as np

from edgenas.arch.spec import ArchSpec
from edgenas.search.modelled import ModelledSearcher
from edgenas.search.searcher import SEARCHERS


@SEARCHERS.register("bayesian")
class BayesianSearcher(ModelledSearcher):
    """A Gaussian process for each objective over the decisions (Emmerich et al. 2011).

    What a general optimizer knows: neither the graph of a network nor its costs before the training.
    The first ten candidates are random.
    """

    learns_costs = True
    sees_graph = False

    def founder(self, rng: np.random.Generator) -> ArchSpec:
        """A uniformly random spec."""
        return self.problem.space.sample(rng)
