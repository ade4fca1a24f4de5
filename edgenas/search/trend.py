"""Trend: what an earlier run says of a network's error, as the mean function of a surrogate."""

from __future__ import annotations

import numpy as np

from edgenas.search.surrogate import Groups, Hyperparameters, Posterior, fit_hyperparameters
from edgenas.search.warp import Warp

DOUBT = 0.5
"""Standard deviation, as a share, of how much steeper or flatter errors may be than in the earlier run."""

SCATTER = 0.5
"""Standard deviation, in units of the results, of a result around the trend."""


class Trend:
    """A Gaussian process over the errors of an earlier run.

    Args:
        groups: Features of its networks.
        errors: Their validation errors, shape (n,).
    """

    def __init__(self, groups: Groups, errors: np.ndarray) -> None:
        self.warp = Warp(errors)
        self._groups, self._values = groups, self.warp(errors)
        self._fit: Hyperparameters | None = None

    def __call__(self, groups: Groups) -> np.ndarray:
        """What the earlier run expects of networks, in its standardized logarithms; shape (n,)."""
        if self._fit is None:
            self._fit = fit_hyperparameters(self._groups, self._values)
        return Posterior(self._fit, self._groups, self._values, groups).mean

    def line(self, expected: np.ndarray, values: np.ndarray, spread: float) -> tuple[float, float]:
        """Height and slope that bring what was expected onto what came out.

        The slope is drawn towards 1 in logarithms of the error: another task is harder or easier, but
        differences between networks are about as large.

        Args:
            expected: Of the networks trained so far, shape (n,).
            values: Their standardized logarithms of the error, shape (n,).
            spread: Logarithms that one unit of `values` stands for.
        """
        usual = self.warp.spread / spread
        centred = expected - expected.mean()
        weight = (SCATTER / (DOUBT * usual)) ** 2
        slope = (centred @ (values - values.mean()) + weight * usual) / (centred @ centred + weight)
        return float(values.mean() - slope * expected.mean()), float(slope)


class NoTrend(Trend):
    """Nothing is known from earlier runs."""

    def __init__(self) -> None:
        """Needs nothing."""

    def __call__(self, groups: Groups) -> np.ndarray:
        """Zero everywhere."""
        return np.zeros(len(groups[0]))

    def line(self, expected: np.ndarray, values: np.ndarray, spread: float) -> tuple[float, float]:
        """Flat."""
        return 0.0, 0.0
