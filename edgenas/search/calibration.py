"""Calibration: what a fresh training would come to, from one that began with inherited weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import exp, log, sqrt
from statistics import mean, stdev
from typing import Any

SOFTENING = 0.005
"""Added to errors before their logarithm: below it, ratios of errors say nothing."""

FEWEST = 4
"""Networks trained both ways before inherited scores are corrected."""


@dataclass(frozen=True)
class Calibration:
    """Fresh errors as a multiple of inherited ones, from networks that were trained both ways.

    The correction is one factor: it keeps the order of inherited errors.

    Attributes:
        ratio: Geometric mean of fresh over inherited error.
        low: Lower end of its 95 % interval (Student's t on the logarithms).
        high: Upper end.
        spread: Factor within which a single network's ratio lies two times in three.
        pairs: Networks trained both ways.
    """

    ratio: float
    low: float
    high: float
    spread: float
    pairs: int

    @classmethod
    def of(cls, pairs: Sequence[tuple[float, float]]) -> Calibration | None:
        """From (inherited, fresh) errors; None while there are fewer than `FEWEST`."""
        if len(pairs) < FEWEST:
            return None
        from scipy.stats import t

        logs = [log((fresh + SOFTENING) / (inherited + SOFTENING)) for inherited, fresh in pairs]
        middle, deviation = mean(logs), stdev(logs)
        half = float(t.ppf(0.975, len(logs) - 1)) * deviation / sqrt(len(logs))
        return cls(exp(middle), exp(middle - half), exp(middle + half), exp(deviation), len(logs))

    def corrected(self, error: float) -> float:
        """What a fresh training is expected to come to."""
        return max(0.0, (error + SOFTENING) * self.ratio - SOFTENING)

    def to_json(self) -> dict[str, Any]:
        """A plain document."""
        return asdict(self)
