"""Latency of networks on a new device from few measurements and what other devices are like.

Latency is linear in features of a network (MACs of a kind, bytes moved, operations, blocks of a space
...). Devices already known give the prior of the coefficients once each is scaled to the same typical
network: what they share, how they differ, and each of them as a neighbour that the new device may
resemble. The neighbours are weighted by how well they foretell the measurements (Bayesian model
averaging), so the nearest known device is adapted without being named. Learning a prior over devices
follows HELP (Lee et al. 2021) in purpose; a linear model needs no meta-training and states its interval.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import softmax
from scipy.stats import t as student_t

from edgenas.cost.transfer_linear import NOISE_ROWS, Array, Conditioned, Gaussian, condition
from edgenas.errors import ConfigError

__all__ = ["Array", "DevicePrior", "Posterior", "Prediction", "PriorWeights", "learn_prior"]

COVERAGE = 0.90
"""Share of networks that an interval is meant to hold."""


@dataclass(frozen=True, slots=True)
class PriorWeights:
    """How far a new device may differ, as variances relative to a typical network's latency of 1.

    Attributes:
        scale: Of the speed as a whole.
        devices: Of the empirical covariance between known devices; 1 takes it as it is.
        structure: Of each column of `learn_prior`'s ``structure``.
        own: Of each coefficient by itself, relative to its square over the known devices.
        neighbour: Factor on ``devices``, ``structure`` and ``own`` around each single known device.
    """

    scale: float = 0.25
    devices: float = 0.3
    structure: float = 0.05
    own: float = 0.01
    neighbour: float = 0.3


@dataclass(frozen=True, slots=True, eq=False)
class DevicePrior:
    """Coefficients of a device yet unmeasured; a typical network has latency 1.

    Attributes:
        names: What each component stands for: ``all``, then the known devices.
        components: The coefficients as each component expects them.
        noise: Relative standard deviation of one measurement on a typical device.
    """

    names: tuple[str, ...]
    components: tuple[Gaussian, ...]
    noise: float

    def condition(
        self,
        features: Array,
        latency_ms: Array,
        *,
        scale_ms: float | None = None,
        nonnegative: bool = False,
    ) -> Posterior:
        """What measurements on the new device teach.

        Args:
            features: (k, p) features of the measured networks; k may be 0.
            latency_ms: (k,) measured latencies.
            scale_ms: Latency expected of a typical network (for example from a known device and the
                ratio of clocks); None takes it from the measurements.
            nonnegative: Whether no coefficient may be below 0.

        Raises:
            ConfigError: Shapes do not match, a latency is not above 0, or there is neither a
                measurement nor a scale.
        """
        features, latency = checked(features, latency_ms, len(self.components[0].mean))
        if scale_ms is None:
            scale_ms = _scale(latency, features @ self.components[0].mean)
        unit = latency / scale_ms
        found = [
            condition(one, features, unit, self.noise, nonnegative=nonnegative) for one in self.components
        ]
        evidence = np.array([one.log_evidence for one in found]) if len(latency) else np.zeros(len(found))
        return Posterior(self.names, tuple(found), softmax(evidence), scale_ms, len(latency))


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """Latencies of some networks with intervals that are to hold nine in ten.

    Attributes:
        latency_ms: (n,) expected.
        low_ms: (n,) lower ends.
        high_ms: (n,) upper ends.
    """

    latency_ms: Array
    low_ms: Array
    high_ms: Array

    @property
    def half_width(self) -> Array:
        """(n,) half of each interval as a share of the latency; 0.1 means plus or minus 10 %."""
        return np.asarray((self.high_ms - self.low_ms) / (2 * self.latency_ms))


@dataclass(frozen=True, slots=True, eq=False)
class Posterior:
    """A device after some measurements.

    Attributes:
        names: What each component stands for: ``all``, then the known devices.
        components: The coefficients of each after the measurements, in units of ``scale_ms``.
        weights: How likely each component is; they add up to 1.
        scale_ms: Latency of a typical network before the measurements refined it.
        measurements: How many there were.
    """

    names: tuple[str, ...]
    components: tuple[Conditioned, ...]
    weights: Array
    scale_ms: float
    measurements: int

    @property
    def coefficients(self) -> Array:
        """(p,) expected milliseconds per unit of each feature."""
        return np.asarray(
            self.scale_ms * self.weights @ np.array([one.belief.mean for one in self.components])
        )

    @property
    def noise(self) -> float:
        """Relative standard deviation of one measurement."""
        return float(self.weights @ np.array([one.noise for one in self.components]))

    @property
    def nearest(self) -> str:
        """The known device that the measurements resemble most, or ``all``."""
        return self.names[int(np.argmax(self.weights))]

    def predict(self, features: Array) -> Prediction:
        """Latencies of networks, each with a nine-in-ten interval.

        Args:
            features: (n, p) features of the networks.
        """
        each = np.array([features @ one.belief.mean for one in self.components])
        mean = self.weights @ each
        variance = self.weights @ (each - mean) ** 2 + (self.noise * mean) ** 2
        for weight, one in zip(self.weights, self.components, strict=True):
            variance = variance + weight * np.square(features @ one.belief.root).sum(1)
        freedom = NOISE_ROWS + self.measurements
        reach = student_t.ppf((1 + COVERAGE) / 2, freedom) * np.sqrt(variance)
        latency, reach = self.scale_ms * mean, self.scale_ms * reach
        return Prediction(latency, np.maximum(latency - reach, 0.0), latency + reach)

    def next_measurements(self, candidates: Array, count: int, targets: Array | None = None) -> list[int]:
        """Which candidates to measure next, best first.

        Each choice is the one that lowers the summed relative variance over the targets most, given
        those chosen before it (greedy A-optimal design). What a candidate turns out to be need not be
        known for this, so all ``count`` can be measured in one go.

        Args:
            candidates: (n, p) features of networks that could be measured.
            count: How many to choose, at most n.
            targets: (m, p) features of networks whose latency is wanted; None takes the candidates.
        """
        return self._plan(candidates, count, targets)[0]

    def measurements_needed(
        self, candidates: Array, targets: Array, width: float = 0.10, most: int = 50
    ) -> int | None:
        """How many more measurements bring nine in ten intervals of the targets under a width.

        The measurements are planned as `next_measurements` does, with the noise as it is believed now.

        Args:
            candidates: (n, p) features of networks that could be measured.
            targets: (m, p) features of networks whose latency is wanted.
            width: Half of the interval as a share of the latency, as `Prediction.half_width`.
            most: Where to stop.

        Returns:
            The number (0 when it is so already), or None when ``most`` are not enough: then the noise
            of the measurements, or what features cannot tell apart, stands in the way.
        """
        wide = np.quantile(self.predict(targets).half_width, COVERAGE)
        if wide < width:
            return 0
        variances = self._plan(candidates, most, targets)[1]
        for number, variance in enumerate(variances, 1):
            freedom = NOISE_ROWS + self.measurements + number
            reach = student_t.ppf((1 + COVERAGE) / 2, freedom) * np.sqrt(variance + self.noise**2)
            if np.quantile(reach, COVERAGE) < width:
                return number
        return None

    def _plan(self, candidates: Array, count: int, targets: Array | None) -> tuple[list[int], list[Array]]:
        """Greedy choices, and the targets' relative variances after each."""
        points, goals = self._relative(candidates), self._relative(candidates if targets is None else targets)
        chosen: list[int] = []
        variances: list[Array] = []
        noise = self.noise**2
        for _ in range(min(count, len(points))):
            gains = np.einsum("ij,ij->i", points @ (goals.T @ goals), points)
            gains /= np.square(points).sum(1) + noise
            gains[chosen] = -1.0
            best = int(np.argmax(gains))
            chosen.append(best)
            points, goals = (_reduced(part, points[best], noise) for part in (points, goals))
            variances.append(np.square(goals).sum(1))
        return chosen, variances

    def _relative(self, features: Array) -> Array:
        """(n, r) whose inner products are the covariances of relative latencies."""
        means = np.array([one.belief.mean for one in self.components])
        mean = self.weights @ means
        roots = [
            np.sqrt(weight) * one.belief.root
            for weight, one in zip(self.weights, self.components, strict=True)
        ]
        between = (np.sqrt(self.weights)[:, None] * (means - mean)).T
        covariance = sum((root @ root.T for root in roots), between @ between.T)
        return np.asarray((features @ Gaussian.of(mean, covariance).root) / (features @ mean)[:, None])


