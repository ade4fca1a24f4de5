"""``edgenas devices calibrate``: a device's predictor from a few measured networks."""

from __future__ import annotations

import argparse
import csv
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgenas.arch.space import SearchSpace

MODEL, MILLISECONDS = "model", "milliseconds"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What only ``calibrate`` takes."""
    group = parser.add_argument_group("calibrate")
    group.add_argument("--device", help="device id or TOML file")
    group.add_argument("--runtime", help="one of the device's runtimes (default: its first choice)")
    group.add_argument(
        "--measurements", type=Path, metavar="FILE.csv",
        help=f"columns {MODEL} (model file or spec .json, as seen from the CSV's folder) and {MILLISECONDS}",
    )  # fmt: skip
    group.add_argument("--out", type=Path, metavar="DIR", help="write the device with its predictor here")
    group.add_argument(
        "--propose", type=int, metavar="N", help="choose N networks of --space to measure next"
    )
    group.add_argument(
        "--space", help="space whose latencies are wanted (default: networks like the measured)"
    )
    group.add_argument("--input", metavar="HxWxC", default="96x96x3", help="its input (default: 96x96x3)")
    group.add_argument("--classes", type=int, default=10, help="its number of classes (default: 10)")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """What the measurements taught, and what to measure next.

    Raises:
        UsageError: An argument is missing, the CSV or a model cannot be read, or no predictor is known.
    """
    from edgenas.errors import ConfigError
    from edgenas.profile import calibrate as stage
    from edgenas.profile.device import device_path, load_device
    from edgenas.profile.sources import checked_runtime

    name = args.device or args.id
    if name is None or args.measurements is None:
        raise ConfigError("edgenas devices calibrate needs --device and --measurements FILE.csv")
    if args.propose is not None and (args.propose < 1 or args.space is None or args.out is None):
        raise ConfigError("--propose N needs N of 1 or more, --space (whose networks?) and --out (where to?)")
    device = load_device(name)
    runtime = checked_runtime(device, args.runtime)
    living = stage.drops_constants(runtime)
    networks = read_measurements(args.measurements, living)
    specs = stage.candidates(_space(args)) if args.space else []
    graphs = [spec.graph() for spec in specs]
    found = stage.calibrate(device, runtime, networks, graphs)
    document = _document(found, args.space)
    if args.out is not None:
        document["device_file"] = str(stage.write_device(found, device_path(name), args.out))
    if args.propose is not None:
        chosen = [specs[place] for place in stage.propose(found, graphs, args.propose)]
        document["measure_next"] = [str(path) for path in stage.write_specs(chosen, args.out)]
    return document


def read_measurements(path: Path, living: bool = False) -> list[tuple[str, Any, float]]:
    """(name, graph, milliseconds) of each row of a CSV file.

    Args:
        living: Whether the runtime leaves out channels of a ``.tflite`` file that can only be constant.

    Raises:
        ConfigError: The file or a row cannot be read.
        UnsupportedError: A model cannot be read.
    """
    from edgenas.errors import ConfigError

    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"{path} cannot be read as CSV: {error}") from None
    found = []
    for number, row in enumerate(rows, start=2):
        if not row.get(MODEL) or row.get(MILLISECONDS) is None:
            raise ConfigError(
                f"line {number} of {path} lacks {MODEL} or {MILLISECONDS}; expected both columns"
            )
        try:
            latency_ms = float(row[MILLISECONDS])
        except ValueError:
            raise ConfigError(
                f"line {number} of {path} has '{row[MILLISECONDS]}' milliseconds; expected a number above 0"
            ) from None
        found.append((row[MODEL], _graph(path.parent / row[MODEL], living), latency_ms))
    return found


def _graph(path: Path, living: bool) -> Any:
    from edgenas.build.living import living_graph
    from edgenas.cli.estimate import read_model

    graph = read_model(path).graph
    return living_graph(path.read_bytes()) if living and path.suffix == ".tflite" else graph


def _space(args: argparse.Namespace) -> SearchSpace:
    from edgenas.cli.sweep import make_spaces

    (space,) = make_spaces(args.space, args.input, args.classes)
    return space


def _document(found: Any, space: str | None) -> dict[str, Any]:
    return {
        "action": "calibrate",
        "device": found.predictor.device,
        "runtime": found.predictor.runtime,
        "nearest": found.nearest,
        "networks": [
            {"name": row["network"], "milliseconds": row["latency_ms"], "error_before": before,
             "error_after": after}
            for row, before, after in zip(
                found.predictor.measurements, found.before, found.after, strict=True
            )
        ],
        "mean_error_before": _mean(found.before),
        "mean_error_after": _mean(found.after),
        "pool": space or "the measured networks",
        "half_width": found.half_width,
        "measurements_needed": found.needed,
        "device_file": None,
        "measure_next": [],
    }  # fmt: skip


def _mean(errors: tuple[float, ...]) -> float:
    return sum(map(abs, errors)) / len(errors)


def show(document: dict[str, Any]) -> None:
    """Print errors before and after, the interval, and what to do next."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(highlight=False)
    console.print(f"[bold]{document['device']}, {document['runtime']}[/bold]: from {document['nearest']}")
    table = Table(box=None)
    for heading in ("network", "ms", "error before", "after, left out"):
        table.add_column(heading, justify="left" if heading == "network" else "right")
    for row in document["networks"]:
        errors = [f"{row[key]:+.1%}" for key in ("error_before", "error_after")]
        table.add_row(escape(row["name"]), f"{row['milliseconds']:.4g}", *errors)
    console.print(table)
    console.print(
        f"mean error {document['mean_error_before']:.1%} before, {document['mean_error_after']:.1%} after "
        f"(each network left out); interval of {document['pool']}: within {document['half_width']:.0%}",
        soft_wrap=True,
    )
    needed = document["measurements_needed"]
    console.print(
        "50 more measurements would not bring the interval within 10 %: networks differ by more than the "
        "predictor tells apart"
        if needed is None
        else f"{needed} more measurements bring the interval within 10 %",
        soft_wrap=True,
    )
    for path in document["measure_next"]:
        console.print(f"measure next: {escape(path)}", soft_wrap=True)
    if document["device_file"]:
        console.print(f"use it: --device {escape(document['device_file'])}", soft_wrap=True)
