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
ROOM = 64
"""For how many further points memory is taken at a time: to copy what is known takes longer than they do."""

NOISE_PRIOR = (np.log(0.05), 1.5)
SHARE_SPREAD = 2.0
LENGTH_SPREAD = 1.0


class _Points:
    """Rows of features, group by group, with their squared lengths at hand."""

    def __init__(self, groups: Groups) -> None:
        self.groups = [np.asarray(group) for group in groups]
        self.squares = [(group**2).sum(axis=1) for group in self.groups]

    def squared_distances(self, others: _Points) -> list[np.ndarray]:
        """Squared Euclidean distances to others' rows, (rows, rows of others) a group."""
        found = []
        for one, other, own, theirs in zip(
            self.groups, others.groups, self.squares, others.squares, strict=True
        ):
            distances = one @ other.T
            distances *= -2
            distances += own[:, None]
            distances += theirs[None]
            found.append(np.maximum(distances, 0.0, out=distances))
        return found

    def append(self, more: _Points) -> None:
        """Take in further rows."""
        self.groups = [np.vstack(pair) for pair in zip(self.groups, more.groups, strict=True)]
        self.squares = [np.concatenate(pair) for pair in zip(self.squares, more.squares, strict=True)]


def _matern(squares: np.ndarray, log_length: float) -> np.ndarray:
    """Matern 5/2 of squared distances."""
    scaled = _scaled(squares, log_length)
    fall = np.exp(-scaled)
    fall *= 1 + scaled + scaled * scaled / 3
    return np.asarray(fall)


def _matern_and_slope(squares: np.ndarray, log_length: float) -> tuple[np.ndarray, np.ndarray]:
    """Matern 5/2 of squared distances, and its derivative by the logarithm of the length."""
    scaled = _scaled(squares, log_length)
    fall = np.exp(-scaled)
    cubed = scaled * scaled / 3
    return (1 + scaled + cubed) * fall, cubed * (1 + scaled) * fall


def _scaled(squares: np.ndarray, log_length: float) -> np.ndarray:
    return np.asarray(np.sqrt(5 * squares + 1e-12) * np.exp(-log_length))


@dataclass(frozen=True)
class Hyperparameters:
    """Logarithms of each group's share of the variance, of its length, and of the noise's variance."""

    shares: np.ndarray
    lengths: np.ndarray
    noise: float

    def kernel(self, first: Groups, second: Groups) -> np.ndarray:
        """Covariance between rows, shape (rows of first, rows of second)."""
        return self.covariance(_Points(first), _Points(second))

    def covariance(self, first: _Points, second: _Points) -> np.ndarray:
        """The same of rows whose lengths are at hand."""
        terms = (
            np.exp(share) * _matern(squares, length)
            for share, length, squares in zip(
                self.shares, self.lengths, first.squared_distances(second), strict=True
            )
        )
        return np.asarray(sum(terms))


def fit_hyperparameters(groups: Groups, values: np.ndarray) -> Hyperparameters:
    """The most probable hyperparameters.

    Args:
        groups: Features of n points.
        values: float array of shape (n,), about zero mean and unit variance.
    """
    points = _Points(groups)
    distances = points.squared_distances(points)
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
        value, by_length = _matern_and_slope(squares, logs[count + position])
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
        self._queries, self._known = _Points(queries), _Points(groups)
        observed = hyperparameters.covariance(self._known, self._known)
        self._lower = cholesky(observed + np.eye(len(values)) * self._noise, lower=True)
        self._weights = cho_solve((self._lower, True), values)
        cross = hyperparameters.covariance(self._known, self._queries)
        self.mean = np.asarray(self._weights @ cross)
        self.fitted = np.asarray(observed @ self._weights)
        self._halves = solve_triangular(self._lower, cross, lower=True)  # rows beyond the known are room
        prior = float(np.exp(hyperparameters.shares).sum())
        self.variance = np.maximum(prior - (self._halves**2).sum(axis=0), 1e-12)

    def believe(self, points: Groups) -> np.ndarray:
        """Take in some points at their expected values: the mean stays, the variances shrink.

        (The "kriging believer" of Ginsbourger et al. 2010, for points whose results are awaited.)

        Args:
            points: Features of k points, arrays of shape (k, columns).

        Returns:
            The expected values, shape (k,).
        """
        new = _Points(points)
        to_known = self._kernel.covariance(self._known, new)
        halves = solve_triangular(self._lower, to_known, lower=True)
        among = self._kernel.covariance(new, new) - halves.T @ halves
        own = cholesky(among + np.eye(len(among)) * self._noise, lower=True)
        known, all_known = len(self._lower), len(self._lower) + len(own)
        to_queries = self._kernel.covariance(new, self._queries) - halves.T @ self._halves[:known]
        step = solve_triangular(own, to_queries, lower=True)
        if all_known > len(self._halves):
            room = np.empty((max(all_known, known + ROOM), self._halves.shape[1]))
            room[:known] = self._halves[:known]
            self._halves = room
        self._halves[known:all_known] = step
        self._lower = np.block([[self._lower, np.zeros((known, len(own)))], [halves.T, own]])
        self._known.append(new)
        expected = np.asarray(self._weights @ to_known)
        self._weights = np.append(self._weights, np.zeros(len(own)))
        self.variance = np.maximum(self.variance - (step**2).sum(axis=0), 1e-12)
        return expected
