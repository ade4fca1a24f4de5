"""Runner: measures int8 models on a device it reaches."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, ClassVar

from edgenas.errors import MeasurementError, UnsupportedError
from edgenas.profile.device import Device
from edgenas.profile.protocol import Measurement, Protocol
from edgenas.registry import Registry

ATTEMPTS = 4


class Runner(ABC):
    """Measures the latency of models on one device with one runtime, one thread.

    Constructing one touches nothing; `measure_batch` is the one method that does the work.

    Args:
        device: What to measure on.
        protocol: How; see `edgenas.profile.protocol`.

    Raises:
        UnsupportedError: This runner does not reach the device.
    """

    runtime: ClassVar[str] = "unnamed"
    threads: ClassVar[int] = 1

    def __init__(self, device: Device, protocol: Protocol | None = None) -> None:
        if not self.reaches(device):
            raise UnsupportedError(f"runner '{self.runtime}' does not reach device '{device.id}'")
        self.device = device
        self.protocol = protocol or Protocol()

    @classmethod
    @abstractmethod
    def reaches(cls, device: Device) -> bool:
        """Whether this runner can measure on a device, by what the device's file says."""

    @abstractmethod
    def measure_batch(self, models: Sequence[bytes]) -> list[Measurement | None]:
        """Measure models in turns.

        Args:
            models: ``.tflite`` files, a few dozen at most.

        Returns:
            One measurement for each model; None where the machine was too busy to tell.

        Raises:
            UnsupportedError: A model that the runtime cannot load.
            MeasurementError: The device cannot be reached.
        """

    @abstractmethod
    def machine(self) -> dict[str, Any]:
        """The machine that runs the models, to tell tables of different machines apart.

        Returns:
            ``cpu``, ``system`` and the runtime's ``version``, as texts.
        """

    def measure(self, model: bytes) -> Measurement:
        """Measure one model, trying again while the machine is busy.

        Raises:
            MeasurementError: The machine was too busy in every attempt.
            UnsupportedError: The runtime cannot load the model.
        """
        for _ in range(ATTEMPTS):
            measurement = self.measure_batch([model])[0]
            if measurement is not None:
                return measurement
        settings = asdict(self.protocol)
        raise MeasurementError(
            f"device '{self.device.id}' was too busy to measure on: no {settings['bursts']} of "
            f"{settings['rounds']} bursts were undisturbed in {ATTEMPTS} attempts, or they differed by more "
            f"than {settings['max_spread']:.0%}; end other programs and run the command again"
        )


RUNNERS: Registry[type[Runner]] = Registry("runner")


def runner_for(device: Device, protocol: Protocol | None = None) -> Runner:
    """The runner that reaches a device with its default runtime.

    Raises:
        UnsupportedError: No runner reaches it.
    """
    import edgenas.profile.runners  # noqa: F401 - registers them

    for name in RUNNERS.names():
        runner = RUNNERS.get(name)
        if runner.runtime == device.runtime and runner.reaches(device):
            return runner(device, protocol)
    raise UnsupportedError(
        f"no runner reaches device '{device.id}' with runtime '{device.runtime}', so nothing can be measured "
        "on it; its RAM and flash limits are checked all the same, and device 'host' can be measured"
    )
