"""``edgenas sweep``: measures a space's operations and files them in a latency table."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgenas.cli.reach import add_reach_arguments, runner_of

if TYPE_CHECKING:
    from edgenas.arch.space import SearchSpace
    from edgenas.cost.latency_table import LatencyTable
    from edgenas.profile.runner import Runner

HELP = "measure the operations of a search space on a device and write its latency table"

SHIPPED_INPUTS = ("8x8x1", "28x28x1", "32x32x3")
SHIPPED_CLASSES = (2, 10, 100)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to measure, on what, and where the table goes."""
    add_reach_arguments(parser)
    parser.add_argument("--precision", choices=("int8", "float32"), default="int8", help="default: int8")
    parser.add_argument("--space", default="micro", help="search space (default: micro)")
    parser.add_argument(
        "--input", metavar="HxWxC", help=f"input shape (default: {', '.join(SHIPPED_INPUTS)} in turn)"
    )
    parser.add_argument("--classes", type=int, help="number of classes (default: 2, 10 and 100 in turn)")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="table (default: where estimates look: beside a device's own TOML file, else with edgenas)",
    )
    parser.add_argument(
        "--all", action="store_true", help="measure everything anew, not only what the table lacks"
    )
    parser.add_argument(
        "--no-thinning", action="store_true", help="measure also what other operations predict within 5 %%"
    )


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Sweep, and say what the table holds.

    Raises:
        UnknownNameError: No such device or space.
        UnsupportedError: No runner reaches the device.
        ConfigError: An input shape that cannot be read, or a file that is not a table.
        MeasurementError: The machine was too busy; the table keeps what was measured.
    """
    from edgenas.profile.sources import table_file
    from edgenas.profile.sweep import sweep

    runner = runner_of(args)
    try:
        spaces = make_spaces(args.space, args.input, args.classes)
        path = args.out or table_file(runner.device, runner.runtime, args.precision)
        found = _table_there(path, runner)
        before = None if args.all else found
        _refuse_another_machine(before, path, runner)
        table = sweep(
            spaces,
            runner,
            precision=args.precision,
            table=before,
            thinned=not args.no_thinning,
            progress=_say,
            save=lambda partial: partial.save(path),
        )
    finally:
        runner.close()
    return _document(table, path, known=len(before.ops_us) if before else 0)


def _table_there(path: Path, runner: Runner) -> LatencyTable | None:
    """The table that a place holds, or None where there is nothing.

    Raises:
        ConfigError: It holds something that a sweep would destroy.
    """
    from edgenas.cost.table import LatencyTable
    from edgenas.errors import ConfigError
    from edgenas.profile.sources import read_filed

    if not path.exists():
        return None
    found = read_filed(path)
    if not isinstance(found, LatencyTable):
        raise ConfigError(
            f"{path} holds a predictor fitted on measurements of '{runner.device.id}', which a sweep "
            "would overwrite; give --out, or name a copy of the device's TOML file with --device: its table "
            "then lies beside it"
        )
    return found


def _refuse_another_machine(before: LatencyTable | None, path: Path, runner: Runner) -> None:
    from edgenas.errors import ConfigError

    if before is not None and dict(before.machine) != runner.machine():
        raise ConfigError(
            f"latency table {path} is of another machine ({before.machine.get('cpu')}, "
            f"{before.machine.get('version')}), and a sweep here replaces all of it: run the same command "
            "with --all, without --space, --input and --classes, then this command again, or give --out"
        )


def _document(table: LatencyTable, path: Path, known: int) -> dict[str, Any]:
    """What the table holds."""
    fit = table.calibration
    return {
        "device": table.device,
        "runtime": table.runtime,
        "precision": table.precision,
        "threads": table.threads,
        "table": str(path),
        "date": table.date,
        "operations": len(table.ops_us),
        "added": len(table.ops_us) - known,
        "predicted": len(table.predicted),
        "held_out": table.held_out,
        "held_out_error": table.held_out_error,
        "invoke_us": table.invoke_us,
        "calibration": {
            "networks": fit.networks,
            "factor": fit.factor,
            "interval_low": fit.low,
            "interval_high": fit.high,
        },
    }


def make_spaces(name: str, shape: str | None, classes: int | None) -> list[SearchSpace]:
    """The space for each input shape and number of classes.

    Raises:
        UnknownNameError: No such space.
        ConfigError: A shape that is not one to three whole numbers.
    """
    from edgenas.arch import SPACES

    shapes = [parse_shape(text) for text in ([shape] if shape else SHIPPED_INPUTS)]
    counts = [classes] if classes is not None else SHIPPED_CLASSES
    return [SPACES.get(name)(one, count) for one in shapes for count in counts]


def parse_shape(text: str) -> tuple[int, ...]:
    """(height, width, channels) of ``HxWxC``, (time, channels) of ``TxC`` or (features,) of ``N``.

    Raises:
        ConfigError: The text is not one to three whole numbers above 0.
    """
    from edgenas.errors import ConfigError

    parts = text.lower().split("x")
    if len(parts) > 3 or not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise ConfigError(
            f"input shape '{text}' was given; expected HxWxC, for example 28x28x1, TxC of a series or N of "
            "features"
        )
    return tuple(int(part) for part in parts)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def show(document: dict[str, Any]) -> None:
    """Print what the table holds."""
    from rich.console import Console

    console = Console(highlight=False)
    console.print(
        f"[bold]{document['table']}[/bold]: {document['operations']} operations on "
        f"{document['device']}/{document['runtime']} {document['precision']}, {document['added']} of them new"
    )
    if document["predicted"]:
        console.print(
            f"{document['predicted']} of them not measured but predicted by the others: 95 % of "
            f"{document['held_out']} held-out operations within {document['held_out_error']:.1%}"
        )
    fit = document["calibration"]
    if fit["interval_low"] is not None:
        console.print(
            f"calibrated on {fit['networks']} whole networks: factor {fit['factor']:.3f}, nine in ten "
            f"within {fit['interval_low'] - 1:+.1%} to {fit['interval_high'] - 1:+.1%} of the prediction",
            soft_wrap=True,
        )
