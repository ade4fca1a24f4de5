"""What a gradient search is asked for: costs to work to, and skeletons in which they can be met."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from edgenas.arch.spec import ArchSpec
from edgenas.cost.static import StaticSource
from edgenas.cost.types import Cost
from edgenas.errors import BudgetError
from edgenas.oneshot.gradient import Relaxed
from edgenas.oneshot.gradient_cost import HEAD, STRUCTURES, Costs, expected_costs
from edgenas.oneshot.gradient_goal import Goal
from edgenas.oneshot.gradient_space import Selection, Skeleton, skeleton_of
from edgenas.profile.vela import VelaSource
from edgenas.search.objective import Constraint, metric_value
from edgenas.search.problem import Problem

QUANTILES = (0.25, 0.5, 0.75)
"""Of the costs of random networks within the budgets: what is worked to where nobody names a target."""

DRAWS, SKELETON_DRAWS = 60, 300
"""Random networks that targets, and skeletons, are chosen by."""

COMPILED = 8
"""Networks that are looked at where each must be compiled."""

SKELETONS = 3
NEAR = 0.8
"""A network counts as near the target from this share of it on."""

SIZES = ("depth", "filters", "kernel", "expansion")
"""Decisions whose largest options may be left out."""

MOST_TIMES = 6.0
"""The largest network of a skeleton has at most this many times the MACs of one that meets the target."""


def goals_of(problem: Problem, seed: int) -> list[Goal]:
    """The costs to work to, the smallest first.

    A latency budget is a target. Without one, costs are spread over the range of random networks within
    the budgets, in the first cost among the objectives.

    Raises:
        BudgetError: None of these was found.
    """
    limits = {constraint.metric: constraint.limit for constraint in problem.constraints}
    metric = "latency_ms" if "latency_ms" in limits else problem.objectives[1]
    rng = np.random.default_rng([seed, 11])
    fitting = [problem.descend(problem.space.sample(rng), rng) for _ in range(looks(problem, DRAWS))]
    costs = [metric_value(found.cost, metric) for found in fitting if not problem.violated(found.cost)]
    if metric in limits:
        targets = [limits[metric]]
    elif not costs:
        raise BudgetError(
            "no network within the budgets was found to choose targets by; widen the budgets, or give "
            "--latency-ms"
        )
    else:
        targets = sorted({float(target) for target in np.quantile(costs, QUANTILES)})
    others = tuple((name, limit) for name, limit in limits.items() if name != metric)
    return [Goal(metric, target, others) for target in targets]


def skeletons_for(problem: Problem, goal: Goal, seed: int, count: int = SKELETONS) -> list[Relaxed]:
    """Skeletons with networks near a target, options that cannot fit left out.

    Random networks are shrunk below the target; those that stay near it say where to look, those of most
    `work_of` first.

    Args:
        problem: Space, costs and budgets.
        goal: Target and budgets.
        seed: Draws them.
        count: How many skeletons at most.
    """
    bounded = within(problem, goal)
    rng = np.random.default_rng([seed, 12])
    found: dict[tuple[object, ...], tuple[ArchSpec, float, int]] = {}
    speeds: list[float] = []
    for _ in range(looks(problem, SKELETON_DRAWS)):
        candidate = bounded.descend(problem.space.sample(rng), rng)
        if bounded.violated(candidate.cost):
            continue
        speeds.append((candidate.cost.latency_ms or 0.0) / candidate.cost.macs)
        skeleton = skeleton_of(problem.space, candidate.spec)
        share = metric_value(candidate.cost, goal.metric) / goal.target
        key = tuple(sorted(skeleton.outer.items()))
        # from NEAR on, work alone counts
        entry = (candidate.spec, min(share, NEAR), work_of(candidate.cost, goal))
        if key not in found or entry[1:] > found[key][1:]:
            found[key] = entry
    best = sorted(found.values(), key=lambda entry: entry[1:], reverse=True)[:count]
    return [_relaxed(bounded, goal, spec, float(np.median(speeds))) for spec, *_ in best]


def within(problem: Problem, goal: Goal) -> Problem:
    """The problem with the target as a budget."""
    others = [constraint for constraint in problem.constraints if constraint.metric != goal.metric]
    return replace(problem, constraints=(*others, Constraint(goal.metric, goal.target)))


def work_of(cost: Cost, goal: Goal) -> int:
    """What speaks for one of several networks that cost alike, a plain but strong proxy (White et al. 2022).

    Returns:
        Its MACs; where these are the cost, its parameters.
    """
    return cost.params if goal.metric == "macs" else cost.macs


def looks(problem: Problem, usual: int) -> int:
    """How many networks to look at: as many as usual, or few where each must be compiled."""
    return min(COMPILED, usual) if isinstance(problem.cost_source, VelaSource) else usual


def exact_costs(
    problem: Problem, skeleton: Skeleton, goal: Goal, selection: Selection
) -> Mapping[str, float]:
    """The costs of a network that count, as the device's source has them."""
    cost = problem.cost_of(skeleton.spec(problem.space, selection))
    return {**{metric: metric_value(cost, metric) for metric in goal.metrics}, **ram_parts(cost)}


