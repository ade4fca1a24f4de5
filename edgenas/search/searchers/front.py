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
from edgenas.search.modelled import FOUNDERS, ModelledSearcher
from edgenas.search.searcher import SEARCHERS


@SEARCHERS.register("front")
class FrontSearcher(ModelledSearcher):
    """Expected gain of hypervolume with exact costs and a surrogate of the error.

    The first ten candidates are spread over the costs of a random pool.
    """

    learns_costs = False
    sees_graph = True

    def founder(self, rng: np.random.Generator) -> ArchSpec | None:
        """From the next of ten equal slices of the pool's base, sorted by cost; None if it is used up."""
        members = self._pool.unseen((), self._asked)
        if not members.specs:
            return None
        order = np.lexsort(members.costs.T[::-1]) if members.costs.shape[1] else np.arange(len(members.specs))
        turn, position = divmod(len(self._asked), FOUNDERS)
        slices = np.array_split(order, FOUNDERS)
        part = slices[int(np.random.default_rng([self.seed, turn, 3]).permutation(FOUNDERS)[position])]
        return members.specs[int(rng.choice(part if len(part) else order))]
