"""LiteRT on this machine: the interpreter with its XNNPACK kernels, one thread, one pinned core."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from edgenas.errors import UnsupportedError
from edgenas.profile.device import Device
from edgenas.profile.protocol import Measurement, Program, Protocol, Sentinel, time_programs
from edgenas.profile.runner import RUNNERS, Runner
from edgenas.profile.synthesize import tiny_model


@RUNNERS.register("litert")
class LiteRTRunner(Runner):
    """Measures on the machine that edgenas runs on."""

    runtime = "litert"

    def __init__(self, device: Device, protocol: Protocol | None = None) -> None:
        super().__init__(device, protocol)
        self._sentinel: Sentinel | None = None

    @classmethod
    def reaches(cls, device: Device) -> bool:
        """Only ``host``."""
        return device.id == "host"

    def measure_batch(self, models: Sequence[bytes]) -> list[Measurement | None]:
        """Measure models in turns on one core.

        Raises:
            UnsupportedError: A model that the runtime cannot load.
        """
        with one_core():
            if self._sentinel is None:
                self._sentinel = Sentinel(load_program(tiny_model()))
            return time_programs([load_program(model) for model in models], self._sentinel, self.protocol)

    def machine(self) -> dict[str, Any]:
        """Processor, system and the version of LiteRT."""
        return {
            "cpu": _cpu_name(),
            "system": f"{platform.system()} {platform.machine()}",
            "version": f"ai-edge-litert {metadata.version('ai-edge-litert')}",
        }


def load_program(model: bytes) -> Program:
    """A model ready to run, with a fixed random input in place.

    Args:
        model: A ``.tflite`` file with inputs of fixed shape.

    Raises:
        UnsupportedError: The bytes are not a model that LiteRT runs.
    """
    from ai_edge_litert.interpreter import Interpreter

    try:
        interpreter = Interpreter(model_content=model, num_threads=1)
        interpreter.allocate_tensors()
        rng = np.random.default_rng(0)
        for entry in interpreter.get_input_details():
            values = rng.integers(0, 100, entry["shape"]).astype(entry["dtype"])
            interpreter.set_tensor(entry["index"], values)
        interpreter.invoke()
    except (ValueError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise UnsupportedError(f"LiteRT cannot run a model of {len(model)} bytes: {reason}") from None
    program: Program = interpreter.invoke
    return program


@contextmanager
def one_core() -> Iterator[None]:
    """Keep this thread on one core, the last it may use, and restore its freedom afterwards."""
    if not hasattr(os, "sched_setaffinity"):  # macOS and Windows have no such call
        yield
        return
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(allowed)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def _cpu_name() -> str:
    """Model, family and model number, as Linux tells them."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    facts = dict(reversed([line.split("\t", 1) for line in lines if "\t" in line]))
    values = {key: value.strip(" \t:") for key, value in facts.items()}
    if "model name" not in values:
        return platform.machine()
    return f"{values['model name']} family {values.get('cpu family')} model {values.get('model')}"
