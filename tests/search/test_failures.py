"""What failed, for example for want of memory, is avoided together with its like."""

from __future__ import annotations

from edgenas.search.objective import Constraint
from edgenas.search.searcher import Observation
from edgenas.search.searchers import SEARCHERS
from edgenas.testing.searchers import toy_error, toy_problem

LARGE = 25_000
"""MACs from which a training fails here."""


def failing(name: str) -> list[bool]:
    """Which of 40 proposals fail, those of more than so many MACs."""
    problem = toy_problem(Constraint("macs", 60_000))
    searcher, fails = SEARCHERS.get(name)(problem, 0), []
    for _ in range(40):
        candidate = searcher.ask()
        fails.append(candidate.cost.macs > LARGE)
        point = None if fails[-1] else problem.point(candidate, toy_error(candidate.spec))
        searcher.tell(Observation(candidate, point))
    return fails


def test_the_default_searcher_learns_to_avoid_what_fails() -> None:
    by_chance, learned = failing("random"), failing("front")
    assert sum(learned[26:]) <= sum(by_chance[26:]) / 2
