"""Every local runner keeps the contract of `edgenas.testing.runners`; ssh and adb have files of their own."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from edgenas.errors import ConfigError, MeasurementError, UnsupportedError
from edgenas.profile.agent import one_core
from edgenas.profile.device import load_device
from edgenas.profile.protocol import Protocol
from edgenas.profile.runner import RUNNERS, Route, Runner, runner_for
from edgenas.profile.runners import LiteRTRunner, OnnxRuntimeRunner
from edgenas.profile.synthesize import tiny_model
from edgenas.testing.runners import PATIENT, RunnerContract

HOST = load_device("host")


class TestLiteRT(RunnerContract):
    def make(self, protocol: Protocol) -> Runner:
        return LiteRTRunner(HOST, protocol)


class TestOnnxRuntime(RunnerContract):
    def make(self, protocol: Protocol) -> Runner:
        return OnnxRuntimeRunner(replace(HOST, runtime="onnxruntime"), protocol)


def test_every_runner_is_registered_and_found_by_device_and_route() -> None:
    assert RUNNERS.names() == ["adb", "litert", "onnxruntime", "ssh"]
    assert isinstance(runner_for(HOST), LiteRTRunner)
    assert isinstance(runner_for(replace(HOST, runtime="onnxruntime")), OnnxRuntimeRunner)


def test_a_microcontroller_has_no_runner() -> None:
    with pytest.raises(UnsupportedError, match="no runner reaches device 'nucleo-l4r5zi'"):
        runner_for(load_device("nucleo-l4r5zi"))


def test_another_board_needs_a_way_to_it() -> None:
    with pytest.raises(UnsupportedError, match="--ssh USER@HOST"):
        runner_for(replace(HOST, id="my-board"))


def test_two_ways_or_half_a_way_to_a_device_are_refused() -> None:
    with pytest.raises(ConfigError, match="one way"):
        Route(ssh="pi@board", adb="123")
    with pytest.raises(ConfigError, match="--benchmark-model"):
        Route(adb="123")


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="no affinity on this system")
def test_measuring_with_one_thread_is_pinned_and_frees_the_thread_again() -> None:
    before = os.sched_getaffinity(0)
    with pytest.raises(RuntimeError), one_core():
        assert len(os.sched_getaffinity(0)) == 1
        raise RuntimeError
    assert os.sched_getaffinity(0) == before
    LiteRTRunner(HOST, PATIENT).measure(tiny_model())
    assert os.sched_getaffinity(0) == before


def test_two_threads_measure_too() -> None:
    assert LiteRTRunner(HOST, PATIENT, threads=2).measure(tiny_model()).latency_ms > 0


def test_a_machine_too_busy_is_refused_with_the_reason() -> None:
    strict = Protocol(bursts=12, rounds=12, tolerance=1e-9)
    with pytest.raises(MeasurementError, match=r"too busy .*bursts in 12 rounds were undisturbed"):
        LiteRTRunner(HOST, strict).measure(tiny_model())


def test_a_spread_over_the_bound_is_refused_and_told() -> None:
    nothing_is_so_even = Protocol(bursts=12, rounds=400, tolerance=float("inf"), max_spread=1e-12)
    with pytest.raises(MeasurementError, match=r"the spread was .*over the bound"):
        LiteRTRunner(HOST, nothing_is_so_even).measure(tiny_model())
