"""`one-shot`: one supernet is trained, then every candidate costs a score instead of a training.

The proposals are those of `front`; `edgenas.search.supernet` holds what makes it one-shot, and puts any other
searcher on a supernet as well.
"""

from __future__ import annotations

from edgenas.search.problem import Problem
from edgenas.search.searcher import SEARCHERS
from edgenas.search.searchers.front import FrontSearcher
from edgenas.search.supernet import OnSupernet


@SEARCHERS.register("one-shot")
class OneShotSearcher(OnSupernet):
    """The `front` searcher on a supernet.

    Args:
        problem: What is searched.
        seed: One seed gives one sequence of candidates for one sequence of results.
    """

    def __init__(self, problem: Problem, seed: int = 0) -> None:
        super().__init__(problem, seed, kind=FrontSearcher)
