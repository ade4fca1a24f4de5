"""Runner: measures models on a device it reaches."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from edgenas.errors import ConfigError, MeasurementError, UnsupportedError
from edgenas.profile.device import Device
from edgenas.profile.protocol import Measurement, Protocol
from edgenas.registry import Registry

ATTEMPTS = 4


@dataclass(frozen=True, slots=True)
class Route:
    """The way to a device; without ``ssh`` and ``adb`` it is this machine.

    Attributes:
        ssh: ``[user@]host[:port]``, or a name of the ssh configuration.
        ssh_config: Configuration file for ssh instead of the user's own.
        python: Python on the board that has the runtime.
        adb: Serial number of an Android device, as ``adb devices`` tells it.
        benchmark_model: Android's ``benchmark_model`` on this machine.
    """

    ssh: str | None = None
    ssh_config: Path | None = None
    python: str = "python3"
    adb: str | None = None
    benchmark_model: Path | None = None

    def __post_init__(self) -> None:
        if self.ssh is not None and self.adb is not None:
            raise ConfigError("both ssh and adb were given; expected one way to the device")
        if (self.adb is None) != (self.benchmark_model is None):
            raise ConfigError(
                "a phone is measured with adb and Android's benchmark_model; give both --adb SERIAL and "
                "--benchmark-model PATH"
            )

    @property
    def is_local(self) -> bool:
        """Whether it leads nowhere but to this machine."""
        return self.ssh is None and self.adb is None


class Runner(ABC):
    """Measures the latency of models on one device with one runtime.

    Constructing one touches nothing; `measure_batch` is the one method that does the work.

    Args:
        device: What to measure on, with `Device.runtime`.
        protocol: How; see `edgenas.profile.protocol`.
        route: The way to the device.
        threads: Threads of the runtime; with one, the thread is kept on one core.

    Raises:
        UnsupportedError: This runner does not reach the device.
        ConfigError: Fewer than one thread.
    """

    runtimes: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        device: Device,
        protocol: Protocol | None = None,
        *,
        route: Route | None = None,
        threads: int = 1,
    ) -> None:
        self.route = route or Route()
        if not self.reaches(device, self.route):
            raise UnsupportedError(
                f"{type(self).__name__} does not reach device '{device.id}' with runtime '{device.runtime}'"
            )
        if threads < 1:
            raise ConfigError(f"{threads} threads were given; expected 1 or more")
        self.device = device
        self.protocol = protocol or Protocol()
        self.threads = threads
        self.refusal = ""

    @property
    def runtime(self) -> str:
        """The runtime that it measures with."""
        return self.device.runtime

    @property
    def model_format(self) -> str:
        """``onnx`` or ``tflite``: the files that it measures."""
        return "onnx" if self.runtime == "onnxruntime" else "tflite"

    @classmethod
    @abstractmethod
    def reaches(cls, device: Device, route: Route) -> bool:
        """Whether this runner can measure on a device, by what its file says and the way to it."""

    @abstractmethod
    def measure_batch(self, models: Sequence[bytes]) -> list[Measurement | None]:
        """Measure models in turns.

        Args:
            models: Files of `model_format`, a few dozen at most.

        Returns:
            One measurement for each model; None where the machine was too busy to tell, and the reason
            for the last of these in `refusal`.

        Raises:
            UnsupportedError: A model that the runtime cannot load, or a runtime that is not there.
            MeasurementError: The device cannot be reached, or went away.
        """

    @abstractmethod
    def machine(self) -> dict[str, Any]:
        """The machine that runs the models, to tell tables of different machines apart.

        Returns:
            ``cpu``, ``system`` and the runtime's ``version``, as texts.
        """

    @abstractmethod
    def governor(self) -> str | None:
        """The clock governor of the cores at the moment, or None where it cannot be read."""

    def close(self) -> None:  # noqa: B027 - most have nothing to end
        """End what is still open to the device; a later measurement opens it again."""

    def measure(self, model: bytes) -> Measurement:
        """Measure one model, trying again while the machine is busy.

        Raises:
            MeasurementError: The machine was too busy in every attempt, or the device went away.
            UnsupportedError: The runtime cannot load the model.
        """
        for _ in range(ATTEMPTS):
            measurement = self.measure_batch([model])[0]
            if measurement is not None:
                return measurement
        raise MeasurementError(
            f"device '{self.device.id}' was too busy to measure on in {ATTEMPTS} attempts: {self.refusal}; "
            "end other programs and run the command again"
        )

    def told(self, found: Sequence[Measurement | str]) -> list[Measurement | None]:
        """What `measure_batch` returns, with the last reason kept in `refusal`."""
        self.refusal = next((one for one in reversed(found) if isinstance(one, str)), "")
        return [one if isinstance(one, Measurement) else None for one in found]


RUNNERS: Registry[type[Runner]] = Registry("runner")


def runner_for(
    device: Device, protocol: Protocol | None = None, *, route: Route | None = None, threads: int = 1
) -> Runner:
    """The runner that reaches a device with its runtime.

    Raises:
        UnsupportedError: No runner reaches it.
    """
    import edgenas.profile.runners  # noqa: F401 - registers them

    way = route or Route()
    for name in RUNNERS.names():
        kind = RUNNERS.get(name)
        if kind.reaches(device, way):
            return kind(device, protocol, route=way, threads=threads)
    runtimes = sorted({runtime for name in RUNNERS.names() for runtime in RUNNERS.get(name).runtimes})
    if device.runtime not in runtimes:
        reason = f"runtimes that can be measured with are {', '.join(runtimes)}"
    else:
        reason = "give the way to it (--ssh USER@HOST, or --adb SERIAL with runtime litert)"
    raise UnsupportedError(
        f"no runner reaches device '{device.id}' with runtime '{device.runtime}', so nothing can be measured "
        f"on it; {reason}; its RAM and flash limits are checked all the same"
    )
