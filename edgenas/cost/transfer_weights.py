"""How far a new device may differ from known ones, learned by leaving known devices out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import numpy as np
from scipy.stats import t as student_t

from edgenas.cost.transfer import COVERAGE, DevicePrior, PriorWeights, learn_prior
from edgenas.cost.transfer_linear import NOISE_ROWS, Array

FEWEST_DEVICES = 3
"""With fewer known devices there is nothing left to compare when one is left out."""
MEASURED = 6
ROUNDS = 3
GRID = {"neighbour": (0.3, 1.0), "own": (0.01, 0.03, 0.1)}
"""Settings tried, each with each."""


def learn_weights(
    names: Sequence[str],
    coefficients: Array,
    typical: Array,
    *,
    noise: float,
    structure: Array | None = None,
    seed: int = 0,
) -> PriorWeights:
    """The weights under which known devices, each left out in turn, are foretold best.

    A device left out is conditioned on `MEASURED` of the typical networks, drawn by ``seed``, and scored
    by the log density of the others' latencies, so that intervals too narrow count as much as errors.

    Args:
        names: As for `learn_prior`, like all others.

    Returns:
        The best of `GRID`; the defaults with fewer than `FEWEST_DEVICES` known devices.
    """
    if len(names) < FEWEST_DEVICES:
        return PriorWeights()
    tried = [
        replace(PriorWeights(), **dict(zip(GRID, values, strict=True))) for values in product(*GRID.values())
    ]

    def score(weights: PriorWeights) -> float:
        total = 0.0
        for left_out in range(len(names)):
            others = [k for k in range(len(names)) if k != left_out]
            known = [names[k] for k in others]
            prior = learn_prior(
                known, coefficients[others], typical, noise=noise, structure=structure, weights=weights
            )
            total += _foretold(prior, typical, typical @ coefficients[left_out], seed)
        return total

    return max(tried, key=score)


def _foretold(prior: DevicePrior, typical: Array, latency: Array, seed: int) -> float:
    """Mean log density of relative latencies given a few of them."""
    rng, total = np.random.default_rng(seed), 0.0
    freedom = NOISE_ROWS + MEASURED
    for _ in range(ROUNDS):
        rows = rng.permutation(len(typical))
        measured, rest = rows[:MEASURED], rows[MEASURED:]
        found = prior.condition(typical[measured], latency[measured]).predict(typical[rest])
        deviation = (found.high_ms - found.latency_ms) / student_t.ppf((1 + COVERAGE) / 2, freedom)
        density = student_t.logpdf((latency[rest] - found.latency_ms) / deviation, freedom)
        total += float(np.mean(density - np.log(deviation / latency[rest])))
    return total / ROUNDS
