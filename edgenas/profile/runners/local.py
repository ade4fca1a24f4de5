"""LiteRT (with its XNNPACK kernels) and ONNX Runtime on the machine that edgenas runs on."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict
from typing import Any, ClassVar

from edgenas.errors import UnsupportedError
from edgenas.profile import agent
from edgenas.profile.device import Device
from edgenas.profile.protocol import Measurement, Program, summarized
from edgenas.profile.runner import RUNNERS, Route, Runner
from edgenas.profile.synthesize import tiny_model


class LocalRunner(Runner):
    """Measures in this process with the agent's own loop."""

    _sentinel: agent.Sentinel | None = None

    @classmethod
    def reaches(cls, device: Device, route: Route) -> bool:
        """Only ``host``, with the runtime of the class."""
        return route.is_local and device.id == "host" and device.runtime in cls.runtimes

    def measure_batch(self, models: Sequence[bytes]) -> list[Measurement | None]:
        """Measure models in turns, on one core if it is with one thread.

        Raises:
            UnsupportedError: A model that the runtime cannot load.
        """
        with agent.one_core() if self.threads == 1 else nullcontext():
            if self._sentinel is None:
                self._sentinel = agent.Sentinel(self._load(tiny_model(self.model_format), 1))
            programs = [self._load(model, self.threads) for model in models]
            timed = agent.time_bursts(programs, self._sentinel, asdict(self.protocol))
        return self.told([summarized(bursts_ns, self.protocol) for bursts_ns in timed])

    def _load(self, model: bytes, threads: int) -> Program:
        try:
            return agent.load_program(self.runtime, model, threads)
        except ValueError as error:
            raise UnsupportedError(
                f"{self.runtime} cannot run a model of {len(model)} bytes ({error}); expected a valid "
                f".{self.model_format} file"
            ) from None

    def machine(self) -> dict[str, Any]:
        """Processor, system and the version of the runtime."""
        return dict(agent.machine(self.runtime))

    def governor(self) -> str | None:
        """The clock governor of this machine's cores."""
        return agent.governor()


@RUNNERS.register("litert")
class LiteRTRunner(LocalRunner):
    """LiteRT on this machine."""

    runtimes: ClassVar[tuple[str, ...]] = ("litert",)


@RUNNERS.register("onnxruntime")
class OnnxRuntimeRunner(LocalRunner):
    """ONNX Runtime on this machine."""

    runtimes: ClassVar[tuple[str, ...]] = ("onnxruntime",)
