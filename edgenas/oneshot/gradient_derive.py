"""From a distribution to networks: the likely ones that cost what was asked for.

A search as short as ours ends with a distribution that is far from certain: of the networks near the target
many are about as likely as a draw from it. Among these, the one with most work is taken (measured in
docs/gradient.md).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations

import numpy as np

from edgenas.oneshot.gradient_cost import Expected
from edgenas.oneshot.gradient_gates import softmax
from edgenas.oneshot.gradient_goal import Goal
from edgenas.oneshot.gradient_space import Selection

CLOSE = 0.95
"""A derived network costs between this share of the target and all of it."""

SLACK = 0.03
"""How much further off the tables may see a network that is looked at all the same."""

DRAWS = 3000
SOFTENED = (1.0, 2.0, 4.0)
"""Temperatures of the draws: further networks are found for a target far from the most likely one."""

LOOKS = 400
"""Networks whose exact costs are asked at most."""

PLAUSIBLE = 0.1
"""Quantile of the likelihood of draws from which on a network counts as likely."""

Exact = Callable[[Selection], tuple[float, bool, int]]
"""Gives a network's cost in the goal's metric, whether all budgets are kept, and its `work_of`."""


def derived(
    logits: Sequence[np.ndarray],
    costs: Mapping[str, Expected],
    goal: Goal,
    exact: Exact,
    count: int = 1,
    further: int = LOOKS,
) -> list[tuple[Selection, float]]:
    """Likely networks within 5 % below the target.

    Args:
        logits: Of each decision.
        costs: Tables by metric.
        goal: Target and budgets.
        exact: Costs as the device's source has them.
        count: How many networks.
        further: Networks that are still looked at once one within 5 % is found; few where a cost takes long.

    Returns:
        Networks with their exact cost: the likely ones, most work first, then the others, the most likely
        first; where none is within 5 %, the one nearest below the target; empty where none within the
        budgets was found at all.
    """
    likely = [np.log(softmax(part) + 1e-12) for part in logits]

    def likelihood(selection: Selection) -> float:
        return float(sum(part[at] for part, at in zip(likely, selection, strict=True)))

    usual = _draws(likely, 1.0, np.random.default_rng(0))
    plausible = float(np.quantile([likelihood(one) for one in usual], PLAUSIBLE))
    found: list[tuple[bool, float, Selection, float]] = []
    below: list[tuple[Selection, float]] = []
    known = sorted(set(_candidates(likely)), key=likelihood, reverse=True)
    near = [selection for selection in known if _seems_near(selection, costs, goal)]
    left = LOOKS
    for selection in near:
        if not left:
            break
        left -= 1
        cost, kept, work = exact(selection)
        if kept and CLOSE * goal.target <= cost <= goal.target:
            is_likely = likelihood(selection) >= plausible
            left = left if found else min(left, further)
            found.append((is_likely, work if is_likely else likelihood(selection), selection, cost))
        elif kept and cost < goal.target:
            below.append((selection, cost))
    if found:
        return [entry[2:] for entry in sorted(found, key=lambda entry: entry[:2], reverse=True)[:count]]
    below += [(selection, cost) for selection in _from_below(known, costs, goal)
              for cost, kept, _ in [exact(selection)] if kept and cost <= goal.target]  # fmt: skip
    return sorted(below, key=lambda entry: -entry[1])[:1]


def _candidates(likely: Sequence[np.ndarray]) -> Iterator[Selection]:
    """The most likely network, those with one or two other decisions, and draws."""
    mode = [int(part.argmax()) for part in likely]
    yield tuple(mode)
    changes = [
        (at, option) for at, part in enumerate(likely) for option in range(len(part)) if option != mode[at]
    ]
    for count in (1, 2):
        for changed in combinations(changes, count):
            selection = list(mode)
            for at, option in changed:
                selection[at] = option
            yield tuple(selection)
    rng = np.random.default_rng(0)
    for temperature in SOFTENED:
        yield from _draws(likely, temperature, rng)


def _draws(likely: Sequence[np.ndarray], temperature: float, rng: np.random.Generator) -> list[Selection]:
    columns = [rng.choice(len(part), DRAWS, p=softmax(part / temperature)) for part in likely]
    return [tuple(map(int, row)) for row in np.array(columns).T]


def _seems_near(selection: Selection, costs: Mapping[str, Expected], goal: Goal) -> bool:
    share = costs[goal.metric].of(selection) / goal.target
    if not CLOSE - SLACK <= share <= 1 + SLACK:
        return False
    return all(costs[metric].of(selection) <= (1 + SLACK) * limit for metric, limit in goal.limits)


def _from_below(known: Sequence[Selection], costs: Mapping[str, Expected], goal: Goal) -> list[Selection]:
    """The networks that the tables see nearest below the target."""
    shares = {selection: costs[goal.metric].of(selection) / goal.target for selection in known}
    fitting = [selection for selection in known if shares[selection] <= 1]
    return sorted(fitting, key=lambda selection: -shares[selection])[: LOOKS // 4]
