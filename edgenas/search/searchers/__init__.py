"""The searchers; importing this package registers them."""

from edgenas.search.searchers.front import FrontSearcher
from edgenas.search.searchers.nsga2 import Nsga2Searcher
from edgenas.search.searchers.random import RandomSearcher
from edgenas.search.searchers.regularized_evolution import RegularizedEvolutionSearcher

__all__ = ["FrontSearcher", "Nsga2Searcher", "RandomSearcher", "RegularizedEvolutionSearcher"]
