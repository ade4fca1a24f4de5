"""How a latency is measured: short bursts, interleaved, and only while the core is undisturbed.

A machine that does other things at the same time slows a program down by up to half, in spells of
milliseconds, mostly through the core's second hardware thread, shared caches and interrupts. Repeating
does not average that away. Therefore a *sentinel*, a small program of constant work, is timed before
and after every burst: a burst counts only if both runs of the sentinel were within a few per cent of
the fastest the sentinel has been and, where the system tells (Linux), the thread was not put aside in
it. Programs take turns (round robin), so that slow drift, for example of the clock rate, meets all of
them alike. The latency is the lower quartile of the burst means that
count, which bursts disturbed in their middle do not reach.

The loop itself is in `edgenas.profile.agent`, which also runs on other machines.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from edgenas.errors import ConfigError
from edgenas.profile.agent import Sentinel, preemptions, time_bursts

__all__ = ["Measurement", "Program", "Protocol", "Sentinel", "summarized", "time_programs"]

Program = Callable[[], object]
"""Runs one inference."""

STATISTIC = "lower quartile of undisturbed burst means"


@dataclass(frozen=True, slots=True)
class Protocol:
    """Settings of a measurement.

    Attributes:
        bursts: Undisturbed bursts that a program needs.
        rounds: Rounds after which a program that has fewer is given up.
        burst_us: Length of a burst in microseconds; at least one inference.
        tolerance: How much slower than its fastest the sentinel may be beside a burst that counts.
        max_spread: Refuse if `Measurement.spread` is above this.
        limit_s: Seconds after which a batch of programs is given up.
    """

    bursts: int = 12
    rounds: int = 120
    burst_us: float = 200.0
    tolerance: float = 0.03
    max_spread: float = 0.10
    limit_s: float = 300.0

    def __post_init__(self) -> None:
        if not 4 <= self.bursts <= self.rounds:
            raise ConfigError(
                f"{self.bursts} bursts in {self.rounds} rounds were asked for; expected 4 or more bursts "
                "and at least as many rounds"
            )
        for name in ("burst_us", "tolerance", "max_spread", "limit_s"):
            if not getattr(self, name) > 0:  # NaN too
                raise ConfigError(f"{name} {getattr(self, name)} was given; expected a number above 0")


@dataclass(frozen=True, slots=True)
class Measurement:
    """The latency of one program.

    Attributes:
        latency_ms: Milliseconds for one inference.
        low_ms: 5 % quantile of what was timed.
        high_ms: 95 % quantile of what was timed.
        repeats: Bursts (or runs) that were timed and count.
        statistic: What ``latency_ms`` is of them.
        median_ms: Their median, or None where it is not known.
        p90_ms: Their 90 % quantile, or None where it is not known.
        spread: How far the median lies above the lower quartile, as a share of it; where no quartiles are
            known (Android's tool), the standard deviation as a share of the mean.
    """

    latency_ms: float
    low_ms: float
    high_ms: float
    repeats: int
    statistic: str = STATISTIC
    median_ms: float | None = None
    p90_ms: float | None = None
    spread: float = 0.0

    def __post_init__(self) -> None:
        if not 0 < self.low_ms <= self.latency_ms <= self.high_ms:
            raise ValueError(
                f"latency {self.latency_ms} ms within {self.low_ms} to {self.high_ms} ms was given; "
                "expected 0 < low <= latency <= high"
            )


def time_programs(
    programs: Sequence[Program],
    sentinel: Sentinel,
    protocol: Protocol,
    clock_ns: Callable[[], int] = time.perf_counter_ns,
    preempted: Callable[[], int] = preemptions,
) -> list[Measurement | None]:
    """Measure programs in turns until each has enough undisturbed bursts.

    Args:
        programs: What to measure; a few dozen at once, as all stay loaded.
        sentinel: Tells whether the core is undisturbed.
        protocol: The settings.
        clock_ns: The clock, for tests.
        preempted: How often the thread was put aside so far, for tests.

    Returns:
        One measurement for each program, None where too few bursts were undisturbed or they spread too far.
    """
    timed = time_bursts(programs, sentinel, asdict(protocol), clock_ns, preempted)
    found = [summarized(bursts_ns, protocol) for bursts_ns in timed]
    return [one if isinstance(one, Measurement) else None for one in found]


def summarized(bursts_ns: Sequence[float], protocol: Protocol) -> Measurement | str:
    """The latency that undisturbed burst means tell, or in words why they tell none."""
    if len(bursts_ns) < protocol.bursts:
        return (
            f"{len(bursts_ns)} bursts in {protocol.rounds} rounds were undisturbed, expected "
            f"{protocol.bursts} within {protocol.limit_s:g} s"
        )
    shares = [0.05, 0.25, 0.5, 0.9, 0.95]
    low, quartile, median, p90, high = (float(v) for v in np.quantile(bursts_ns, shares) / 1e6)
    spread = median / quartile - 1
    if spread > protocol.max_spread:
        return f"the spread was {spread:.1%}, over the bound of {protocol.max_spread:.0%}"
    return Measurement(quartile, low, high, len(bursts_ns), STATISTIC, median, p90, spread)
