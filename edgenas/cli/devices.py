"""``edgenas devices``: which devices are known, which can be measured on, and calibrating one."""

from __future__ import annotations

import argparse
from typing import Any

from edgenas.cli import calibrate

HELP = "list known devices, show one, check what can be measured on, or calibrate one"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The action and a device."""
    parser.add_argument("action", nargs="?", default="list", choices=("list", "show", "check", "calibrate"))
    parser.add_argument("id", nargs="?", help="device id or TOML file (default for check: all)")
    calibrate.add_arguments(parser)


def run(args: argparse.Namespace) -> dict[str, Any]:
    """What was asked about the devices.

    Raises:
        UnknownNameError: No device of that id.
        ConfigError: ``show`` without an id, or a device file that cannot be read.
    """
    from edgenas.errors import ConfigError
    from edgenas.profile.device import device_ids, load_device

    if args.action == "calibrate":
        return calibrate.run(args)
    if args.action == "show" and args.id is None:
        raise ConfigError(f"edgenas devices show needs a device; known: {', '.join(device_ids())}")
    devices = [load_device(name) for name in ([args.id] if args.id else device_ids())]
    if args.action == "check":
        checks = [_check(device) for device in devices]
        failed = args.id is not None and not checks[0]["reachable"]
        return {"action": "check", "devices": checks, "exit_code": int(failed)}
    return {"action": args.action, "devices": [_describe(device) for device in devices]}


def _describe(device: Any) -> dict[str, Any]:
    """The device's document, with what is known of each of its runtimes."""
    from edgenas.profile.basis import latency_basis
    from edgenas.profile.runtimes import RUNTIMES

    details = {}
    for name in device.runtimes:
        runtime, basis = RUNTIMES.get(name), latency_basis(device, name)
        details[name] = {
            "name": runtime.name,
            "precisions": list(runtime.precisions),
            "threads": device.threads if runtime.threaded else 1,
            "unsupported": sorted(device.not_run(name)),
            "latency": basis.kind,
            "latency_note": basis.note,
        }
    return {**device.to_json(), "runtime_details": details}


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
    """Print a table of devices, one device, or the results of the checks or of a calibration."""
    if document["action"] == "calibrate":
        calibrate.show(document)
        return
    {"show": _show_one, "check": _show_checks}.get(document["action"], _show_list)(document["devices"])


def _show_one(devices: list[dict[str, Any]]) -> None:
    """Print everything that is known of a device."""
    from rich.console import Console
    from rich.markup import escape

    console = Console(highlight=False)
    entry = dict(devices[0])
    details, unsupported = entry.pop("runtime_details"), entry.pop("unsupported")
    entry["vela"] = None if entry["vela"] is None else [f"{k} {v}" for k, v in entry["vela"].items() if v]
    entry = {**entry, "unsupported": [f"{name}: {', '.join(kinds)}" for name, kinds in unsupported.items()]}
    for key, value in entry.items():
        if key == "runtimes" or (key in ("vela", "unsupported") and not value):
            continue
        lines = value if isinstance(value, list) else ["no limit known" if value is None else str(value)]
        console.print(f"[bold]{key:>12}[/bold]  " + escape("\n              ".join(lines)), soft_wrap=True)
    for name, facts in details.items():
        cannot = f"; cannot run {', '.join(facts['unsupported'])}" if facts["unsupported"] else ""
        line = (
            f"{facts['name']}: {', '.join(facts['precisions'])}, up to {facts['threads']} thread(s){cannot}"
        )
        console.print(f"[bold]{escape(name)}[/bold]  {escape(line)}", soft_wrap=True)
        console.print(f"{'latency':>12}  {facts['latency']}: {escape(facts['latency_note'])}", soft_wrap=True)


def _show_checks(devices: list[dict[str, Any]]) -> None:
    """Print one line a device."""
    from rich.console import Console
    from rich.markup import escape

    console = Console(highlight=False)
    for entry in devices:
        mark = "[green]reachable[/green]" if entry["reachable"] else "[yellow]not reachable[/yellow]"
        console.print(f"[bold]{escape(entry['id'])}[/bold] {mark}: {escape(entry['note'])}", soft_wrap=True)


def _show_list(devices: list[dict[str, Any]]) -> None:
    """Print a table with one line a runtime; the first line of a device is its default runtime."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from edgenas.profile.basis import WORDS

    console = Console(highlight=False)
    table = Table(box=None, padding=(0, 1, 0, 0))
    for heading in ("id", "core", "MHz", "RAM", "flash", "runtime", "latency"):
        right = heading in ("MHz", "RAM", "flash")
        justify: Any = "right" if right else "left"
        table.add_column(heading, no_wrap=heading != "core", justify=justify, overflow="fold")
    for entry in devices:
        clock = "" if entry["clock_mhz"] is None else f"{entry['clock_mhz']:g}"
        facts = [escape(entry["id"]), escape(entry["core"]), clock]
        facts += [_size(entry[key]) for key in ("ram_bytes", "flash_bytes")]
        for name in sorted(entry["runtimes"], key=lambda name: name != entry["runtime"]):
            table.add_row(*facts, name, entry["runtime_details"][name]["latency"])
            facts = [""] * len(facts)
    console.print(table)
    for kind, meaning in WORDS.items():
        console.print(f"{kind:>10}  {meaning}", style="dim", soft_wrap=True)


def _size(size_bytes: int | None) -> str:
    """Bytes in the largest binary unit that keeps them above 1, for example ``640K``."""
    if size_bytes is None:
        return ""
    unit, name = next((pair for pair in ((2**30, "G"), (2**20, "M")) if size_bytes >= pair[0]), (2**10, "K"))
    return f"{size_bytes / unit:.3g}{name}" if unit > 2**10 else f"{size_bytes / unit:.0f}K"
