"""Gaussian process over groups of features (Rasmussen and Williams 2006).

The kernel is a sum over groups of ``share * matern52(distance / length)``. The few hyperparameters
have priors and are fitted by the gradient of the marginal likelihood; a library's process has no
sum over groups of columns, and its posterior cannot take in one more point in one step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_solve, cholesky, solve_triangular
from scipy.optimize import minimize

Groups = Sequence[np.ndarray]
"""One float array of shape (n, columns) a group, the same n rows in each."""

STEPS = 25
"""Iterations that fit the hyperparameters."""

JITTER = 1e-6
NOISE_PRIOR = (np.log(0.05), 1.5)
SHARE_SPREAD = 2.0
LENGTH_SPREAD = 1.0


def squared_distances(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Squared Euclidean distances between rows, shape (rows of first, rows of second)."""
    sums = (first**2).sum(axis=1)[:, None] + (second**2).sum(axis=1)[None]
    return np.asarray(np.maximum(0.0, sums - 2 * first @ second.T))


def _matern(squares: np.ndarray, log_length: float) -> tuple[np.ndarray, np.ndarray]:
    """Matern 5/2 of squared distances, and its derivative by the logarithm of the length."""
    scaled = np.sqrt(5 * squares + 1e-12) * np.exp(-log_length)
    fall = np.exp(-scaled)
    cubed = scaled * scaled / 3
    return (1 + scaled + cubed) * fall, cubed * (1 + scaled) * fall


@dataclass(frozen=True)
class Hyperparameters:
    """Logarithms of each group's share of the variance, of its length, and of the noise's variance."""

    shares: np.ndarray
    lengths: np.ndarray
    noise: float

    def kernel(self, first: Groups, second: Groups) -> np.ndarray:
        """Covariance between rows, shape (rows of first, rows of second)."""
        terms = (
            np.exp(share) * _matern(squared_distances(one, other), length)[0]
            for share, length, one, other in zip(self.shares, self.lengths, first, second, strict=True)
        )
        return np.asarray(sum(terms))


def fit_hyperparameters(groups: Groups, values: np.ndarray) -> Hyperparameters:
    """The most probable hyperparameters.

    Args:
        groups: Features of n points.
        values: float array of shape (n,), about zero mean and unit variance.
    """
    distances = [squared_distances(group, group) for group in groups]
    count = len(groups)
    start = np.concatenate([np.full(count, -np.log(count)), np.zeros(count), [NOISE_PRIOR[0]]])
    spread = np.concatenate([np.full(count, SHARE_SPREAD), np.full(count, LENGTH_SPREAD), [NOISE_PRIOR[1]]])

    def loss(logs: np.ndarray) -> tuple[float, np.ndarray]:
        fit, slope = _misfit(logs, distances, values)
        away = (logs - start) / spread
        return fit + 0.5 * float(away @ away), slope + away / spread

    bounds = list(zip(start - 4 * spread, start + 4 * spread, strict=True))
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": STEPS}).x
    return Hyperparameters(found[:count], found[count:-1], float(found[-1]))


def _misfit(logs: np.ndarray, distances: list[np.ndarray], values: np.ndarray) -> tuple[float, np.ndarray]:
    """Negative logarithm of the marginal likelihood, and its gradient."""
    count, size = len(distances), len(values)
    noise = np.exp(logs[-1])
    parts, slopes = [], []
    for position, squares in enumerate(distances):
        value, by_length = _matern(squares, logs[count + position])
        share = np.exp(logs[position])
        parts.append(share * value)
        slopes.append(share * by_length)
    lower = cholesky(sum(parts) + np.eye(size) * (noise + JITTER), lower=True)
    weights = cho_solve((lower, True), values)
    inner = cho_solve((lower, True), np.eye(size)) - np.outer(weights, weights)
    gradient = [0.5 * float((inner * matrix).sum()) for matrix in (*parts, *slopes)]
    gradient.append(0.5 * noise * float(np.trace(inner)))
    misfit = 0.5 * float(values @ weights) + float(np.log(np.diag(lower)).sum())
    return misfit, np.array(gradient)


class Posterior:
    """What is believed of a set of query points after some observations.

    Args:
        hyperparameters: Of the kernel.
        groups: Features of the observed points.
        values: What was observed, shape (n,).
        queries: Features of the points asked about.

    Attributes:
        mean: Expected values of the queries.
        variance: Variances of the queries' true values, noise left out.
        fitted: Expected true values of the observed points, noise taken out.
    """

    def __init__(
        self, hyperparameters: Hyperparameters, groups: Groups, values: np.ndarray, queries: Groups
    ) -> None:
        self._kernel = hyperparameters
        self._noise = float(np.exp(hyperparameters.noise)) + JITTER
        self._queries = [np.asarray(group) for group in queries]
        self._observed = hyperparameters.kernel(groups, groups)
        self._groups = [np.asarray(group) for group in groups]
        lower = cholesky(self._observed + np.eye(len(values)) * self._noise, lower=True)
        weights = cho_solve((lower, True), values)
        cross = hyperparameters.kernel(groups, queries)
        self.mean = np.asarray(weights @ cross)
        self.fitted = np.asarray(self._observed @ weights)
        self._lower = lower
        self._halves = solve_triangular(lower, cross, lower=True)
        prior = float(np.exp(hyperparameters.shares).sum())
        self.variance = np.maximum(prior - (self._halves**2).sum(axis=0), 1e-12)
        self._weights = weights

    def believe(self, points: Groups) -> np.ndarray:
        """Take in some points at their expected values: the mean stays, the variances shrink.

        (The "kriging believer" of Ginsbourger et al. 2010, for points whose results are awaited.)

        Args:
            points: Features of k points, arrays of shape (k, columns).

        Returns:
            The expected values, shape (k,).
        """
        to_observed = self._kernel.kernel(self._groups, points)
        halves = solve_triangular(self._lower, to_observed, lower=True)
        among = self._kernel.kernel(points, points) - halves.T @ halves
        own = cholesky(among + np.eye(len(among)) * self._noise, lower=True)
        to_queries = self._kernel.kernel(points, self._queries) - halves.T @ self._halves
        step = solve_triangular(own, to_queries, lower=True)
        above = np.zeros((len(self._lower), len(own)))
        self._lower = np.block([[self._lower, above], [halves.T, own]])
        self._halves = np.vstack([self._halves, step])
        self._groups = [np.vstack([group, rows]) for group, rows in zip(self._groups, points, strict=True)]
        expected = np.asarray(self._weights @ to_observed)
        self._weights = np.append(self._weights, np.zeros(len(own)))
        self.variance = np.maximum(self.variance - (step**2).sum(axis=0), 1e-12)
        return expected
