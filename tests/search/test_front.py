"""Searchers with a surrogate, and the others that came with them, on a made-up table."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from edgenas.arch.spec import ArchSpec
from edgenas.errors import UsageError
from edgenas.search import searchers  # noqa: F401  registers them
from edgenas.search.objective import Constraint
from edgenas.search.plan import Fits, Plan
from edgenas.search.pool import BASE, Pool, block_size
from edgenas.search.problem import Candidate, Problem
from edgenas.search.searcher import SEARCHERS, Observation, Searcher
from tests.search.made_up import made_up_problem

from tabular_space import TableProblem  # isort: skip

TABLE = made_up_problem()


def searcher(name: str, *constraints: Constraint, seed: int = 0) -> Searcher:
    problem = TABLE.problem
    return SEARCHERS.get(name)(
        Problem(problem.space, problem.cost_source, constraints, problem.objectives), seed
    )


def told(asking: Searcher, candidate: Candidate) -> None:
    asking.tell(Observation(candidate, TABLE.point(candidate)))


def go_on(asking: Searcher, trials: int) -> list[ArchSpec]:
    specs = []
    for _ in range(trials):
        specs.append((candidate := asking.ask()).spec)
        told(asking, candidate)
    return specs


def share(specs: list[ArchSpec], problem: TableProblem = TABLE) -> float:
    return problem.share(problem.row(spec) for spec in specs)


def test_front_needs_a_third_of_the_trainings_of_random() -> None:
    few = [share(go_on(searcher("front", seed=seed), 30)) for seed in range(2)]
    many = [share(go_on(searcher("random", seed=seed), 90)) for seed in range(2)]
    assert min(few) > max(many)


def test_a_batch_is_diverse_and_counts_what_is_awaited() -> None:
    asking = searcher("front")
    go_on(asking, 20)
    batch = [asking.ask() for _ in range(8)]
    assert len({candidate.spec.arch_id for candidate in batch}) == 8
    latencies = [candidate.cost.latency_ms or 0.0 for candidate in batch]
    assert np.ptp(latencies) > 0.1 * np.ptp(TABLE.table.latency_ms)


def test_with_many_at_a_time_plans_are_few_and_find_more_than_chance() -> None:
    """24 trainings at a time, of which the oldest ends; 100 in all."""
    asking, plans = searcher("front"), []
    batch = [asking.ask() for _ in range(24)]
    for _ in range(76):
        told(asking, batch[len(asking.observations)])
        batch.append(asking.ask())
        if asking._plan is not None and asking._plan not in plans:
            plans.append(asking._plan)
    assert [plan.results for plan in plans] == list(range(plans[0].results, 77, 8))
    assert plans[0].results % 8 == 0
    assert share([one.spec for one in batch]) > share(go_on(searcher("random"), 200))


def test_with_many_at_a_time_the_pool_is_not_used_up() -> None:
    """A budget that a fifth of all networks keep, 40 at a time, and 400 results."""
    limit = float(np.quantile(TABLE.table.latency_ms, 0.2))
    asking = searcher("front", Constraint("latency_ms", limit))
    batch = [asking.ask() for _ in range(40)]
    for _ in range(400):
        told(asking, batch[len(asking.observations)])
        batch.append(asking.ask())
    assert asking._plan is not None
    assert len(set(asking._plan.members.ids) - asking._asked) > 100


@pytest.mark.parametrize("at_a_time", [4, 9, 24])
def test_a_search_resumed_in_the_middle_of_a_batch_goes_on_alike(at_a_time: int) -> None:
    whole = searcher("front")
    go_on(whole, 20)
    batch = [whole.ask() for _ in range(at_a_time)]
    resumed = searcher("front")
    for observation in whole.observations:
        resumed.note_asked(observation.candidate.spec)
        resumed.tell(observation)
    for candidate in batch:
        resumed.note_asked(candidate.spec)
    for candidate in batch[: at_a_time // 2 + 1]:
        told(whole, candidate)
        told(resumed, candidate)
    assert [whole.ask().spec for _ in range(3)] == [resumed.ask().spec for _ in range(3)]


def test_a_resume_after_failures_goes_on_alike_wherever_it_was_cut_off() -> None:
    """Hyperparameters rest on the first so many results, and so must what counts for a failure among them."""
    whole = searcher("front")
    for number in range(28):
        candidate = whole.ask()
        error = 0.1 + 0.03 * number  # the worst comes last
        failed = number in (2, 5, 8, 11, 13, 16)
        whole.tell(Observation(candidate, None if failed else whole.problem.point(candidate, error)))
    names = [observation.candidate.spec.arch_id for observation in whole.observations]
    for cut in range(17, 28, 2):
        resumed = searcher("front")
        for observation in whole.observations[:cut]:
            resumed.note_asked(observation.candidate.spec)
            resumed.tell(observation)
        assert resumed.ask().spec.arch_id == names[cut]


def test_founders_are_spread_over_the_costs() -> None:
    asking = searcher("front")
    latencies = [asking.ask().cost.latency_ms or 0.0 for _ in range(10)]
    base = Pool(asking.problem, asking.seed).base_costs()[:, 0]
    tenths = np.quantile(base, np.linspace(0, 1, 11))
    for low, high in zip(tenths[:-1], tenths[1:], strict=True):
        assert any(low <= latency <= high for latency in latencies)


def test_what_the_pool_refuses_is_counted_and_never_proposed() -> None:
    asking = searcher("front", Constraint("latency_ms", 4.0))
    specs = go_on(asking, 25)
    assert all(TABLE.table.latency_ms[TABLE.row(spec)] <= 4.0 for spec in specs)
    assert asking.refused["latency_ms"] > BASE / 4


def test_refusals_are_counted_on_with_many_at_a_time() -> None:
    asking = searcher("front", Constraint("latency_ms", 4.0))
    batch, counts = [asking.ask() for _ in range(10)], []
    for number in range(50):
        told(asking, batch[number])
        batch.append(asking.ask())
        counts.append(asking.refused["latency_ms"])
    assert counts[20] < counts[35] < counts[-1]


def test_the_pool_stays_bounded_and_is_the_same_after_a_resume(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgenas.search.pool.BLOCKS", 10)
    asking = searcher("random")
    go_on(asking, 50)
    grown, anew = Pool(asking.problem, 7), Pool(asking.problem, 7)
    for results in range(0, len(asking.observations), 20):
        grown.unseen(asking.observations[:results], set())
    known = {observation.candidate.spec.arch_id for observation in asking.observations}
    members = grown.unseen(asking.observations, known)
    assert members.ids == anew.unseen(asking.observations, known).ids
    assert not known & set(members.ids)
    assert len(set(members.ids)) == len(members.ids) <= BASE + 10 * block_size(0)
    assert len(grown._blocks) == 10 + 1


def test_a_plan_prefers_what_adds_most_and_leaves_out_what_was_asked() -> None:
    asking = searcher("random")
    go_on(asking, 30)
    pool = Pool(asking.problem, 0)
    plan = Plan(pool, asking.observations, set(), Fits())
    first = plan.best(set())
    assert first is not None
    assert plan.best({first.arch_id}) != first
    assert plan.best(set(plan.members.ids)) is None
    alone = share([observation.candidate.spec for observation in asking.observations])
    gained = share([first, *(observation.candidate.spec for observation in asking.observations)])
    assert gained > alone


@pytest.mark.parametrize("name", ["front", "bayesian"])
@pytest.mark.parametrize("result", [None, float("nan"), 0.25])
def test_failures_and_equal_results_are_survived(name: str, result: float | None) -> None:
    """A third of the trainings end like this; all others are as they should be."""
    asking = searcher(name)
    for number in range(24):
        candidate = asking.ask()
        point = TABLE.point(candidate)
        if number % 3 == 0:
            asking.tell(Observation(candidate, None if result is None else (result, point[1])))
        else:
            asking.tell(Observation(candidate, point))
    assert len({observation.candidate.spec.arch_id for observation in asking.observations}) == 24


@pytest.mark.parametrize(("name", "trials"), [("local-search", 60), ("bayesian", 30), ("reinforce", 100)])
def test_the_others_learn_too(name: str, trials: int) -> None:
    learned = np.median([share(go_on(searcher(name, seed=seed), trials)) for seed in range(3)])
    by_chance = np.median([share(go_on(searcher("random", seed=seed), trials)) for seed in range(3)])
    assert learned > by_chance


def test_local_search_changes_one_decision_of_a_member_of_the_front() -> None:
    asking = searcher("local-search")
    go_on(asking, 20)
    proposed = asking.propose(np.random.default_rng(0)).choices
    distances = [
        sum(proposed[name] != value for name, value in observation.candidate.spec.choices.items())
        for observation in asking.observations
    ]
    assert min(distances) == 1


def test_optuna_that_is_not_installed_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(UsageError, match=r"edgenas\[optuna\]"):
        searcher("optuna")


@pytest.mark.parametrize("sampler", ["TPESampler", "NSGAIISampler"])
def test_any_sampler_of_optuna_learns_and_resumes(sampler: str) -> None:
    optuna = pytest.importorskip("optuna")
    made = SEARCHERS.get("optuna")
    runs = [
        made(TABLE.problem, 1, lambda seed: getattr(optuna.samplers, sampler)(seed=seed)) for _ in range(2)
    ]  # type: ignore[call-arg]
    go_on(runs[0], 20)
    for observation in runs[0].observations:
        runs[1].note_asked(observation.candidate.spec)
        runs[1].tell(observation)
    assert go_on(runs[0], 5) == go_on(runs[1], 5)
