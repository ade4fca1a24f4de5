"""Where the costs of a device come from: its latency table, else a predictor, else static figures."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edgenas.cost.latency_table import LatencyTable, table_name, table_path
from edgenas.cost.predictor import KIND, Predictor, PredictorSource
from edgenas.cost.static import StaticSource
from edgenas.cost.table import TableSource
from edgenas.cost.types import CostSource
from edgenas.errors import ConfigError, UnsupportedError
from edgenas.profile.device import Device, core_id
from edgenas.profile.runner import runner_for
from edgenas.profile.vela import RUNTIME as ETHOS_U
from edgenas.profile.vela import VelaSource


def cost_source(device: Device, runtime: str | None = None) -> CostSource:
    """What predicts costs on a device.

    Args:
        runtime: One of the device's runtimes; None takes its default.

    Returns:
        Latencies from what is filed for the device and runtime, a table or a predictor; else from the
        predictor of all boards of the core with that runtime, which needs the device's clock; all
        figures from the Vela compiler for an Ethos-U; else static figures alone, which have no latency.

    Raises:
        ConfigError: The device does not have the runtime, or a file cannot be read.
    """
    runtime = checked_runtime(device, runtime)
    if runtime == ETHOS_U:
        return VelaSource(device)
    static = StaticSource(device.id, runtime)
    found = filed(device, runtime)
    if isinstance(found, LatencyTable):
        return TableSource(found, static)
    return static if found is None else PredictorSource(found, static)


def table_source(path: Path, device: Device) -> TableSource:
    """What predicts costs on a device from a latency table anywhere.

    Raises:
        ConfigError: The file is no table, or is of another device.
    """
    table = LatencyTable.load(path)
    return TableSource(table, StaticSource(device.id, table.runtime))


def checked_runtime(device: Device, runtime: str | None) -> str:
    """A runtime that the device has; its default for None.

    Raises:
        ConfigError: The device does not have it.
    """
    if runtime is not None and runtime not in device.runtimes:
        raise ConfigError(
            f"runtime '{runtime}' was given for device '{device.id}'; expected one of its runtimes: "
            f"{', '.join(device.runtimes)}"
        )
    return runtime or device.runtime


def filed(device: Device, runtime: str) -> LatencyTable | Predictor | None:
    """What latencies of a device with a runtime rest on; None where nothing is known.

    Raises:
        ConfigError: A file cannot be read.
    """
    for path in filed_places(device, runtime):
        if path.exists():
            found = read_filed(path)
            return found.for_device(device.id, device.clock_mhz) if isinstance(found, Predictor) else found
    path = table_path(core_id(device.core), runtime)
    if device.clock_mhz is None or not path.exists():
        return None
    found = read_filed(path)
    return found.for_device(device.id, device.clock_mhz) if isinstance(found, Predictor) else None


def read_filed(path: Path) -> LatencyTable | Predictor:
    """A latency table or a predictor, whichever the file holds.

    Raises:
        ConfigError: The file cannot be read, or is neither.
    """
    try:
        document: Any = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        document = None
    if isinstance(document, dict) and document.get("kind") == KIND:
        return Predictor.from_json(document)
    return LatencyTable.load(path)


def filed_places(device: Device, runtime: str) -> list[Path]:
    """Where the device's own file may lie: beside a user's device file first, else among those shipped."""
    shipped = table_path(device.id, runtime)
    if device.folder is None:
        return [shipped]
    own = Path(device.folder)
    return [own / device.id / shipped.name, own / "latency_tables" / device.id / shipped.name]


def table_file(device: Device, runtime: str, precision: str = "int8") -> Path:
    """Where a sweep writes the latency table of a device, and estimates look for it.

    That of a device of your own lies beside its file ``my-board.toml``, in the folder ``my-board``.
    """
    return filed_places(device, runtime)[0].with_name(table_name(runtime, precision))


@dataclass(frozen=True, slots=True)
class TableState:
    """Whether the latency table of a device can be trusted here.

    Attributes:
        fits: There is a table, and what runs here (processor, runtime version) measured it; or a
            predictor, which is of the device it names wherever it is read.
        note: What there is, in words, with the command that mends it.
    """

    fits: bool
    note: str


def table_state(device: Device) -> TableState:
    """What the latency table or predictor of a device rests on, with its default runtime.

    Raises:
        ConfigError: The file cannot be read.
    """
    found = filed(device, device.runtime)
    if found is None:
        return TableState(False, f"no latency table of {device.id} with {device.runtime}: latency is unknown")
    if isinstance(found, Predictor):
        return TableState(True, f"predictor: {found.how}")
    return _state_of(found, device)


def _state_of(table: LatencyTable, device: Device) -> TableState:
    about = f"latency table of {table.date} with {len(table.ops_us)} operations"
    try:
        here = runner_for(replace(device, runtime=table.runtime)).machine()
    except UnsupportedError:
        return TableState(True, about)
    if dict(table.machine) == here:
        return TableState(True, about)
    return TableState(
        False,
        f"{about} is of {table.machine.get('cpu')} with {table.machine.get('version')}, here runs "
        f"{here['cpu']} with {here['version']}; measure it with: edgenas sweep --device {device.id}",
    )


def caveat(source: CostSource, device: Device) -> str | None:
    """Why the latencies of a source may be wrong, in words; None if nothing speaks against them.

    Raises:
        ConfigError: The table cannot be read.
    """
    if isinstance(source, VelaSource):
        return source.note
    if not isinstance(source, TableSource):
        return None
    state = _state_of(source.table, device)
    if not state.fits:
        return state.note
    if source.table.precision != "int8":
        return f"latency is that of {source.table.precision}; RAM and flash are those of the int8 file"
    return None
