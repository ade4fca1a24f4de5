"""Searches whose error is no share of wrong classes: it may be above 1, and means something of its own."""

from __future__ import annotations

import numpy as np
import pytest

from edgenas.arch.spaces import MicroSpace
from edgenas.errors import ConfigError
from edgenas.search.hypermodel import as_space
from edgenas.search.problem import Problem
from edgenas.search.searchers import SEARCHERS
from edgenas.search.transfer import Earlier
from edgenas.testing.searchers import ToySpace, go_on, toy_error, toy_problem


def test_a_surrogate_does_not_care_for_the_unit_of_the_error() -> None:
    """Four times the error, most of it above 1: the same networks are proposed."""
    small, large = (
        go_on(SEARCHERS.get("front")(toy_problem(), 0), 25, lambda spec, unit=unit: unit * toy_error(spec))
        for unit in (1.0, 4.0)
    )
    assert max(entry.point[0] for entry in large if entry.point) > 1
    assert [entry.candidate.spec for entry in small] == [entry.candidate.spec for entry in large]


def test_reinforce_learns_from_errors_above_one() -> None:
    problem = toy_problem()
    regression = Problem(problem.space, problem.cost_source, (), problem.objectives, "regression")
    told = go_on(SEARCHERS.get("reinforce")(regression, 0), 300, lambda spec: 1 + 4 * toy_error(spec))
    errors = np.array([entry.point[0] for entry in told if entry.point])
    assert errors.min() > 1
    assert errors[-75:].mean() < errors[:75].mean()


def test_an_earlier_run_of_another_task_is_refused() -> None:
    problem = toy_problem()
    trial = [dict(problem.space.sample(np.random.default_rng(0)).choices), 0.4]
    knowledge = {"run": "runs/a", "space": "toy", "task": "regression", "trials": [trial] * 5}
    with pytest.raises(ConfigError, match=r"search for regression, this one is for classification"):
        Earlier(knowledge, problem)
    Earlier({**knowledge, "task": "classification"}, problem)
    assert isinstance(problem.space, ToySpace)


def test_a_space_is_made_for_a_head() -> None:
    numbers = MicroSpace((16, 16, 1), 1, "linear")
    spec = numbers.sample(np.random.default_rng(0))
    last = spec.graph().ops[-1]
    assert (last.kind, last.out_shape) == ("dense", (1,))
    assert numbers.from_choices(spec.choices) == spec
    assert type(spec).from_json(spec.to_json()) == spec
    assert as_space(numbers, "regression") is numbers
    with pytest.raises(ConfigError, match=r"expected one made with head='softmax'"):
        as_space(numbers)
    with pytest.raises(ConfigError, match=r"expected one of the spaces .*dense.* with --space"):
        MicroSpace((16, 16, 1), 256, "reconstruction")
    with pytest.raises(ConfigError, match="at least 2 are expected"):
        MicroSpace((16, 16, 1), 1)