def learn_prior(
    names: Sequence[str],
    coefficients: Array,
    typical: Array,
    *,
    noise: float,
    structure: Array | None = None,
    weights: PriorWeights | None = None,
) -> DevicePrior:
    """The prior of a new device from devices that are known.

    Args:
        names: Names of the known devices.
        coefficients: (m, p) coefficients of each known device, in any unit of time.
        typical: (n, p) features of networks in common use; each device is scaled so that the
            geometric mean of their latencies is 1.
        noise: Relative standard deviation of one measurement on a typical device.
        structure: (p, q) patterns along which devices may differ beyond those known (for example the
            MACs behind each coefficient); each is scaled to a typical network's latency.
        weights: How far a new device may differ; `edgenas.cost.transfer_weights.learn_weights` learns them.

    Raises:
        ConfigError: Shapes do not match, or a known device predicts a latency of 0 or less.
    """
    weights = weights or PriorWeights()
    if np.ndim(coefficients) != 2 or np.shape(coefficients) != (len(names), np.shape(typical)[-1]):
        raise ConfigError(
            f"coefficients of shape {np.shape(coefficients)} were given for {len(names)} devices and "
            f"{np.shape(typical)[-1]} features; expected one row a device and one column a feature"
        )
    scales = [
        _geometric(typical @ row, f"device '{name}'") for name, row in zip(names, coefficients, strict=True)
    ]
    unit = np.asarray(coefficients, dtype=float) / np.array(scales)[:, None]
    mean = unit.mean(0)
    centred = (unit - mean) / np.sqrt(max(1, len(unit) - 1))
    parts = [np.sqrt(weights.devices) * centred.T, np.diag(np.sqrt(weights.own * (unit**2).mean(0)))]
    if structure is not None:
        shares = ((typical / (typical @ mean)[:, None]) @ structure).mean(0)
        parts.append(np.sqrt(weights.structure) * structure / shares)
    difference = np.hstack(parts)
    difference = difference @ difference.T
    around_all = Gaussian.of(mean, difference + weights.scale * np.outer(mean, mean))
    around_each = (
        Gaussian.of(row, weights.neighbour * difference + weights.scale * np.outer(row, row)) for row in unit
    )
    return DevicePrior(("all", *names), (around_all, *around_each), noise)


