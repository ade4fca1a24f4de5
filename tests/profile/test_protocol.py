"""The measuring protocol on a clock that the test turns."""

from __future__ import annotations

import gc
from collections.abc import Callable
from itertools import cycle

import pytest

from edgenas.errors import ConfigError
from edgenas.profile.protocol import Measurement, Protocol, Sentinel, summarized, time_programs

PROTOCOL = Protocol(bursts=8, rounds=40, burst_us=200)


class Core:
    """A core with a clock, which is at times disturbed: everything on it is then slower."""

    def __init__(self, spells: Callable[[int], float] = lambda now: 1.0) -> None:
        self.now = 0
        self.spells = spells
        self.log: list[str] = []

    def program(self, duration_ns: int, name: str = "") -> Callable[[], None]:
        def run() -> None:
            self.log.append(name)
            self.now += round(duration_ns * self.spells(self.now))

        return run

    def sentinel(self) -> Sentinel:
        return Sentinel(self.program(3_000, "sentinel"), clock_ns=lambda: self.now)

    def time(self, *durations_ns: int, protocol: Protocol = PROTOCOL) -> list[Measurement | None]:
        programs = [self.program(duration, f"p{k}") for k, duration in enumerate(durations_ns)]
        return time_programs(
            programs, self.sentinel(), protocol, clock_ns=lambda: self.now, preempted=lambda: 0
        )


def test_a_quiet_core_gives_the_durations() -> None:
    short, long = Core().time(500, 4_000_000)
    assert short == Measurement(0.0005, 0.0005, 0.0005, 8, median_ms=0.0005, p90_ms=0.0005)
    assert long == Measurement(4.0, 4.0, 4.0, 8, median_ms=4.0, p90_ms=4.0)


def test_disturbed_bursts_do_not_count() -> None:
    # Slow by a third in every second spell of 5 ms: averaging would report 4/3 to 7/6 of the truth.
    core = Core(lambda now: 1.35 if now // 5_000_000 % 2 else 1.0)
    measured = core.time(50_000)[0]
    assert measured is not None
    assert measured.latency_ms == pytest.approx(0.05, rel=0.01)
    assert measured.repeats >= PROTOCOL.bursts


def test_a_core_disturbed_all_the_time_is_refused() -> None:
    # Quiet only while the sentinel settles (3,000 looks of 12 runs of 3 us: 108 ms).
    core = Core(lambda now: 1.0 if now < 108_000_000 else 1.2)
    assert core.time(50_000) == [None]


def test_a_burst_in_which_the_thread_was_put_aside_does_not_count() -> None:
    core, runs = Core(), cycle(range(4))

    def put_aside_now_and_then() -> None:
        aside = next(runs) == 0
        core.now += 9_000_000 if aside else 5_000_000
        core.log += ["aside"] * aside

    (measured,) = time_programs(
        [put_aside_now_and_then], core.sentinel(), PROTOCOL,
        clock_ns=lambda: core.now, preempted=lambda: core.log.count("aside"),
    )  # fmt: skip
    assert measured is not None
    assert (measured.latency_ms, measured.high_ms) == (5.0, 5.0)


def test_a_program_that_spreads_is_refused() -> None:
    durations = cycle([100_000, 100_000, 250_000, 250_000, 250_000])
    core = Core()

    def erratic() -> None:
        core.now += next(durations)

    lax = Protocol(bursts=8, rounds=40, burst_us=1, max_spread=5.0)
    strict = Protocol(bursts=8, rounds=40, burst_us=1, max_spread=0.1)
    clock = {"clock_ns": lambda: core.now, "preempted": lambda: 0}
    assert time_programs([erratic], core.sentinel(), lax, **clock)[0] is not None
    assert time_programs([erratic], core.sentinel(), strict, **clock) == [None]


def test_programs_take_turns_with_the_sentinel_between() -> None:
    core = Core()
    core.time(200_000, 300_000)
    blocks = [name for name, before in zip(core.log[1:], core.log, strict=False) if name != before]
    turns = blocks[blocks.index("sentinel", blocks.index("p1")) :]
    assert turns[:5] == ["sentinel", "p0", "sentinel", "p1", "sentinel"]
    assert turns.count("p0") == turns.count("p1") == PROTOCOL.bursts


def test_the_floor_is_kept_between_measurements() -> None:
    core = Core()
    sentinel = core.sentinel()
    time_programs([core.program(1_000)], sentinel, PROTOCOL, clock_ns=lambda: core.now, preempted=lambda: 0)
    core.spells = lambda now: 1.2
    assert time_programs(
        [core.program(1_000)], sentinel, PROTOCOL, clock_ns=lambda: core.now, preempted=lambda: 0
    ) == [None]


def test_garbage_collection_is_off_while_measuring_and_on_again() -> None:
    seen = []
    core = Core()
    time_programs(
        [lambda: (seen.append(gc.isenabled()), core.program(50_000)())],
        core.sentinel(), PROTOCOL, clock_ns=lambda: core.now, preempted=lambda: 0,
    )  # fmt: skip
    assert seen[-1] is False
    assert gc.isenabled()


def test_a_batch_that_takes_too_long_is_given_up() -> None:
    core = Core()
    slow = Protocol(bursts=8, rounds=40, limit_s=1.0)
    started = core.now
    assert core.time(400_000_000, protocol=slow) == [None]
    assert (core.now - started) / 1e9 < 5


def test_the_reason_of_a_refusal_is_told() -> None:
    assert "3 bursts in 40 rounds were undisturbed, expected 8" in str(summarized([1e6] * 3, PROTOCOL))
    spread = [1e6] * 4 + [2e6] * 6
    assert str(summarized(spread, PROTOCOL)) == "the spread was 100.0%, over the bound of 10%"


def test_quantiles_are_those_of_the_bursts() -> None:
    found = summarized([1e6 + 1e4 * k for k in range(11)], Protocol(bursts=8))
    assert isinstance(found, Measurement)
    expected = (1.025, 1.05, 1.09, 1.05 / 1.025 - 1)
    assert (found.latency_ms, found.median_ms, found.p90_ms, found.spread) == pytest.approx(expected)


@pytest.mark.parametrize(
    "wrong",
    [{"bursts": 3}, {"bursts": 9, "rounds": 8}, {"tolerance": 0.0}, {"burst_us": -1.0}, {"limit_s": 0.0}],
)
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        Protocol(**wrong)  # type: ignore[arg-type]


def test_a_measurement_holds_together() -> None:
    with pytest.raises(ValueError, match="low <= latency"):
        Measurement(latency_ms=1.0, low_ms=1.1, high_ms=1.2, repeats=8)
