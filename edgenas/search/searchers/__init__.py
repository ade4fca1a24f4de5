"""The searchers; importing this package registers them."""

from edgenas.search.searcher import SEARCHERS
from edgenas.search.searchers.bayesian import BayesianSearcher
from edgenas.search.searchers.front import FrontSearcher
from edgenas.search.searchers.gradient import BinaryGradientSearcher, GradientSearcher
from edgenas.search.searchers.local_search import LocalSearcher
from edgenas.search.searchers.nsga2 import Nsga2Searcher
from edgenas.search.searchers.one_shot import OneShotSearcher
from edgenas.search.searchers.optuna import OptunaSearcher
from edgenas.search.searchers.random import RandomSearcher
from edgenas.search.searchers.regularized_evolution import RegularizedEvolutionSearcher
from edgenas.search.searchers.reinforce import ReinforceSearcher

__all__ = [
    "SEARCHERS",
    "BayesianSearcher",
    "BinaryGradientSearcher",
    "FrontSearcher",
    "GradientSearcher",
    "LocalSearcher",
    "Nsga2Searcher",
    "OneShotSearcher",
    "OptunaSearcher",
    "RandomSearcher",
    "RegularizedEvolutionSearcher",
    "ReinforceSearcher",
]
