"""``edgenas profile``: measures a model file on a device."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

HELP = "measure the latency of a .tflite file on a device"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The model and the device."""
    parser.add_argument("model", type=Path, metavar="MODEL.tflite")
    parser.add_argument("--device", default="host", help="device id or TOML file (default: host)")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """The cost document of the model, with the measured latency.

    Figures that need the operations of the file (MACs, parameters, RAM) are null where it holds an
    operation that edgenas does not know; ``note`` then names it.

    Raises:
        UnknownNameError: No such device.
        UnsupportedError: No runner reaches the device, or the runtime cannot load the model.
        MeasurementError: The machine was too busy.
    """
    from edgenas.errors import UnsupportedError
    from edgenas.profile.device import load_device
    from edgenas.profile.runner import runner_for

    runner = runner_for(load_device(args.device))
    if not args.model.is_file():
        raise UnsupportedError(f"there is no file {args.model}; expected a .tflite file")
    from edgenas.build.read_tflite import is_int8

    model = args.model.read_bytes()
    measured = runner.measure(model)
    return {
        **_static(model, runner),
        "device": runner.device.id,
        "runtime": runner.runtime,
        "precision": "int8" if is_int8(model) else "float32",
        "source": "measured",
        "latency_ms": measured.latency_ms,
        "latency_low_ms": measured.low_ms,
        "latency_high_ms": measured.high_ms,
        "flash_bytes": len(model),
        "threads": runner.threads,
        "statistic": measured.statistic,
        "repeats": measured.repeats,
        "machine": runner.machine(),
    }


def _static(model: bytes, runner: Any) -> dict[str, Any]:
    """The cost document's static figures in its order of fields; latencies are filled in by the caller."""
    from edgenas.build.read_tflite import graph_from_tflite
    from edgenas.cost.static import StaticSource
    from edgenas.cost.types import Cost
    from edgenas.errors import UnsupportedError

    device, runtime = runner.device.id, runner.runtime
    try:
        cost: Cost = StaticSource(device, runtime).estimate(graph_from_tflite(model), per_op=True)
        return cost.to_json()
    except UnsupportedError as error:
        blank = Cost(device, runtime, "int8", "measured", None, None, None, 0, 0, 0, 0).to_json()
        unknown = dict.fromkeys(("macs", "params", "peak_ram_bytes", "arena_head_bytes"))
        return {**blank, **unknown, "note": str(error)}


def show(document: dict[str, Any]) -> None:
    """Print totals, and how they were measured."""
    from rich.console import Console

    from edgenas.cli.summary import print_cost

    print_cost(document)
    Console(highlight=False).print(
        f"{document['statistic']}, {document['repeats']} bursts, {document['machine']['cpu']}, "
        f"{document['machine']['version']}, 1 thread",
        soft_wrap=True,
    )
    if "note" in document:
        print(f"MACs, parameters and RAM are unknown: {document['note']}")
