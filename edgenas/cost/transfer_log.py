"""Kernels of one device fitted to whole networks in logarithms, some measurements spoilt.

The fit is the most probable set of kernel costs (`edgenas.cost.fitting.most_probable`), with errors of
Student's t as in `edgenas.cost.transfer_linear`: a measurement that met a busy device, or a network that a
runtime treats in a way of its own, does not bend the others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from edgenas.cost.fitting import KernelCycles, most_probable
from edgenas.cost.kernel_features import Floats
from edgenas.cost.transfer_linear import FREEDOM, NOISE_ROWS

NETWORK_NOISE = 0.05
"""Standard deviation, in logarithms, of what features are expected to miss of a network."""
ROUNDS = 8
COVERED = 0.9


@dataclass(frozen=True)
class LogFit:
    """Kernels fitted to measurements.

    Attributes:
        kernels: Their costs, in the unit of the measurements.
        noise: Standard deviation, in logarithms, of what the features miss of a network.
    """

    kernels: KernelCycles
    noise: float


@dataclass(frozen=True)
class LeftOut:
    """Measured networks predicted by fits that saw none of their group.

    Attributes:
        predicted: What was predicted of each network, in the unit of the measurements.
        errors: Relative error of each.
        interval: Standard deviations that held nine in ten.
    """

    predicted: Floats
    errors: Floats
    interval: float


def fit_kernels(
    prior: Callable[[float], KernelCycles], counts: Floats, cost: Floats, noise: float = NETWORK_NOISE
) -> LogFit:
    """The most probable kernels.

    Args:
        prior: Kernels known beforehand, from the logarithm of a scale; the scale is taken from the
            measurements.
        counts: Features of each network, one a row.
        cost: Measured time of each, in any unit.
        noise: Standard deviation, in logarithms, of what the features are expected to miss.
    """
    start = np.log(cost) - np.log(np.exp(prior(0.0).log_cycles) @ counts.T)
    known = prior(float(np.median(start)))
    values, vectors = np.linalg.eigh(known.covariance)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    weights, variance = np.ones(len(cost)), noise**2

    def thetas(step: Floats) -> Floats:
        return np.tile(known.log_cycles + root @ step, (len(cost), 1))

    for _ in range(ROUNDS):
        noises = np.diag(variance / weights)
        step, shares = most_probable(
            counts, np.log(cost), noises, thetas, lambda share: share @ root, root.shape[1]
        )
        log_cycles, seen = known.log_cycles + root @ step, shares @ root
        inner = np.eye(root.shape[1]) - seen.T @ np.linalg.solve(seen @ seen.T + noises, seen)
        residual = np.log(cost) - np.log(counts @ np.exp(log_cycles))
        squares = residual**2 + np.einsum("ij,jk,ik->i", seen, inner, seen)
        weights = (FREEDOM + 1) / (FREEDOM + squares / variance)
        total = NOISE_ROWS * noise**2 + float(weights @ squares)
        variance = total / (NOISE_ROWS + len(cost))
    return LogFit(KernelCycles(log_cycles, root @ inner @ root.T), float(np.sqrt(variance)))


def leave_out(
    prior: Callable[[float], KernelCycles], counts: Floats, cost: Floats, groups: Sequence[str]
) -> LeftOut:
    """Predict each group of networks from a fit to all others.

    Args:
        prior: As for `fit_kernels`.
        counts: Features of each network, one a row.
        cost: Measured time of each.
        groups: What each belongs to, for example its family; at least two.
    """
    names = np.array(groups)
    predicted, deviations = np.empty(len(cost)), np.empty(len(cost))
    for group in sorted(set(groups)):
        out = names == group
        fit = fit_kernels(prior, counts[~out], cost[~out])
        log_cost, spread = fit.kernels.predict(counts[out])
        predicted[out] = np.exp(log_cost)
        deviations[out] = np.abs(log_cost - np.log(cost[out])) / np.hypot(spread, fit.noise)
    # Weibull's position k / (n + 1) holds the stated share of networks not seen, whatever their law.
    interval = float(np.quantile(deviations, COVERED, method="weibull"))
    return LeftOut(predicted, predicted / cost - 1, interval)
