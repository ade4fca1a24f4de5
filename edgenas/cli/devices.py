"""``edgenas devices``: which devices are known, and which can be measured on."""

from __future__ import annotations

import argparse
from typing import Any

HELP = "list known devices, show one, or check what can be measured on"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The action and a device."""
    parser.add_argument("action", nargs="?", default="list", choices=("list", "show", "check"))
    parser.add_argument("id", nargs="?", help="device id or TOML file (default for check: all)")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """What was asked about the devices.

    Raises:
        UnknownNameError: No device of that id.
        ConfigError: ``show`` without an id, or a device file that cannot be read.
    """
    from edgenas.errors import ConfigError
    from edgenas.profile.device import device_ids, load_device

    if args.action == "show" and args.id is None:
        raise ConfigError(f"edgenas devices show needs a device; known: {', '.join(device_ids())}")
    devices = [load_device(name) for name in ([args.id] if args.id else device_ids())]
    if args.action == "check":
        checks = [_check(device) for device in devices]
        failed = args.id is not None and not checks[0]["reachable"]
        return {"action": "check", "devices": checks, "exit_code": int(failed)}
    return {"action": args.action, "devices": [device.to_json() for device in devices]}


def _check(device: Any) -> dict[str, Any]:
    """Measure a tiny model if a runner reaches the device, and compare its table with the machine."""
    from edgenas.errors import EdgenasError
    from edgenas.profile.runner import runner_for
    from edgenas.profile.sources import table_state
    from edgenas.profile.synthesize import tiny_model

    document = {"id": device.id, "runtime": device.runtime, "reachable": False, "latency_ms": None}
    try:
        runner = runner_for(device)
        document["latency_ms"] = runner.measure(tiny_model()).latency_ms
    except EdgenasError as error:
        return {**document, "note": str(error)}
    return {**document, "reachable": True, "note": table_state(device).note}


def show(document: dict[str, Any]) -> None:
    """Print a table of devices, one device, or the results of the checks."""
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    if document["action"] == "show":
        for key, value in document["devices"][0].items():
            lines = value if isinstance(value, list) else ["no limit known" if value is None else str(value)]
            console.print(f"[bold]{key:>12}[/bold]  " + "\n              ".join(lines), soft_wrap=True)
    elif document["action"] == "check":
        for entry in document["devices"]:
            mark = "[green]reachable[/green]" if entry["reachable"] else "[yellow]not reachable[/yellow]"
            console.print(f"[bold]{entry['id']}[/bold] {mark}: {entry['note']}", soft_wrap=True)
    else:
        table = Table(box=None)
        for heading in ("id", "name", "core", "MHz", "RAM KiB", "flash KiB", "runtime"):
            table.add_column(heading, no_wrap=heading in ("id", "runtime"))
        for entry in document["devices"]:
            ram, flash = (_kib(entry[key]) for key in ("ram_bytes", "flash_bytes"))
            clock = "" if entry["clock_mhz"] is None else f"{entry['clock_mhz']:g}"
            table.add_row(entry["id"], entry["name"], entry["core"], clock, ram, flash, entry["runtime"])
        console.print(table)


def _kib(size_bytes: int | None) -> str:
    return "" if size_bytes is None else f"{size_bytes / 1024:g}"
