"""Objectives and budgets: what is refused, and how figures read."""

from __future__ import annotations

import pytest

from edgenas.errors import BudgetError, ConfigError, UnknownNameError
from edgenas.search.objective import Constraint, check_objectives, format_metric, metric_value
from edgenas.testing.searchers import TinySpace, toy_problem

COST = toy_problem().candidate(next(TinySpace((16, 16, 1), 4).enumerate())).cost


def test_the_validation_error_comes_first_whatever_the_order() -> None:
    assert check_objectives(["macs", "val_error", "params"]) == ("val_error", "macs", "params")


@pytest.mark.parametrize(
    "objectives", [[], ["val_error"], ["macs"], ["macs", "params"], ["val_error", "macs", "macs"]]
)
def test_objectives_that_are_no_trade_off_are_refused(objectives: list[str]) -> None:
    with pytest.raises(ConfigError, match="expected val_error and one or more of"):
        check_objectives(objectives)


def test_an_unknown_objective_says_what_was_meant() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'latency_ms'"):
        check_objectives(["val_error", "latencyms"])


@pytest.mark.parametrize("limit", [0, -1, float("nan")])
def test_a_budget_that_nothing_can_meet_is_refused_by_its_option(limit: float) -> None:
    with pytest.raises(BudgetError, match=r"--ram-kib .* expected more than zero"):
        Constraint("peak_ram_bytes", limit)


def test_a_budget_on_something_that_is_no_cost_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'flash_bytes'"):
        Constraint("flash_byte", 10)


def test_excess_is_a_share_of_the_budget() -> None:
    assert Constraint("macs", COST.macs).excess(COST) == 0
    assert Constraint("macs", COST.macs + 1).excess(COST) == 0
    assert Constraint("macs", COST.macs / 3).excess(COST) == pytest.approx(2)


def test_a_latency_that_nobody_knows_is_refused_with_a_way_out() -> None:
    with pytest.raises(
        ConfigError, match="drop latency from budgets and objectives, or choose a device with a table"
    ):
        metric_value(COST, "latency_ms")


@pytest.mark.parametrize(
    ("metric", "value", "text"),
    [
        ("val_error", 0.0312, "3.12 %"),
        ("latency_ms", 1.234567, "1.23 ms"),
        ("peak_ram_bytes", 2048, "2.0 KiB"),
        ("macs", 1_234_567, "1.23 M"),
        ("macs", 999, "999"),
        ("params", 45_600, "45.6 k"),
    ],
)
def test_figures_read_in_people_s_units(metric: str, value: float, text: str) -> None:
    assert format_metric(metric, value) == text
