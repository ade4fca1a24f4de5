"""Where the costs of a device come from: its latency table if there is one, else static figures."""

from __future__ import annotations

from dataclasses import dataclass

from edgenas.cost.latency_table import LatencyTable, table_path
from edgenas.cost.static import StaticSource
from edgenas.cost.table import TableSource
from edgenas.cost.types import CostSource
from edgenas.errors import UnsupportedError
from edgenas.profile.device import Device
from edgenas.profile.runner import runner_for
from edgenas.profile.vela import RUNTIME as ETHOS_U
from edgenas.profile.vela import VelaSource


def cost_source(device: Device) -> CostSource:
    """What predicts costs on a device with its default runtime.

    Returns:
        Latencies from the table of device and runtime and static RAM and flash; all figures from the
        Vela compiler for an Ethos-U; static figures alone, which have no latency, where there is
        neither.

    Raises:
        ConfigError: The table cannot be read.
    """
    if device.runtime == ETHOS_U:
        return VelaSource(device)
    static = StaticSource(device.id, device.runtime)
    path = table_path(device.id, device.runtime)
    return TableSource(LatencyTable.load(path), static) if path.exists() else static


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


def caveat(source: CostSource, device: Device) -> str | None:
    """Why the latencies of a source may be wrong, in words; None if nothing speaks against them.

    Raises:
        ConfigError: The table cannot be read.
    """
    if isinstance(source, VelaSource):
        return source.note
    state = table_state(device) if isinstance(source, TableSource) else None
    return state.note if state and not state.fits else None
