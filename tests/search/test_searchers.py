"""Every registered searcher keeps the contract of `edgenas.testing.searchers`, which does find faults."""

from __future__ import annotations

from functools import cache
from statistics import median

import numpy as np
import pytest

from edgenas.arch.spec import ArchSpec
from edgenas.errors import UnknownNameError
from edgenas.search import searchers  # noqa: F401  registers them
from edgenas.search.problem import Candidate, Problem
from edgenas.search.searcher import SEARCHERS, Searcher
from edgenas.testing.searchers import SearcherContract, dominated_volume, go_on, toy_problem


@pytest.fixture(params=SEARCHERS.names())
def registered(request: pytest.FixtureRequest) -> type[Searcher]:
    found = SEARCHERS.get(request.param)
    request.instance.searcher = found
    return found


@pytest.mark.usefixtures("registered")
class TestRegisteredSearchers(SearcherContract):
    searcher: type[Searcher]
    trials = 24

    def make(self, problem: Problem, seed: int = 0) -> Searcher:
        return self.searcher(problem, seed)


WITH_A_MODEL = ("bayesian", "front", "optuna")
"""These take a hundred times as long as the others, and each of nine seeds beat random's median."""


@cache
def typical(name: str) -> float:
    """Median hypervolume of nine seeds, or five, after 80 trials of a made-up problem."""
    searcher, seeds = SEARCHERS.get(name), range(5 if name in WITH_A_MODEL else 9)
    return median(dominated_volume(go_on(searcher(toy_problem(), seed), 80)) for seed in seeds)


@pytest.mark.parametrize("name", [name for name in SEARCHERS.names() if name not in ("random", "one-shot")])
def test_a_searcher_that_learns_beats_random(name: str) -> None:
    """One-shot proposes as front."""
    assert typical(name) > typical("random") + 0.01


class Careless(Searcher):
    """Checks neither budgets nor repetitions."""

    def propose(self, rng: np.random.Generator) -> ArchSpec:
        return self.problem.space.sample(rng)

    def ask(self) -> Candidate:
        spec = self.propose(np.random.default_rng(len(self.observations) // 2))
        return self.problem.candidate(spec)


class Forgetful(Searcher):
    """Keeps a state of its own that a replay does not bring back."""

    count = 0

    def propose(self, rng: np.random.Generator) -> ArchSpec:
        self.count += 1
        return self.problem.space.sample(np.random.default_rng([self.seed, self.count]))


@pytest.mark.parametrize(
    ("searcher", "test"),
    [
        (Careless, "test_nothing_over_budget_is_proposed"),
        (Careless, "test_no_candidate_comes_twice"),
        (Careless, "test_one_seed_gives_one_sequence"),
        (Forgetful, "test_replayed_results_lead_to_the_same_candidates"),
    ],
)
def test_the_contract_finds_a_faulty_searcher(searcher: type[Searcher], test: str) -> None:
    contract = SearcherContract()
    contract.make = searcher  # type: ignore[method-assign, assignment]
    with pytest.raises(AssertionError):
        getattr(contract, test)()


def test_an_unknown_searcher_says_what_was_meant() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'nsga2'"):
        SEARCHERS.get("nsga-2")
