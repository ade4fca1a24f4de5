"""The differentiable cost is the exact one where the distribution is certain, and has the right slope."""

from __future__ import annotations

import numpy as np
import pytest

from edgenas.arch.space import SPACES
from edgenas.cost.types import Cost
from edgenas.errors import ConfigError
from edgenas.oneshot.gradient_cost import expected_costs
from edgenas.oneshot.gradient_derive import CLOSE, derived
from edgenas.oneshot.gradient_gates import softmax
from edgenas.oneshot.gradient_goal import AIM, Distribution, Goal, balanced, cost_slopes, rate_at
from edgenas.oneshot.gradient_space import Selection, Skeleton, refuse_rigid, skeleton_of
from edgenas.search.problem import Problem
from edgenas.search.targets import exact_costs, goals_of, ram_parts, skeletons_for, within, work_of

METRICS = ("latency_ms", "flash_bytes", "macs")


def random_skeleton(problem: Problem, seed: int) -> Skeleton:
    """Two to four stages with two or three random options of each decision."""
    rng = np.random.default_rng(seed)
    skeleton = skeleton_of(problem.space, problem.space.sample(rng))
    options = []
    for decision in skeleton.decisions:
        count = len(decision.options)
        if decision.kind == "filters":
            kept = sorted(rng.choice(count, 3, replace=False))
        elif decision.kind == "depth":
            kept = [0, 1, 2]
        else:
            kept = sorted({0, int(rng.integers(count))})
        options.append([decision.options[int(at)] for at in kept])
    return skeleton.with_options(options)


def draw(skeleton: Skeleton, rng: np.random.Generator) -> Selection:
    return tuple(int(rng.integers(len(decision.options))) for decision in skeleton.decisions)


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("device", ["on_host", "on_board"])
def test_a_certain_distribution_has_the_exact_cost(
    device: str, seed: int, request: pytest.FixtureRequest
) -> None:
    problem: Problem = request.getfixturevalue(device)
    skeleton = random_skeleton(problem, seed)

    def costs(selection: Selection) -> dict[str, float]:
        cost = problem.cost_of(skeleton.spec(problem.space, selection))
        exact = {metric: float(getattr(cost, metric)) for metric in (*METRICS, "peak_ram_bytes")}
        return {**exact, **ram_parts(cost)}

    tables = expected_costs(skeleton, costs, (*METRICS, "peak_ram_bytes"))
    rng = np.random.default_rng(seed)
    for _ in range(12):
        selection = draw(skeleton, rng)
        exact, vector = costs(selection), skeleton.gates(selection).astype(float)
        for table in tables:
            loose = {"flash_bytes": 0.02, "peak_ram_bytes": 0.1}.get(table.metric, 1e-6)
            assert table.of(selection) == pytest.approx(exact[table.metric], rel=loose)
            expected, _ = table.expectation([vector[part] for part in skeleton.slices])
            assert expected == pytest.approx(exact[table.metric], rel=loose)


@pytest.mark.parametrize("device", ["on_host", "on_board"])
def test_the_slope_is_that_of_differences(device: str, request: pytest.FixtureRequest) -> None:
    problem: Problem = request.getfixturevalue(device)
    skeleton = random_skeleton(problem, 5)
    goal = Goal("latency_ms", 1.0)
    table = expected_costs(
        skeleton, lambda selection: exact_costs(problem, skeleton, goal, selection), goal.metrics
    )[0]
    rng = np.random.default_rng(0)
    parts = [softmax(rng.normal(size=len(decision.options))) for decision in skeleton.decisions]
    whole, slopes = table.expectation(parts)
    for at, part in enumerate(parts):
        for option in range(len(part)):
            moved = [np.array(other) for other in parts]
            moved[at][option] += 1e-4
            difference = (table.expectation(moved)[0] - whole) / 1e-4
            assert slopes[at][option] == pytest.approx(difference, rel=1e-3, abs=1e-9)


@pytest.mark.parametrize("share", [0.4, 1.3])
def test_the_expectation_is_brought_to_the_target_against_a_loss(on_host: Problem, share: float) -> None:
    """A made-up loss pulls every decision to its first option, or to its last; the target holds."""
    skeleton = random_skeleton(on_host, 3)
    goal = Goal("latency_ms", 1.0)
    table = expected_costs(
        skeleton, lambda selection: exact_costs(on_host, skeleton, goal, selection), goal.metrics
    )[0]
    even = [np.full(len(decision.options), 1 / len(decision.options)) for decision in skeleton.decisions]
    goal = Goal("latency_ms", share * table.expectation(even)[0])
    logits = balanced(skeleton, table, goal.target)
    first = table.expectation([softmax(part) for part in logits])[0]
    assert first == pytest.approx(AIM * goal.target, rel=0.01)
    for pull in (0.05, -0.05):
        distribution = Distribution([np.array(part) for part in logits], np.zeros(1))
        for _ in range(200):
            slopes, reached = cost_slopes(goal, {"latency_ms": table}, distribution, 200)
            pulled = [slope + pull * np.linspace(-1, 1, len(slope)) for slope in slopes]
            distribution.step(pulled, rate_at(distribution.steps, 200))
        assert reached == pytest.approx(AIM, abs=0.05)
        assert distribution.entropy < 0.9


