"""Warm starts: what an earlier run's networks and errors bring to another search."""

from __future__ import annotations

from statistics import median
from typing import Any

import numpy as np
import pytest

from edgenas.arch.spec import ArchSpec
from edgenas.errors import ConfigError
from edgenas.search.objective import Constraint
from edgenas.search.pareto import hypervolume
from edgenas.search.problem import Problem
from edgenas.search.searcher import Observation
from edgenas.search.searchers import SEARCHERS
from edgenas.search.transfer import Earlier, gained, shares
from edgenas.search.trend import Trend
from edgenas.testing.searchers import ToySpace, go_on, toy_error, toy_problem


def knowledge(trials: int = 40, shape: tuple[int, int, int] = (16, 16, 1)) -> dict[str, Any]:
    """What a search with front on other data would have learned: everything a little harder."""
    searcher = SEARCHERS.get("front")(toy_problem(space=ToySpace(shape, 4)), 9)
    told = go_on(searcher, trials, lambda spec: 1.2 * toy_error(spec) + 0.02)
    return {
        "run": "runs/earlier",
        "space": "toy",
        "trials": [[dict(entry.candidate.spec.choices), entry.point[0]] for entry in told if entry.point],
    }


KNOWLEDGE = knowledge()


def volume(told: list[Observation], problem: Problem) -> float:
    points = np.array([entry.point for entry in told])
    return hypervolume(points, np.array([1.0, 400_000.0]))


@pytest.mark.parametrize("name", ["front", "bayesian", "nsga2", "regularized-evolution", "random"])
def test_the_earlier_front_is_trained_first_within_the_budgets(name: str) -> None:
    problem = toy_problem(Constraint("macs", 60_000))
    earlier = Earlier(KNOWLEDGE, problem)
    searcher = SEARCHERS.get(name)(problem, 0)
    searcher.learn_from(earlier)
    asked = [searcher.ask() for _ in range(len(earlier.seeds))]
    assert 1 < len(asked) <= 8
    assert [candidate.spec for candidate in asked] == list(earlier.seeds)
    assert not any(problem.violated(candidate.cost) for candidate in asked)


@pytest.mark.parametrize("name", ["front", "bayesian"])
def test_a_surrogate_with_a_trend_is_ahead_of_one_without(name: str) -> None:
    problem = toy_problem()

    def after(trainings: int, seed: int, warm: bool) -> float:
        searcher = SEARCHERS.get(name)(problem, seed)
        if warm:
            searcher.learn_from(Earlier(KNOWLEDGE, problem))
        return volume(go_on(searcher, trainings), problem)

    warm = median(after(14, seed, True) for seed in range(2))
    cold = median(after(28, seed, False) for seed in range(2))
    assert warm >= cold


def test_a_resumed_warm_search_goes_on_identically() -> None:
    problem = toy_problem()
    whole = SEARCHERS.get("front")(problem, 1)
    whole.learn_from(Earlier(KNOWLEDGE, problem))
    told = go_on(whole, 16)
    resumed = SEARCHERS.get("front")(problem, 1)
    resumed.learn_from(Earlier(KNOWLEDGE, problem))
    for entry in told[:10]:
        resumed.note_asked(entry.candidate.spec)
        resumed.tell(entry)
    again = go_on(resumed, 6)
    assert [e.candidate.spec.arch_id for e in again] == [e.candidate.spec.arch_id for e in told[10:]]


def test_an_earlier_run_that_was_wrong_does_not_keep_the_front_away() -> None:
    """Earlier errors turned upside down: the search must still find what a cold one finds."""
    upside_down = {
        **KNOWLEDGE, "trials": [[choices, 0.95 - error] for choices, error in KNOWLEDGE["trials"]]
    }  # fmt: skip
    problem = toy_problem()
    searcher = SEARCHERS.get("front")(problem, 0)
    searcher.learn_from(Earlier(upside_down, problem))
    misled = volume(go_on(searcher, 60), problem)
    assert misled > 0.97 * volume(go_on(SEARCHERS.get("front")(problem, 0), 60), problem)


def test_a_run_with_larger_images_is_adapted() -> None:
    problem = toy_problem(space=ToySpace((8, 8, 1), 4))
    earlier = Earlier(knowledge(12, (32, 32, 1)), problem)
    assert {spec.input_shape for spec in earlier.specs} == {(8, 8, 1)}
    assert earlier.points[:, 1].tolist() == [spec.graph().macs for spec in earlier.specs]


def test_a_run_of_another_space_is_refused() -> None:
    with pytest.raises(ConfigError, match="searched space 'micro', this search 'toy'"):
        Earlier({**KNOWLEDGE, "space": "micro"}, toy_problem())


def test_a_trend_is_as_steep_as_results_say() -> None:
    rng = np.random.default_rng(0)
    groups = [rng.normal(size=(60, 3))]
    errors = np.exp(0.3 * groups[0][:, 0] - 2)
    trend = Trend(groups, errors)
    expected = trend(groups)
    warped = np.log(errors)
    height, slope = trend.line(expected, (3 * warped - warped.mean()) / 1.0, 1.0)
    assert height + slope * expected == pytest.approx(3 * warped - warped.mean(), abs=0.3)
    few_height, few_slope = trend.line(expected[:2], warped[:2] - warped.mean(), 1.0)
    assert few_slope == pytest.approx(trend.warp.spread, rel=0.2), few_height


class Trial:
    """What `gained` reads of a trial."""

    def __init__(self, spec: ArchSpec, problem: Problem, error: float) -> None:
        self.spec, self.cost = spec, problem.cost_of(spec)
        self.val_error, self.status = error, "completed"
        self.fidelity = self.rank_fidelity = 1.0


def test_a_run_says_what_the_earlier_one_brought() -> None:
    problem = toy_problem()
    earlier = Earlier(KNOWLEDGE, problem)
    searcher = SEARCHERS.get("front")(problem, 0)
    searcher.learn_from(earlier)
    trials = [
        Trial(entry.candidate.spec, problem, toy_error(entry.candidate.spec)) for entry in go_on(searcher, 20)
    ]
    found = gained(earlier, problem, trials)  # type: ignore[arg-type]
    assert found["seeds"] == len(earlier.seeds)
    assert 0 < found["share"] <= 1
    assert 1 <= found["needed"] <= len(earlier.specs)
    assert found["correlation"] == pytest.approx(1.0)


def test_shares_rise_to_one() -> None:
    values = shares(np.random.default_rng(0).uniform(size=(30, 2)))
    assert (np.diff(values) >= 0).all() and values[-1] == 1.0
