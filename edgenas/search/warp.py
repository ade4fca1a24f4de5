"""Warp: values that spread over orders of magnitude, made fit for a Gaussian process."""

from __future__ import annotations

import numpy as np

from edgenas.search.gain import LogNormal

SOFTENING = 0.05
"""Share of the median that is added to all values before taking logarithms."""


class Warp:
    """``log(value + shift)``, standardized: errors and costs spread over orders of magnitude."""

    def __init__(self, values: np.ndarray) -> None:
        least = min(0.0, float(values.min()))
        self.shift = SOFTENING * max(float(np.median(values)) - least, 1e-9) - least
        logs = np.log(values + self.shift)
        self.centre = float(logs.mean())
        self.spread = float(logs.std()) or 1.0

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Warped values."""
        return np.asarray((np.log(values + self.shift) - self.centre) / self.spread)

    def back(self, warped: np.ndarray) -> np.ndarray:
        """Values from warped ones."""
        return np.asarray(np.exp(warped * self.spread + self.centre) - self.shift)

    def belief(self, mean: np.ndarray, variance: np.ndarray) -> LogNormal:
        """What is believed of values of which warped mean and variance are known."""
        return LogNormal(mean * self.spread + self.centre, np.sqrt(variance) * self.spread, self.shift)
