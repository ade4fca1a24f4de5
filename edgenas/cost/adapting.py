"""A predictor taken to a device of which only a few networks are measured.

The known device's kernels are the prior, widened by what may differ (board, core, runtime); the measurements
condition it in logarithms (`edgenas.cost.fitting.conditioned`). Which networks to measure next, and how many,
is planned by `edgenas.cost.transfer.Posterior`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import t as student_t

from edgenas.cost.fitting import KernelCycles, conditioned, spread_covariance
from edgenas.cost.kernel_features import Floats
from edgenas.cost.predictor import Predictor
from edgenas.cost.transfer import COVERAGE, Posterior
from edgenas.cost.transfer_linear import NOISE_ROWS, Conditioned, Gaussian

MOST = 50
"""Further measurements beyond which none are planned."""
FEWEST_RESIDUALS = 3
"""Networks left out below which the noise is taken from known devices alone."""


@dataclass(frozen=True)
class Measurements:
    """Networks measured on one device.

    Attributes:
        names: Of the networks.
        counts: Features, one network a row.
        macs: Of each network.
        latency_ms: Of each network.
    """

    names: tuple[str, ...]
    counts: Floats
    macs: Floats
    latency_ms: Floats

    def without(self, place: int) -> Measurements:
        """All but one."""
        kept = [k for k in range(len(self.names)) if k != place]
        return Measurements(
            tuple(self.names[k] for k in kept), self.counts[kept], self.macs[kept], self.latency_ms[kept]
        )


def widened(known: Predictor, device: str, core: str, runtime: str, clock_mhz: float) -> Predictor:
    """A known predictor as a prior for another device: as uncertain as what differs makes it."""
    levels = []
    if known.clock_mhz is not None and known.device != device:  # one of all boards of a core holds these
        levels += ["board", "board and runtime"]
    if known.core != core:
        levels += ["core", "core and runtime"]
    if known.runtime != runtime:
        levels += ["runtime", "release"]
    covariance = known.kernels.covariance + spread_covariance(levels, len(known.kernels.log_cycles))
    return replace(
        known,
        device=device,
        core=core,
        runtime=runtime,
        clock_mhz=clock_mhz,
        kernels=KernelCycles(known.kernels.log_cycles, covariance),
        energy=None,
    )


def evidence(prior: Predictor, measured: Measurements) -> float:
    """Logarithm of how likely a prior holds the measurements, up to a constant."""
    parts = np.exp(prior.kernels.log_cycles) * measured.counts
    total = parts.sum(axis=1)
    shares = parts / total[:, None]
    spread = shares @ prior.kernels.covariance @ shares.T + prior.noise**2 * np.eye(len(total))
    residual = np.log(_cycles(prior, measured)) - np.log(total)
    return float(-0.5 * residual @ np.linalg.solve(spread, residual) - 0.5 * np.linalg.slogdet(spread)[1])


def adapted(prior: Predictor, measured: Measurements) -> Predictor:
    """The prior once it has learned from measurements; its noise too follows what they show."""
    kernels = conditioned(prior.kernels, measured.counts, _cycles(prior, measured), prior.noise)
    count = len(measured.names)
    squares = sum(residual**2 for residual in left_out(prior, measured)[1])
    low, high = int(measured.macs.min()), int(measured.macs.max())
    return replace(
        prior,
        kernels=kernels,
        noise=prior.noise * _shrunk(squares, count),
        interval=prior.interval * _reach(count) / _reach(np.inf),
        macs=(min(low, prior.macs[0]), max(high, prior.macs[1])),
    )


def left_out(prior: Predictor, measured: Measurements) -> tuple[list[float], list[float]]:
    """Each measured network predicted from the others.

    Returns:
        Relative errors, and residuals in standard deviations; of the prior alone where there is one
        network only.
    """
    errors, residuals = [], []
    cycles = _cycles(prior, measured)
    for place in range(len(measured.names)):
        others = measured.without(place)
        kernels = prior.kernels
        if len(others.names):
            kernels = conditioned(kernels, others.counts, _cycles(prior, others), prior.noise)
        log_cycles, spread = kernels.predict(measured.counts[place])
        residual = float(log_cycles[0] - np.log(cycles[place]))
        errors.append(float(np.expm1(residual)))
        residuals.append(residual / float(np.hypot(spread[0], prior.noise)))
    return errors, residuals


def errors(predictor: Predictor, measured: Measurements) -> list[float]:
    """Relative errors of a predictor on measured networks."""
    found, _ = predictor.latency_ms(measured.counts, measured.macs)
    return [float(error) for error in found / measured.latency_ms - 1]


def half_widths(predictor: Predictor, counts: Floats, macs: Floats) -> Floats:
    """Half of the interval of each network as a share of its latency."""
    _, spread = predictor.latency_ms(counts, macs)
    widths: Floats = np.sinh(predictor.interval * spread)
    return widths


def planner(predictor: Predictor, measured: int, noise: float | None = None) -> Posterior:
    """What `edgenas.cost.transfer` plans measurements with: the kernels, linear around what is expected.

    Args:
        measured: How many networks the predictor has learned from on its device.
        noise: What to take for the predictor's noise.
    """
    mean = np.exp(predictor.kernels.log_cycles)
    scale = predictor.interval / _reach(measured)  # its intervals shall be those of the predictor
    covariance = scale**2 * predictor.kernels.covariance * np.outer(mean, mean)
    spread = scale * (predictor.noise if noise is None else noise)
    belief = Conditioned(Gaussian.of(mean, covariance), spread, np.ones(measured), 0.0)
    scale_ms = 1 / ((predictor.clock_mhz or 1.0) * 1e3)
    return Posterior((predictor.device,), (belief,), np.ones(1), scale_ms, measured)


def measurements_needed(
    predictor: Predictor, residuals: Sequence[float], counts: Floats, width: float
) -> int | None:
    """How many more measurements bring nine in ten intervals of some networks under a width.

    They are planned as `planner` does, and are taken to leave residuals like those so far: where the
    features tell networks apart better than on the devices known before, the noise shrinks.

    Args:
        residuals: Of the networks measured so far, each left out, in standard deviations.
        counts: Features of the networks whose latency is wanted, one a row.
        width: Half of the interval as a share of the latency.

    Returns:
        The number, or None when `MOST` are not enough.
    """
    count = len(residuals)
    mean_square = float(np.mean(np.square(residuals))) if count >= FEWEST_RESIDUALS else 1.0
    base = predictor.noise / _shrunk(float(np.sum(np.square(residuals))), count)
    like_these = np.tile(counts, (-(-MOST // len(counts)), 1))
    for more in range(MOST + 1):
        plan = planner(predictor, count, base * _shrunk(mean_square * (count + more), count + more))
        found = plan.measurements_needed(like_these, counts, width, more)
        if found is not None:
            return more
    return None


def _shrunk(squares: float, count: int) -> float:
    """Factor on the noise known before, from squared residuals in standard deviations."""
    return float(np.sqrt((NOISE_ROWS + squares) / (NOISE_ROWS + count)))


def _reach(count: float) -> float:
    """Standard deviations that hold nine in ten where the noise is known from so many measurements."""
    return float(student_t.ppf((1 + COVERAGE) / 2, NOISE_ROWS + count))


def _cycles(predictor: Predictor, measured: Measurements) -> Floats:
    cycles: Floats = measured.latency_ms * (predictor.clock_mhz or 0.0) * 1e3
    return cycles
