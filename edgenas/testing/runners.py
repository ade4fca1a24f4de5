"""Contract of a runner: what every registered runner, and any of yours, must keep.

A third party writes one class and inherits the suite::

    class TestMyRunner(RunnerContract):
        def make(self, protocol: Protocol) -> Runner:
            return MyRunner(load_device("my-board.toml"), protocol)

A runner that needs a way to its device fills `route` too.
"""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from edgenas.arch.graph import GraphBuilder
from edgenas.errors import ConfigError, UnsupportedError
from edgenas.profile.device import Device
from edgenas.profile.protocol import Protocol
from edgenas.profile.runner import Route, Runner
from edgenas.profile.synthesize import synthesize, tiny_model
from edgenas.profile.synthesize_onnx import synthesize_onnx

PATIENT = Protocol(bursts=4, rounds=400, tolerance=float("inf"), max_spread=1000.0)
"""A lax protocol: the contract asks for sane figures, not for a quiet machine."""


def heavy_model(model_format: str = "tflite") -> bytes:
    """A network of some hundred times the work of `tiny_model`."""
    builder = GraphBuilder((32, 32, 32))
    tensor = 0
    for number in range(4):
        tensor = builder.window("conv2d", f"conv{number}", tensor, filters=64, kernel=3, activation="relu6")
    if model_format == "onnx":
        return synthesize_onnx(builder.finish(), 0, "float32")
    return synthesize(builder.finish())


class RunnerContract:
    """Inherit, fill `make`, and pytest runs the suite."""

    def make(self, protocol: Protocol) -> Runner:
        """A runner to test."""
        raise NotImplementedError

    def unreachable(self) -> Device:
        """A device that the runner cannot reach without a route."""
        return replace(self.make(PATIENT).device, id="no-such-device")

    def test_it_reaches_its_own_device_only(self) -> None:
        """A device that cannot be measured is refused when the runner is made."""
        runner = self.make(PATIENT)
        assert runner.reaches(runner.device, runner.route)
        assert not runner.reaches(self.unreachable(), Route())
        with pytest.raises(UnsupportedError, match="no-such-device"):
            type(runner)(self.unreachable())

    def test_a_measurement_says_how_it_was_taken(self) -> None:
        """A latency with its interval, repeats and statistic."""
        runner = self.make(PATIENT)
        measured = runner.measure(tiny_model(runner.model_format))
        assert 0 < measured.low_ms <= measured.latency_ms <= measured.high_ms
        assert measured.repeats >= PATIENT.bursts
        assert measured.statistic

    def test_a_batch_is_answered_in_its_order(self) -> None:
        """More work takes longer, wherever it stands in the batch."""
        runner = self.make(PATIENT)
        heavy, tiny = (make(runner.model_format) for make in (heavy_model, tiny_model))
        first, second, third = runner.measure_batch([heavy, tiny, heavy])
        assert first is not None and second is not None and third is not None
        assert min(first.latency_ms, third.latency_ms) > 5 * second.latency_ms

    def test_an_empty_batch_is_fine(self) -> None:
        """Nothing asked, nothing answered."""
        assert self.make(PATIENT).measure_batch([]) == []

    def test_what_is_not_a_model_is_refused(self) -> None:
        """Bytes that the runtime cannot load end in an error of edgenas."""
        with pytest.raises(UnsupportedError):
            self.make(PATIENT).measure(b"no model at all")

    def test_a_refused_model_does_not_spoil_the_next_measurement(self) -> None:
        """Nothing of a failed batch is left over."""
        runner = self.make(PATIENT)
        tiny = tiny_model(runner.model_format)
        with pytest.raises(UnsupportedError):
            runner.measure_batch([tiny, b"no model at all"])
        assert len(runner.measure_batch([tiny, tiny])) == 2

    def test_a_closed_runner_measures_again(self) -> None:
        """Closing ends connections, not the runner."""
        runner = self.make(PATIENT)
        runner.close()
        assert runner.measure_batch([tiny_model(runner.model_format)])
        runner.close()

    def test_fewer_than_one_thread_is_refused(self) -> None:
        """Threads are counted from one."""
        runner = self.make(PATIENT)
        with pytest.raises(ConfigError, match="threads"):
            type(runner)(runner.device, PATIENT, route=runner.route, threads=0)

    def test_the_clock_governor_is_a_word_or_unknown(self) -> None:
        """Where the system hides it, nothing is made up."""
        governor = self.make(PATIENT).governor()
        assert governor is None or governor.strip()

    def test_the_machine_is_described_the_same_each_time(self) -> None:
        """Tables of different machines are told apart by this description."""
        machine = self.make(PATIENT).machine()
        assert {"cpu", "system", "version"} <= machine.keys()
        assert all(isinstance(text, str) and text for text in machine.values())
        assert json.loads(json.dumps(machine)) == self.make(PATIENT).machine()
