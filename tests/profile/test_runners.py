"""Every registered runner keeps the contract of `edgenas.testing.runners`."""

from __future__ import annotations

import os

import pytest

from edgenas.errors import MeasurementError, UnsupportedError
from edgenas.profile.device import device_ids, load_device
from edgenas.profile.protocol import Protocol
from edgenas.profile.runner import RUNNERS, Runner, runner_for
from edgenas.profile.runners import LiteRTRunner
from edgenas.profile.runners.litert import one_core
from edgenas.profile.synthesize import tiny_model
from edgenas.testing.runners import PATIENT, RunnerContract


def reachable_runner(name: str, protocol: Protocol) -> Runner:
    kind = RUNNERS.get(name)
    device = next(device for device in map(load_device, device_ids()) if kind.reaches(device))
    return kind(device, protocol)


@pytest.fixture(params=RUNNERS.names(), autouse=True)
def runner_name(request: pytest.FixtureRequest) -> str:
    if request.instance is not None:
        request.instance.make = lambda protocol: reachable_runner(request.param, protocol)
    return str(request.param)


class TestRegisteredRunners(RunnerContract):
    pass


def test_litert_is_registered_and_found_for_the_host() -> None:
    assert "litert" in RUNNERS.names()
    assert isinstance(runner_for(load_device("host")), LiteRTRunner)


def test_a_microcontroller_has_no_runner() -> None:
    with pytest.raises(UnsupportedError, match="no runner reaches device 'nucleo-l4r5zi'"):
        runner_for(load_device("nucleo-l4r5zi"))


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="no affinity on this system")
def test_measuring_is_pinned_and_frees_the_thread_again() -> None:
    before = os.sched_getaffinity(0)
    with pytest.raises(RuntimeError), one_core():
        assert len(os.sched_getaffinity(0)) == 1
        raise RuntimeError
    assert os.sched_getaffinity(0) == before
    LiteRTRunner(load_device("host"), PATIENT).measure(tiny_model())
    assert os.sched_getaffinity(0) == before


def test_a_machine_too_busy_is_refused() -> None:
    class Busy(LiteRTRunner):
        def measure_batch(self, models: object) -> list[None]:
            return [None]

    with pytest.raises(MeasurementError, match="too busy"):
        Busy(load_device("host")).measure(tiny_model())