def test_derived_networks_are_within_five_percent_and_the_budgets(on_board: Problem) -> None:
    goal = goals_of(on_board, 0)[1]
    relaxed = skeletons_for(on_board, goal, 0, 1)[0]
    bounded, skeleton = within(on_board, goal), relaxed.skeleton

    def exact(selection: Selection) -> tuple[float, bool, int]:
        cost = bounded.cost_of(skeleton.spec(bounded.space, selection))
        return float(cost.latency_ms or 0.0), not bounded.violated(cost), work_of(cost, goal)

    logits = balanced(skeleton, relaxed.costs["latency_ms"], goal.target)
    found = derived(logits, relaxed.costs, goal, exact, 3)
    assert len({selection for selection, _ in found}) == 3
    for selection, cost in found:
        assert exact(selection)[:2] == (cost, True)
        assert CLOSE * goal.target <= cost <= goal.target
    work = [exact(selection)[2] for selection, _ in found]
    assert work == sorted(work, reverse=True)


def test_where_no_network_near_the_target_is_likely_the_most_likely_is_derived(on_board: Problem) -> None:
    goal = goals_of(on_board, 0)[1]
    relaxed = skeletons_for(on_board, goal, 0, 1)[0]
    bounded, skeleton = within(on_board, goal), relaxed.skeleton
    asked: list[Selection] = []

    def exact(selection: Selection) -> tuple[float, bool, int]:
        asked.append(selection)
        cost = bounded.cost_of(skeleton.spec(bounded.space, selection))
        return float(cost.latency_ms or 0.0), not bounded.violated(cost), work_of(cost, goal)

    sure = [8.0 * (np.arange(len(decision.options)) == 0) for decision in skeleton.decisions]
    found = derived(sure, relaxed.costs, goal, exact, 5, further=30)
    assert [CLOSE * goal.target <= cost <= goal.target for _, cost in found] == [True] * len(found)
    changes = [sum(at > 0 for at in selection) for selection, _ in found]
    assert changes == sorted(changes) and changes[0] > 0
    first = next(at for at, selection in enumerate(asked) if selection in dict(found))
    assert len(asked) <= first + 1 + 30


def test_of_networks_that_cost_alike_macs_speak_for_one_and_parameters_where_macs_are_the_cost() -> None:
    cost = Cost(
        "host",
        "litert",
        "int8",
        "static",
        None,
        None,
        None,
        peak_ram_bytes=7,
        flash_bytes=8,
        macs=9,
        params=10,
    )
    assert work_of(cost, Goal("latency_ms", 1.0)) == work_of(cost, Goal("flash_bytes", 1.0)) == cost.macs
    assert work_of(cost, Goal("macs", 1.0)) == cost.params


def test_options_that_cannot_fit_are_left_out(on_host: Problem) -> None:
    goal = Goal("latency_ms", 0.004)
    for relaxed in skeletons_for(on_host, goal, 0):
        skeleton = relaxed.skeleton
        for at, decision in enumerate(skeleton.decisions):
            for option in range(1, len(decision.options)):
                one = tuple(option if place == at else 0 for place in range(len(skeleton.decisions)))
                cost = on_host.cost_of(skeleton.spec(on_host.space, one))
                assert (cost.latency_ms or 1.0) <= goal.target


def test_targets_are_spread_where_none_is_given_and_the_budget_where_one_is(
    on_host: Problem, on_board: Problem
) -> None:
    spread = [goal.target for goal in goals_of(on_host, 0)]
    assert len(spread) == 3
    assert 2 * spread[0] < spread[2]
    assert {goal.limits for goal in goals_of(on_board, 0)} == {
        (("peak_ram_bytes", 65536.0), ("flash_bytes", 65536.0))
    }
    asked = within(on_host, Goal("latency_ms", 0.02))
    assert [goal.target for goal in goals_of(asked, 0)] == [0.02]


@pytest.mark.parametrize(("space", "shape", "names"), [
    ("cell", (32, 32, 3), "'cells' (1, 2, 3, 5)"),
    ("sequence", (64, 4), "'form' (conv, tcn, lstm, gru)"),
    ("dense", (20,), "'activation' (relu, relu6)"),
])  # fmt: skip
def test_a_space_that_cannot_be_relaxed_names_the_choice(
    space: str, shape: tuple[int, ...], names: str
) -> None:
    with pytest.raises(ConfigError, match="cannot be searched by gradient") as raised:
        refuse_rigid(SPACES.get(space)(shape, 4))
    assert names in str(raised.value)
    assert "--searcher" in str(raised.value)


@pytest.mark.parametrize(("space", "shape"), [("micro", (12, 12, 1)), ("mobile", (12, 12, 3))])
def test_a_skeleton_holds_the_networks_that_stand_in_it(space: str, shape: tuple[int, ...]) -> None:
    made = SPACES.get(space)(shape, 4)
    refuse_rigid(made)
    for seed in range(20):
        spec = made.sample(np.random.default_rng(seed))
        skeleton = skeleton_of(made, spec)
        selection = skeleton.selection(spec)
        assert selection is not None
        assert skeleton.spec(made, selection).arch_id == spec.arch_id