def _reduced(points: Array, measured: Array, noise: float) -> Array:
    """The points' factors after one more is measured; their inner products are the new covariances."""
    length = float(measured @ measured)
    if length == 0.0:
        return points
    shrink = (1 - np.sqrt(noise / (length + noise))) / length
    return np.asarray(points - shrink * np.outer(points @ measured, measured))


def checked(features: Array, latency_ms: Array, columns: int) -> tuple[Array, Array]:
    features, latency = np.asarray(features, dtype=float), np.asarray(latency_ms, dtype=float)
    if features.shape != (len(latency), columns):
        raise ConfigError(
            f"features of shape {features.shape} were given with {len(latency)} latencies; expected "
            f"({len(latency)}, {columns}): one row a measurement, the columns of the known devices"
        )
    if not (np.isfinite(latency) & (latency > 0)).all() or not np.isfinite(features).all():
        raise ConfigError(
            "a measured latency of 0 or less, or a figure that is not a number, was given; mend its row"
        )
    return features, latency


def _scale(latency: Array, expected: Array) -> float:
    ratios = latency[expected > 0] / expected[expected > 0]
    if not len(ratios):
        raise ConfigError(
            "no measurement was given; measure at least one network on the device, or give a scale"
        )
    return float(np.median(ratios))


def _geometric(latency: Array, what: str) -> float:
    if not (latency > 0).all():
        raise ConfigError(f"{what} predicts a latency of 0 or less for a typical network; fit it anew")
    return float(np.exp(np.log(latency).mean()))
