"""Which choices mattered: functional ANOVA over a random forest.

Hutter, Hoos and Leyton-Brown (ICML 2014), "An Efficient Approach for Assessing Hyperparameter
Importance": a forest is fitted to the results of all trials; each of its trees cuts the space of
choices into boxes, so the mean of its prediction over all choices but one can be computed exactly,
and with it the share of the prediction's variance that the one choice explains. Every option that
some trial had weighs the same; a choice that a network was not asked is an option of its own.

A forest finds shares in pure noise too. So the same is done with results dealt out to the wrong
networks, and a choice counts only if its share is larger than any found there in 19 of 20 such deals.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

METHOD = "functional ANOVA (Hutter et al. 2014) over a random forest"
FEWEST = 15
"""Trials below which nothing is said."""

MOST = 1_000
"""Trials that a forest learns from; of more, an even choice."""

TREES, DEALT_TREES, DEALS = 64, 16, 19
LEAST_FIT = 0.1
"""Share of the variance of unseen results that a forest must predict to be believed."""

ABSENT = "(not asked)"


@dataclass(frozen=True)
class Choice:
    """What one choice of the search space did to the results.

    Attributes:
        name: Of the choice.
        share: Share of the variance that it explains alone, 0 to 1.
        cost_share: The same of the cost.
        best: The option with the lowest mean error over all other choices.
        worst: The one with the highest.
        effect: By how much their mean errors differ.
        clear: Whether the share is larger than chance gives.
    """

    name: str
    share: float
    cost_share: float
    best: str
    worst: str
    effect: float
    clear: bool


@dataclass(frozen=True)
class Importance:
    """All choices, those that explain most first.

    Attributes:
        trials: How many results it rests on.
        fit: R2 on results that a tree had not seen (out of bag), or None where nothing was fitted.
        chance: The largest share found in dealt results, 19 times in 20.
        choices: Empty where ``reason`` says why.
        together: Share that only choices together explain.
        reason: Why nothing can be said, or None.
    """

    trials: int
    fit: float | None
    chance: float
    choices: Sequence[Choice]
    together: float
    reason: str | None = None


def importance(
    choices: Sequence[Mapping[str, Any]], errors: Sequence[float], costs: Sequence[float]
) -> Importance:
    """What each choice explains of errors and costs.

    Args:
        choices: Decisions by name, one mapping a trial.
        errors: Validation errors of the trials.
        costs: One cost of the trials, known beforehand.
    """
    rows = even(len(errors))
    y, cost = fenced(np.asarray(errors, dtype=float)[rows]), np.asarray(costs, dtype=float)[rows]
    count = len(errors)
    if count < FEWEST:
        return _silent(count, f"{count} trials are too few; {FEWEST} are the least")
    options = options_of([choices[row] for row in rows])
    if not options or y.std() == 0:
        return _silent(count, "the trials do not differ in their choices or results")
    x = encoded([choices[row] for row in rows], options)
    sizes = [len(values) for values in options.values()]
    forest = _forest(x, y, TREES, oob=True)
    fit = float(forest.oob_score_)
    if not fit >= LEAST_FIT:
        words = f"a forest predicts less than {100 * LEAST_FIT:.0f} % of the variance of results that it has "
        return _silent(count, f"{words}not seen: the differences are noise, or need more trials", fit)
    shares, means = decomposed(forest, sizes)
    chance = _chance(x, y, sizes)
    cost_shares, _ = decomposed(_forest(x, cost, TREES // 2), sizes) if cost.std() > 0 else (0 * shares, [])
    found = [
        _choice(name, values, shares[place], cost_shares[place], means[place], chance)
        for place, (name, values) in enumerate(options.items())
    ]
    found.sort(key=lambda choice: -choice.share)
    return Importance(count, fit, chance, found, max(0.0, 1.0 - float(shares.sum())))


def _silent(count: int, reason: str, fit: float | None = None) -> Importance:
    return Importance(count, fit, 1.0, (), 0.0, reason)


def _choice(
    name: str, values: Sequence[str], share: float, cost_share: float, means: np.ndarray, chance: float
) -> Choice:
    best, worst = int(np.argmin(means)), int(np.argmax(means))
    effect = float(means[worst] - means[best])
    return Choice(
        name, float(share), float(cost_share), values[best], values[worst], effect, bool(share > chance)
    )


def fenced(errors: np.ndarray) -> np.ndarray:
    """Errors of which those far worse than the rest count as at Tukey's fence.

    A network that never learned would else be all that a model explains. (Tukey 1977: three quarters of the
    errors lie below the upper quartile; the fence stands 1.5 interquartile ranges above it.)
    """
    if not len(errors):
        return errors
    low, high = np.quantile(errors, (0.25, 0.75))
    return np.asarray(np.minimum(errors, high + 1.5 * (high - low)) if high > low else errors)


def even(count: int) -> np.ndarray:
    """All rows, or `MOST` of them in even steps."""
    return np.unique(np.linspace(0, max(0, count - 1), min(count, MOST)).round().astype(int))


def options_of(choices: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """The options that trials had, by choice; numbers by size; choices that never differed left out."""
    names = sorted({name for row in choices for name in row})
    found: dict[str, list[str]] = {}
    for name in names:
        values = {row[name] for row in choices if name in row}
        numbers = all(isinstance(value, (int, float)) for value in values)
        options = [str(value) for value in (sorted(values) if numbers else sorted(values, key=str))]
        if any(name not in row for row in choices):
            options.insert(0, ABSENT)
        if len(options) > 1:
            found[name] = options
    return found


def encoded(choices: Sequence[Mapping[str, Any]], options: Mapping[str, Sequence[str]]) -> np.ndarray:
    """The position of each decision among its options, float (n, choices)."""
    columns = [
        [values.index(str(row[name]) if name in row else ABSENT) for row in choices]
        for name, values in options.items()
    ]
    return np.array(columns, dtype=float).T


def _forest(x: np.ndarray, y: np.ndarray, trees: int, *, oob: bool = False) -> Any:
    from sklearn.ensemble import RandomForestRegressor

    forest = RandomForestRegressor(
        trees, min_samples_leaf=2, max_features=0.6, oob_score=oob, random_state=0, n_jobs=1
    )
    return forest.fit(x, y)


def _chance(x: np.ndarray, y: np.ndarray, sizes: Sequence[int]) -> float:
    """The largest share of any choice when results are dealt out to the wrong networks."""
    rng = np.random.default_rng(0)
    largest = [
        float(decomposed(_forest(x, rng.permutation(y), DEALT_TREES), sizes)[0].max()) for _ in range(DEALS)
    ]
    return max(largest)


def decomposed(forest: Any, sizes: Sequence[int]) -> tuple[np.ndarray, list[np.ndarray]]:
    """Shares of the variance of each choice alone, and the mean prediction for each of its options.

    Args:
        forest: Fitted on positions of options.
        sizes: Number of options of each choice.

    Returns:
        Float array of shape (choices,) that sums to at most 1, and one array a choice.
    """
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    shares, means = np.zeros(len(sizes)), np.zeros(sum(sizes))
    for tree in forest.estimators_:
        share, mean = _of_tree(tree.tree_, np.asarray(sizes), starts)
        shares += share / len(forest.estimators_)
        means += mean / len(forest.estimators_)
    return shares, np.split(means, starts[1:])


def _of_tree(tree: Any, sizes: np.ndarray, starts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same of one tree, from its leaves as boxes of options."""
    boxes, values = _leaves(tree, sizes, starts)
    covered = np.add.reduceat(boxes, starts, axis=1) / sizes  # share of the options of each choice
    weights = covered.prod(axis=1)
    mean = float(weights @ values)
    variance = float(weights @ values**2) - mean**2
    without = (weights * values)[:, None] / covered
    means = (np.repeat(without, sizes, axis=1) * boxes).sum(axis=0)
    alone = np.add.reduceat((means - mean) ** 2, starts) / sizes
    return (alone / variance if variance > 1e-15 else np.zeros(len(sizes))), means


def _leaves(tree: Any, sizes: np.ndarray, starts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each leaf's box, 0 or 1 for each option of each choice, and its prediction."""
    left, right, split, limit = tree.children_left, tree.children_right, tree.feature, tree.threshold
    boxes, values = [], []
    waiting = [(0, np.ones(int(sizes.sum())))]
    while waiting:
        node, box = waiting.pop()
        if left[node] < 0:
            boxes.append(box)
            values.append(float(tree.value[node].ravel()[0]))
            continue
        first = int(starts[split[node]])
        last, cut = first + int(sizes[split[node]]), first + int(np.floor(limit[node])) + 1
        low, high = box.copy(), box
        low[cut:last] = 0.0
        high[first:cut] = 0.0
        waiting += [(int(left[node]), low), (int(right[node]), high)]
    return np.array(boxes), np.array(values)
