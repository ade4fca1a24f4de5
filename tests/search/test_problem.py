"""Budgets are checked before a search: a network that fits, or which budget nothing fits."""

from __future__ import annotations

import numpy as np
import pytest

from edgenas.arch.chooser import Chooser
from edgenas.arch.space import SearchSpace
from edgenas.arch.spaces.micro import MicroSpace
from edgenas.arch.spec import ArchSpec, Block
from edgenas.errors import BudgetError
from edgenas.search.objective import Constraint
from edgenas.search.problem import check_budgets
from edgenas.testing.searchers import TinySpace, ToySpace, toy_problem

TINY = TinySpace((16, 16, 1), 4)


def test_without_budgets_there_is_nothing_to_check() -> None:
    assert check_budgets(toy_problem()) is None


def test_a_network_that_fits_is_returned() -> None:
    problem = toy_problem(Constraint("macs", 15_000), Constraint("flash_bytes", 1_500))
    found = check_budgets(problem)
    assert found is not None
    assert problem.violated(found.cost) == []


def test_an_impossible_budget_names_it_and_the_smallest_network() -> None:
    smallest = min(spec.graph().macs for spec in TINY.enumerate())
    with pytest.raises(BudgetError) as caught:
        check_budgets(
            toy_problem(Constraint("flash_bytes", 1e6), Constraint("macs", smallest - 1), space=TINY)
        )
    message = str(caught.value)
    assert "MACs" in message and "flash" not in message
    assert f"needs {smallest / 1000:.3g} k" in message
    check_budgets(toy_problem(Constraint("macs", smallest), space=TINY))


class Contrary(SearchSpace):
    """Two networks: few MACs and many parameters, or the other way round."""

    name = "contrary"

    def decide(self, chooser: Chooser) -> ArchSpec:
        filters, stride = (64, 2) if chooser.flag("wide") else (4, 1)
        blocks = (
            Block("stem", {"filters": 4, "kernel": 3, "stride": stride}),
            Block("ds", {"filters": filters, "kernel": 3, "stride": stride, "skip": False}),
            Block("head", {"classes": self.classes}),
        )
        return ArchSpec(self.name, self.input_shape, self.classes, blocks, dict(chooser.values))


def test_budgets_that_fit_apart_but_not_together_show_the_nearest_network() -> None:
    space = Contrary((16, 16, 1), 4)
    narrow, wide = (spec.graph() for spec in space.enumerate())
    assert narrow.macs > wide.macs and narrow.params < wide.params
    macs, params = Constraint("macs", wide.macs), Constraint("params", narrow.params)
    for alone in (macs, params):
        assert check_budgets(toy_problem(alone, space=space)) is not None
    with pytest.raises(BudgetError, match=r"that meets all: the nearest has .*over by [0-9,]+ %"):
        check_budgets(toy_problem(macs, params, space=space))


def test_a_descent_finds_the_smallest_network_of_a_large_space() -> None:
    """Space `micro` is too large to list; its smallest network is known from its options."""
    problem = toy_problem(Constraint("params", 1e-9), space=MicroSpace((8, 8, 1), 10))
    found = problem.descend(problem.space.sample(np.random.default_rng(0)), np.random.default_rng(1))
    stem, block = 4 * 9 + 4 * 4, 4 * 9 + 4 * 4 + 4 * 8 + 8 * 4
    later = 8 * 9 + 8 * 4 + 8 * 8 + 8 * 4
    assert found.cost.params == stem + block + later + 8 * 10 + 10


def test_a_descent_stops_at_a_network_that_fits() -> None:
    problem = toy_problem(Constraint("macs", 1e9))
    spec = ToySpace((16, 16, 1), 4).sample(np.random.default_rng(3))
    assert problem.descend(spec, np.random.default_rng(0)).spec == spec
