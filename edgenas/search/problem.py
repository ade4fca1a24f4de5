"""The problem a search solves: a space, costs known beforehand, budgets, objectives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import ceil

import numpy as np

from edgenas.arch.space import SearchSpace
from edgenas.arch.spec import ArchSpec
from edgenas.cost.types import Cost, CostSource
from edgenas.errors import BudgetError
from edgenas.search.objective import (
    VAL_ERROR,
    Constraint,
    check_objectives,
    format_metric,
    metric_name,
    metric_value,
)
from edgenas.task import CLASSIFICATION

DESCENTS = 12
"""Starts from which networks are shrunk towards the budgets before these count as impossible."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """An architecture and what it will cost, before any training.

    Attributes:
        spec: The architecture.
        cost: What it will cost.
        fidelity: Share of a full training that it gets; see `edgenas.search.fidelity`.
        parent: Name of the architecture that it was made from, where there is one.
    """

    spec: ArchSpec
    cost: Cost
    fidelity: float = 1.0
    parent: str | None = None


@dataclass(frozen=True)
class Problem:
    """What is searched.

    Attributes:
        space: Architectures that may be considered.
        cost_source: What each of them costs on the device.
        constraints: Budgets; candidates over any of them are never trained.
        objectives: Names of what is minimized, ``val_error`` first.
        task: Name of what the networks are for, which says what ``val_error`` is.
    """

    space: SearchSpace
    cost_source: CostSource
    constraints: Sequence[Constraint] = ()
    objectives: Sequence[str] = field(default=(VAL_ERROR, "macs"))
    task: str = CLASSIFICATION.name

    def __post_init__(self) -> None:
        object.__setattr__(self, "objectives", check_objectives(self.objectives))

    def candidate(self, spec: ArchSpec) -> Candidate:
        """A spec with its cost."""
        return Candidate(spec, self.cost_of(spec))

    def cost_of(self, spec: ArchSpec, *, per_op: bool = False) -> Cost:
        """What a spec will cost; with the share of each operation, which takes longer, if asked for."""
        return self.cost_source.estimate(self.space.graph(spec), per_op=per_op)

    def violated(self, cost: Cost) -> list[Constraint]:
        """The budgets that a cost exceeds."""
        return [constraint for constraint in self.constraints if constraint.excess(cost) > 0]

    def point(self, candidate: Candidate, val_error: float) -> tuple[float, ...]:
        """A trained candidate's objectives, in their order."""
        costs = [metric_value(candidate.cost, name) for name in self.objectives[1:]]
        return (val_error, *costs)

    def excess(self, cost: Cost) -> float:
        """Sum over budgets of how far a cost exceeds them, as shares; 0 if it fits all."""
        return sum(constraint.excess(cost) for constraint in self.constraints)

    def descend(self, spec: ArchSpec, rng: np.random.Generator) -> Candidate:
        """Mutate a spec towards the budgets until it fits them or nothing helps any more."""
        best = self.candidate(spec)
        excess = self.excess(best.cost)
        for _ in range(self.space.descent_steps):
            if excess == 0:
                break
            changed = self.candidate(self.space.mutate(best.spec, rng))
            if (now := self.excess(changed.cost)) <= excess:
                best, excess = changed, now
        return best


def check_budgets(problem: Problem, seed: int = 0) -> Candidate | None:
    """Make sure that something in the space fits all budgets, before a search starts.

    Returns:
        A candidate that fits, or None if there are no budgets.

    Raises:
        BudgetError: Nothing was found that fits; the message names the budget that binds and what
            the smallest network needs.
    """
    if not problem.constraints:
        return None
    rng = np.random.default_rng([seed, 1])
    best = None
    for _ in range(DESCENTS):
        found = problem.descend(problem.space.sample(rng), rng)
        if best is None or problem.excess(found.cost) < problem.excess(best.cost):
            best = found
        if problem.excess(best.cost) == 0:
            return best
    assert best is not None
    for constraint in problem.constraints:
        smallest = _smallest(problem, constraint, rng)
        if smallest > constraint.limit:
            raise BudgetError(
                f"budget {constraint} was given, but the smallest network of space '{problem.space.name}' "
                f"needs {format_metric(constraint.metric, smallest)}; raise the budget by "
                f"{_percent(smallest, constraint)}"
            )
    needs = "; ".join(_standing(constraint, best.cost) for constraint in problem.constraints)
    raise BudgetError(
        f"each budget can be met alone, but no network of space '{problem.space.name}' was found that "
        f"meets all: the nearest has {needs}; raise what it is over"
    )


def _standing(constraint: Constraint, cost: Cost) -> str:
    """What a network needs of a budget, and by how much that is over it."""
    value = metric_value(cost, constraint.metric)
    needed = f"{metric_name(constraint.metric)} {format_metric(constraint.metric, value)}"
    limit = format_metric(constraint.metric, constraint.limit)
    over = f", over by {_percent(value, constraint)}" if value > constraint.limit else ""
    return f"{needed} (budget {limit}{over})"


def _percent(value: float, constraint: Constraint) -> str:
    """By how much a value is over a budget, rounded up."""
    return f"{ceil(100 * (value / constraint.limit - 1)):,} %"


def _smallest(problem: Problem, constraint: Constraint, rng: np.random.Generator) -> float:
    """The least cost in one metric that descents find."""
    alone = Problem(problem.space, problem.cost_source, [Constraint(constraint.metric, 1e-9)])
    found = [alone.descend(problem.space.sample(rng), rng) for _ in range(DESCENTS)]
    return min(metric_value(candidate.cost, constraint.metric) for candidate in found)
