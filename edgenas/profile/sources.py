"""Where the costs of a device come from: its latency table if there is one, else static figures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgenas.cost.latency_table import LatencyTable, table_name, table_path
from edgenas.cost.static import StaticSource
from edgenas.cost.table import TableSource
from edgenas.cost.types import CostSource
from edgenas.errors import UnsupportedError
from edgenas.profile.device import Device
from edgenas.profile.runner import runner_for


def cost_source(device: Device) -> CostSource:
    """What predicts costs on a device with its default runtime.

    Returns:
        Latencies from the table of device and runtime and static RAM and flash; static figures
        alone, which have no latency, where there is no table.

    Raises:
        ConfigError: The table cannot be read.
    """
    static = StaticSource(device.id, device.runtime)
    path = table_path(device.id, device.runtime)
    return TableSource(LatencyTable.load(path), static) if path.exists() else static


def table_file(device: str, runtime: str, precision: str = "int8") -> Path:
    """Where the latency table of a device lies, as the command line names the device.

    The tables of a device of your own lie beside its TOML file ``my-board.toml``, in the folder
    ``my-board``; those of devices that ship with edgenas lie with edgenas.
    """
    own = Path(device)
    if own.suffix == ".toml":
        return own.with_suffix("") / table_name(runtime, precision)
    return table_path(device, runtime, precision)


@dataclass(frozen=True, slots=True)
class TableState:
    """Whether the latency table of a device can be trusted here.

    Attributes:
        fits: There is a table, and what runs here (processor, runtime version) measured it.
        note: What there is, in words, with the command that mends it.
    """

    fits: bool
    note: str


def table_state(device: Device) -> TableState:
    """What the latency table of a device rests on.

    Raises:
        ConfigError: The table cannot be read.
    """
    path = table_path(device.id, device.runtime)
    if not path.exists():
        return TableState(False, f"no latency table of {device.id} with {device.runtime}: latency is unknown")
    table = LatencyTable.load(path)
    about = f"latency table of {table.date} with {len(table.ops_us)} operations"
    try:
        here = runner_for(device).machine()
    except UnsupportedError:
        return TableState(True, about)
    if dict(table.machine) == here:
        return TableState(True, about)
    return TableState(
        False,
        f"{about} is of {table.machine.get('cpu')} with {table.machine.get('version')}, here runs "
        f"{here['cpu']} with {here['version']}; measure it with: edgenas sweep --device {device.id}",
    )