def ram_parts(cost: Cost) -> dict[str, float]:
    """The two parts of peak RAM; all of it is activations where a source does not tell them apart."""
    head = cost.arena_head_bytes or cost.peak_ram_bytes
    return {HEAD: head, STRUCTURES: cost.peak_ram_bytes - head}


def _relaxed(problem: Problem, goal: Goal, spec: ArchSpec, speed: float) -> Relaxed:
    skeleton = _trimmed(problem, _fitting(problem, skeleton_of(problem.space, spec)), spec)
    if isinstance(problem.cost_source, VelaSource):
        costs = expected_costs(skeleton, _by_macs(problem, skeleton, goal, speed), goal.metrics)
    else:
        costs = expected_costs(
            skeleton, lambda selection: exact_costs(problem, skeleton, goal, selection), goal.metrics
        )
    return Relaxed(skeleton, {cost.metric: cost for cost in costs})


def _by_macs(problem: Problem, skeleton: Skeleton, goal: Goal, speed: float) -> Costs:
    """Costs for the tables where each network must be compiled: MACs stand for the latency.

    They are scaled by ``speed``, milliseconds for a MAC, the median of some networks below the target.
    Derived networks are compiled all the same.
    """
    static = StaticSource(problem.cost_source.device, problem.cost_source.runtime)

    def costs(selection: Selection) -> dict[str, float]:
        cost = static.estimate(problem.space.graph(skeleton.spec(problem.space, selection)))
        found = replace(cost, latency_ms=speed * cost.macs)
        return {**{metric: metric_value(found, metric) for metric in goal.metrics}, **ram_parts(cost)}

    return costs


def _fitting(problem: Problem, skeleton: Skeleton) -> Skeleton:
    """Without options that break a budget even in the smallest network; one of each decision stays."""
    kept = []
    for at, decision in enumerate(skeleton.decisions):
        options = [decision.options[0]]
        for position in range(1, len(decision.options)):
            selection = list(skeleton.smallest)
            selection[at] = position
            if not problem.violated(problem.cost_of(skeleton.spec(problem.space, tuple(selection)))):
                options.append(decision.options[position])
        kept.append(options)
    return skeleton.with_options(kept)


def _trimmed(problem: Problem, skeleton: Skeleton, spec: ArchSpec) -> Skeleton:
    """Without the options that make the largest network much larger than one that meets the target."""
    options = [list(decision.options) for decision in skeleton.decisions]
    own = [spec.choices.get(decision.name) for decision in skeleton.decisions]
    most = MOST_TIMES * problem.space.graph(spec).macs

    def macs(number: int | None = None) -> int:
        selection = tuple(len(left) - 1 - (at == number) for at, left in enumerate(options))
        return problem.space.graph(skeleton.with_options(options).spec(problem.space, selection)).macs

    while macs() > most:
        droppable = [
            at
            for at, left in enumerate(options)
            if len(left) > 2 and left[-1] != own[at] and skeleton.decisions[at].kind in SIZES
        ]
        if not droppable:
            break
        options[min(droppable, key=macs)].pop()
    return skeleton.with_options(options)
