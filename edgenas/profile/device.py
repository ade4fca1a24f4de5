"""Device: a machine that networks are deployed to, from one TOML file of sourced facts."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from edgenas.arch.graph import OP_KINDS, Op
from edgenas.arch.space import SearchSpace
from edgenas.errors import ConfigError, UnsupportedError
from edgenas.profile.device_fields import integer, is_line, number, shown, table, text, texts
from edgenas.profile.runtimes import RUNTIMES
from edgenas.profile.vela_target import VelaTarget
from edgenas.registry import unknown_name
from edgenas.resources import shipped

LARGEST_FILE = 100_000
"""Bytes of a device file; a larger one is not what it is taken for."""


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
        runtimes: Runtimes that execute models on it, by their ids in `RUNTIMES`.
        runtime: The one used unless another is asked for.
        sources: Where the figures come from, one line each.
        threads: Cores that a runtime can use at most.
        unsupported: Kinds of operations that it cannot run, by runtime, beyond those of the runtime.
        vela: How the Vela compiler knows it, where ``ethos-u`` is among its runtimes.
        folder: Folder of a device file of your own, where its predictor may lie; None for shipped ones.
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
    threads: int = 1
    unsupported: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    vela: VelaTarget | None = None
    folder: str | None = None

    def __post_init__(self) -> None:
        if self.runtime not in self.runtimes:
            raise ConfigError(
                f"device '{self.id}' has the default runtime '{shown(self.runtime)}'; expected one of its "
                f"runtimes: {', '.join(self.runtimes) or 'none are listed'}"
            )
        for name in ("clock_mhz", "ram_bytes", "flash_bytes"):
            if getattr(self, name) is not None and not self.sources:
                raise ConfigError(
                    f"device '{self.id}' states {name} without a source; add a line to 'sources'"
                )
        if ("ethos-u" in self.runtimes) != (self.vela is not None):
            raise ConfigError(
                f"device '{self.id}' needs both the runtime 'ethos-u' and a table [vela] with accelerator, "
                "system_config and memory_mode, or neither"
            )

    def not_run(self, runtime: str | None = None) -> frozenset[str]:
        """Kinds of operations that it cannot run with a runtime (default: its own).

        Raises:
            UnknownNameError: It does not have that runtime.
        """
        chosen = self.runtime if runtime is None else runtime
        if chosen not in self.runtimes:
            raise unknown_name(f"runtime of device '{self.id}'", chosen, self.runtimes)
        return frozenset((*RUNTIMES.get(chosen).unsupported, *self.unsupported.get(chosen, ())))

    def check_runs(self, ops: Iterable[Op], runtime: str | None = None) -> None:
        """Make sure that it can run all operations of a network with a runtime (default: its own).

        Raises:
            UnsupportedError: It cannot; the operation is named.
            UnknownNameError: It does not have that runtime.
        """
        missing = self.not_run(runtime)
        for op in ops if missing else ():
            if op.kind in missing:
                others = [name for name in self.runtimes if op.kind not in self.not_run(name)]
                raise UnsupportedError(
                    f"operation '{op.name}' ({op.kind}) cannot run on device '{self.id}' with runtime "
                    f"'{runtime or self.runtime}'; take a network without it, or "
                    + (f"one of its runtimes {', '.join(others)}" if others else "another device")
                )

    def check_space(self, space: SearchSpace, runtime: str | None = None) -> None:
        """Make sure that it can run every network of a space, before a search starts.

        A space that cannot list its operations is judged by its first network.

        Raises:
            UnsupportedError: It cannot; the operation is named.
        """
        if not self.not_run(runtime):
            return
        try:
            ops: Iterable[Op] = list(space.operations())
        except ConfigError:
            ops = space.graph(next(space.enumerate())).ops
        self.check_runs(ops, runtime)

    def to_json(self) -> dict[str, Any]:
        """A plain document."""
        values = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "folder"}
        document = {key: list(value) if isinstance(value, tuple) else value for key, value in values.items()}
        document["unsupported"] = {name: list(kinds) for name, kinds in self.unsupported.items()}
        document["vela"] = None if self.vela is None else self.vela.to_json()
        return document

    @classmethod
    def from_document(cls, device_id: str, document: Mapping[str, Any], folder: Path = Path()) -> Device:
        """The device that a TOML document describes.

        Args:
            device_id: Its id.
            document: The document's fields.
            folder: Where files that it names lie.

        Raises:
            ConfigError: A field is missing, unknown or of the wrong kind.
        """
        if not is_line(device_id):
            raise ConfigError(f"device file {shown(device_id)}.toml was given; expected a name of one line")
        known = {field.name for field in fields(cls)} - {"id", "folder"}
        for name in sorted(document.keys() - known):
            raise ConfigError(f"device '{device_id}': {unknown_name('field', shown(name), known)}")
        for name in ("name", "core", "runtimes", "runtime"):
            if name not in document:
                raise ConfigError(f"device '{device_id}' lacks the field '{name}'")
        what = f"device '{device_id}' has "
        return cls(
            id=device_id,
            **{name: text(what, document, name) for name in ("name", "core", "runtime")},
            clock_mhz=number(what, document, "clock_mhz"),
            ram_bytes=integer(what, document, "ram_bytes"),
            flash_bytes=integer(what, document, "flash_bytes"),
            runtimes=_runtimes(device_id, texts(what, document, "runtimes")),
            sources=texts(what, document, "sources"),
            threads=integer(what, document, "threads") or 1,
            unsupported=_unsupported(device_id, document),
            vela=VelaTarget.from_document(device_id, table(what, document, "vela"), folder)
            if "vela" in document
            else None,
        )


def _runtimes(device_id: str, names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if name not in RUNTIMES.names():
            raise ConfigError(
                f"device '{device_id}': {unknown_name('runtime', shown(name), RUNTIMES.names())}"
            )
    return names


def _unsupported(device_id: str, document: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    what = f"device '{device_id}' has unsupported."
    entries = table(f"device '{device_id}' has ", document, "unsupported")
    for name in entries:
        if name not in document["runtimes"]:
            raise ConfigError(
                f"device '{device_id}' lists unsupported operations of runtime '{shown(name)}'; expected one "
                f"of its runtimes: {', '.join(document['runtimes'])}"
            )
        for kind in texts(what, entries, name):
            if kind not in OP_KINDS:
                raise ConfigError(f"device '{device_id}': {unknown_name('operation', shown(kind), OP_KINDS)}")
    return {name: texts(what, entries, name) for name in entries}


def device_ids() -> list[str]:
    """Ids of the devices that ship with edgenas, sorted."""
    return sorted(path.stem for path in shipped("devices").glob("*.toml"))


def core_id(core: str) -> str:
    """Id of a core, under which predictors of all its boards are filed.

    Returns:
        The core that runs networks, in lower case with dashes and without the mark of a floating point
        unit: ``cortex-m4`` of ``Cortex-M4F + M0+``.
    """
    first = re.split(r" \+ | x\d|, ", core.lower())[0]
    name = re.sub(r"[^a-z0-9+]+", "-", first).strip("-")
    return name.removesuffix("f") if name.startswith("cortex-m") else name


def device_path(name: str | Path) -> Path:
    """The TOML file of a device id, or the file that was given.

    Raises:
        UnknownNameError: No shipped device has that id.
    """
    path = Path(name)
    if path.suffix == ".toml":
        return path
    if str(name) not in device_ids():
        raise unknown_name("device", str(name), device_ids())
    return shipped("devices") / f"{name}.toml"


def load_device(name: str | Path) -> Device:
    """A device by its id, or from a TOML file of your own, whose stem is then its id.

    Raises:
        UnknownNameError: No shipped device has that id.
        ConfigError: The file is missing, not TOML, or lacks a field.
    """
    path = device_path(name)
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
    except (OSError, ValueError):  # ValueError: a zero byte in the name
        raise ConfigError(
            f"device file {path} cannot be read; give an id ({', '.join(device_ids())})"
        ) from None
    if len(content) > LARGEST_FILE:
        raise ConfigError(
            f"device file {path} has more than {LARGEST_FILE} bytes; expected a few lines of TOML"
        )
    try:
        document = tomllib.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:  # of TOML, of UTF-8, of a number of thousands of digits
        raise ConfigError(f"device file {path} is not TOML: {error}") from None
    device = Device.from_document(path.stem, document, path.parent)
    return device if path.parent == shipped("devices") else replace(device, folder=str(path.parent))
