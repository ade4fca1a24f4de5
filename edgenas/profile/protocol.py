"""How a latency is measured: short bursts, interleaved, and only while the core is undisturbed.

A machine that does other things at the same time slows a program down by up to half, in spells of
milliseconds, mostly through the core's second hardware thread, shared caches and interrupts. Repeating
does not average that away. Therefore a *sentinel*, a small program of constant work, is timed before
and after every burst: a burst counts only if both runs of the sentinel were within a few per cent of
the fastest the sentinel has been. Programs take turns (round robin), so that slow drift, for example
of the clock rate, meets all of them alike. The latency is the lower quartile of the burst means that
count, which bursts disturbed in their middle do not reach.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from edgenas.errors import ConfigError

Program = Callable[[], object]
"""Runs one inference."""

WARM_UP = 4  # runs; after one alone the sentinel was 5 to 10 % slow behind programs of milliseconds
STATISTIC = "lower quartile of undisturbed burst means"


@dataclass(frozen=True, slots=True)
class Protocol:
    """Settings of a measurement.

    Attributes:
        bursts: Undisturbed bursts that a program needs.
        rounds: Rounds after which a program that has fewer is given up.
        burst_us: Length of a burst in microseconds; at least one inference.
        tolerance: How much slower than its fastest the sentinel may be beside a burst that counts.
        max_spread: Refuse if median and lower quartile of the bursts differ by more than this share.
    """

    bursts: int = 12
    rounds: int = 120
    burst_us: float = 200.0
    tolerance: float = 0.03
    max_spread: float = 0.10

    def __post_init__(self) -> None:
        if not 4 <= self.bursts <= self.rounds:
            raise ConfigError(
                f"{self.bursts} bursts in {self.rounds} rounds were asked for; expected 4 or more bursts "
                "and at least as many rounds"
            )
        if min(self.burst_us, self.tolerance, self.max_spread) <= 0:
            raise ConfigError("burst_us, tolerance and max_spread must be above 0")


@dataclass(frozen=True, slots=True)
class Measurement:
    """The latency of one program.

    Attributes:
        latency_ms: Milliseconds for one inference.
        low_ms: 5 % quantile of the bursts that count.
        high_ms: 95 % quantile of the bursts that count.
        repeats: Bursts that count.
        statistic: What ``latency_ms`` is of those bursts.
    """

    latency_ms: float
    low_ms: float
    high_ms: float
    repeats: int
    statistic: str = STATISTIC

    def __post_init__(self) -> None:
        if not 0 < self.low_ms <= self.latency_ms <= self.high_ms:
            raise ValueError(
                f"latency {self.latency_ms} ms within {self.low_ms} to {self.high_ms} ms was given; "
                "expected 0 < low <= latency <= high"
            )


@dataclass(slots=True)
class Sentinel:
    """A program of constant work that tells whether the core is undisturbed.

    Attributes:
        program: The work, a few microseconds.
        inferences: Runs per look.
        clock_ns: The clock, for tests.
        floor_ns: The fastest look so far; kept over measurements.
    """

    program: Program
    inferences: int = 8
    clock_ns: Callable[[], int] = time.perf_counter_ns
    floor_ns: float = field(default=float("inf"))

    def look(self) -> float:
        """Time the work once; nanoseconds."""
        for _ in range(WARM_UP):  # its code and data back into the caches and the branch predictor
            self.program()
        start = self.clock_ns()
        for _ in range(self.inferences):
            self.program()
        elapsed = float(self.clock_ns() - start)
        self.floor_ns = min(self.floor_ns, elapsed)
        return elapsed

    def settle(self, looks: int = 3000) -> None:
        """Find the floor before the first burst, for longer than most disturbances last."""
        for _ in range(looks):
            self.look()


def time_programs(
    programs: Sequence[Program],
    sentinel: Sentinel,
    protocol: Protocol,
    clock_ns: Callable[[], int] = time.perf_counter_ns,
) -> list[Measurement | None]:
    """Measure programs in turns until each has enough undisturbed bursts.

    Args:
        programs: What to measure; a few dozen at once, as all stay loaded.
        sentinel: Tells whether the core is undisturbed.
        protocol: The settings.
        clock_ns: The clock, for tests.

    Returns:
        One measurement for each program, None where too few bursts were undisturbed or they spread too far.
    """
    if sentinel.floor_ns == float("inf"):
        sentinel.settle()
    repeats = [_repeats(program, protocol.burst_us * 1e3, clock_ns) for program in programs]
    bursts: list[list[tuple[float, float]]] = [[] for _ in programs]
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        for _ in range(protocol.rounds):
            open_programs = [
                k
                for k, entries in enumerate(bursts)
                if len(_undisturbed(entries, sentinel, protocol)) < protocol.bursts
            ]
            if not open_programs:
                break
            before = sentinel.look()
            for k in open_programs:
                mean_ns = _burst(programs[k], repeats[k], clock_ns)
                after = sentinel.look()
                bursts[k].append((max(before, after), mean_ns))
                before = after
    finally:
        if was_enabled:
            gc.enable()
    return [_summary(entries, sentinel, protocol) for entries in bursts]


def _burst(program: Program, repeats: int, clock_ns: Callable[[], int]) -> float:
    program()  # warm-up: back into the caches
    start = clock_ns()
    for _ in range(repeats):
        program()
    return (clock_ns() - start) / repeats


def _repeats(program: Program, burst_ns: float, clock_ns: Callable[[], int]) -> int:
    fastest = min(_burst(program, 1, clock_ns) for _ in range(3))
    return max(1, round(burst_ns / max(fastest, 1.0)))


def _undisturbed(entries: list[tuple[float, float]], sentinel: Sentinel, protocol: Protocol) -> list[float]:
    limit = sentinel.floor_ns * (1 + protocol.tolerance)
    return [mean_ns for look_ns, mean_ns in entries if look_ns <= limit]


def _summary(
    entries: list[tuple[float, float]], sentinel: Sentinel, protocol: Protocol
) -> Measurement | None:
    counted = _undisturbed(entries, sentinel, protocol)
    if len(counted) < protocol.bursts:
        return None
    low, quartile, median, high = np.quantile(counted, [0.05, 0.25, 0.5, 0.95]) / 1e6
    if median > quartile * (1 + protocol.max_spread):
        return None
    return Measurement(float(quartile), float(low), float(high), len(counted))
