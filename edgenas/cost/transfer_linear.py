"""A robust Bayesian linear model of latency: coefficients with a Gaussian prior, a few spoilt rows allowed.

Errors are relative, so each row is divided by its measured latency. The noise is Student's t with
`FREEDOM` degrees of freedom, fitted by expectation maximisation (Lange, Little and Taylor 1989): a
measurement that met a busy device is given a small weight instead of bending the model.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import nnls

Array = NDArray[np.float64]

FREEDOM = 4.0
"""Degrees of freedom of the measurement noise: tails that forgive one bad row in ten."""
NOISE_ROWS = 6.0
"""How many measurements the noise known beforehand counts for."""
ROUNDS = 30
SMALLEST_NOISE = 1e-4
"""Relative noise is never believed to be below this."""


@dataclass(frozen=True, slots=True, eq=False)
class Gaussian:
    """Coefficients as far as they are known.

    Attributes:
        mean: (p,) expected coefficients.
        root: (p, r) factor of the covariance, ``root @ root.T``.
    """

    mean: Array
    root: Array

    @classmethod
    def of(cls, mean: Array, covariance: Array) -> Gaussian:
        """From a covariance, which may be of low rank."""
        values, vectors = np.linalg.eigh((covariance + covariance.T) / 2)
        kept = values > 1e-12 * max(float(values[-1]), 1e-300)
        return cls(mean, vectors[:, kept] * np.sqrt(values[kept]))


@dataclass(frozen=True, slots=True, eq=False)
class Conditioned:
    """What measurements made of a `Gaussian`.

    Attributes:
        belief: The coefficients afterwards.
        noise: Relative standard deviation of one measurement.
        row_weights: (n,) how far each row was believed; ordinary rows have about 1.
        log_evidence: Logarithm of how likely the measurements were beforehand.
    """

    belief: Gaussian
    noise: float
    row_weights: Array
    log_evidence: float


def condition(
    belief: Gaussian, features: Array, latency: Array, noise: float, *, nonnegative: bool = False
) -> Conditioned:
    """Learn from measurements.

    Args:
        belief: The coefficients beforehand, in units of latency per feature.
        features: (n, p) features of the measured networks.
        latency: (n,) measured latencies, all above 0.
        noise: Relative standard deviation expected of a measurement.
        nonnegative: Whether no coefficient may be below 0; the covariance stays that of the free
            model. Needs a covariance of full rank.
    """
    rows = features / latency[:, None]
    weights, variance = np.ones(len(rows)), noise**2
    mapped, left = rows @ belief.root, 1.0 - rows @ belief.mean
    for _ in range(ROUNDS if len(rows) else 0):
        factor, step = _posterior(mapped, left, weights / variance)
        spread = np.einsum("ij,ji->i", mapped, cho_solve(factor, mapped.T))
        squares = (left - mapped @ step) ** 2 + spread
        weights = (FREEDOM + 1) / (FREEDOM + squares / variance)
        total = NOISE_ROWS * noise**2 + float(weights @ squares)
        variance = max(total / (NOISE_ROWS + len(rows)), SMALLEST_NOISE**2)
    precision = weights / variance
    factor, step = _posterior(mapped, left, precision)
    evidence = _log_evidence(factor, mapped, left, precision, step)
    inverse = cho_solve(factor, np.eye(mapped.shape[1]))
    mean = belief.mean + belief.root @ step
    if nonnegative and (mean < 0).any():
        mean = _nonnegative(belief, rows, precision)
    root = belief.root @ np.linalg.cholesky((inverse + inverse.T) / 2)
    return Conditioned(Gaussian(mean, root), float(np.sqrt(variance)), weights, evidence)


def _posterior(mapped: Array, left: Array, precision: Array) -> tuple[tuple[Array, bool], Array]:
    """Cholesky factor of the posterior precision, and the posterior mean, of whitened coefficients."""
    weighted = mapped * precision[:, None]
    factor = cho_factor(np.eye(mapped.shape[1]) + mapped.T @ weighted, lower=True)
    return factor, cho_solve(factor, weighted.T @ left)


def _log_evidence(
    factor: tuple[Array, bool], mapped: Array, left: Array, precision: Array, step: Array
) -> float:
    """Log density of the rows, by the determinant lemma, up to a constant."""
    misfit = float(precision @ (left - mapped @ step) ** 2 + step @ step)
    return -0.5 * misfit - float(np.log(np.diag(factor[0])).sum()) + 0.5 * float(np.log(precision).sum())


def _nonnegative(belief: Gaussian, rows: Array, precision: Array) -> Array:
    """The most likely coefficients of 0 or more (non-negative least squares, Lawson and Hanson 1974)."""
    whiten = np.linalg.pinv(belief.root)
    root = np.sqrt(precision)
    design = np.vstack([rows * root[:, None], whiten])
    return np.asarray(nnls(design, np.concatenate([root, whiten @ belief.mean]))[0])
