"""Device: a machine that networks are deployed to, from one TOML file of sourced facts."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from edgenas.errors import ConfigError
from edgenas.registry import unknown_name
from edgenas.resources import shipped


@dataclass(frozen=True, slots=True)
class Device:
    """What is known of a device.

    Attributes:
        id: Name on the command line and in every cost, for example ``nucleo-l4r5zi``.
        name: Name for people.
        core: Processor core, for example ``Cortex-M4F``.
        clock_mhz: Highest clock in MHz, or None where it varies.
        ram_bytes: RAM of the chip, or None where it sets no limit.
        flash_bytes: Flash for program and model, or None where it sets no limit.
        runtimes: Runtimes that execute models on it, for example ``tflite-micro``.
        runtime: The one used unless another is asked for.
        sources: Where the figures come from, one line each.
    """

    id: str
    name: str
    core: str
    clock_mhz: float | None
    ram_bytes: int | None
    flash_bytes: int | None
    runtimes: tuple[str, ...]
    runtime: str
    sources: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.runtime not in self.runtimes:
            raise ConfigError(
                f"device '{self.id}' has the default runtime '{self.runtime}'; expected one of its "
                f"runtimes: {', '.join(self.runtimes) or 'none are listed'}"
            )
        for field in ("clock_mhz", "ram_bytes", "flash_bytes"):
            value = getattr(self, field)
            if value is not None and (
                isinstance(value, bool) or not isinstance(value, (int, float)) or value <= 0
            ):
                raise ConfigError(
                    f"device '{self.id}' has {field} = {value!r}; expected a number above 0, or leave it out"
                )
            if value is not None and not self.sources:
                raise ConfigError(
                    f"device '{self.id}' states {field} without a source; add a line to 'sources'"
                )

    def to_json(self) -> dict[str, Any]:
        """A plain document."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {key: list(value) if isinstance(value, tuple) else value for key, value in values.items()}

    @classmethod
    def from_document(cls, device_id: str, document: Mapping[str, Any]) -> Device:
        """The device that a TOML document describes.

        Raises:
            ConfigError: A field is missing, unknown or of the wrong kind.
        """
        known = {field.name for field in fields(cls)} - {"id"}
        for name in sorted(document.keys() - known):
            raise ConfigError(f"device '{device_id}': {unknown_name('field', name, known)}")
        values = {"clock_mhz": None, "ram_bytes": None, "flash_bytes": None, "sources": [], **document}
        for name in sorted(known - values.keys()):
            raise ConfigError(f"device '{device_id}' lacks the field '{name}'")
        for name in ("name", "core", "runtime"):
            if not isinstance(values[name], str):
                raise ConfigError(f"device '{device_id}' has {name} = {values[name]!r}; expected a text")
        for name in ("runtimes", "sources"):
            if not isinstance(values[name], list) or not all(isinstance(line, str) for line in values[name]):
                raise ConfigError(
                    f"device '{device_id}' has {name} = {values[name]!r}; expected a list of texts"
                )
            values[name] = tuple(values[name])
        return cls(id=device_id, **values)


def device_ids() -> list[str]:
    """Ids of the devices that ship with edgenas, sorted."""
    return sorted(path.stem for path in shipped("devices").glob("*.toml"))


def load_device(name: str | Path) -> Device:
    """A device by its id, or from a TOML file of your own, whose stem is then its id.

    Raises:
        UnknownNameError: No shipped device has that id.
        ConfigError: The file is missing, not TOML, or lacks a field.
    """
    path = Path(name)
    if path.suffix != ".toml":
        if str(name) not in device_ids():
            raise unknown_name("device", str(name), device_ids())
        path = shipped("devices") / f"{name}.toml"
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError:
        raise ConfigError(
            f"device file {path} cannot be read; give an id ({', '.join(device_ids())})"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"device file {path} is not TOML: {error}") from None
    return Device.from_document(path.stem, document)
