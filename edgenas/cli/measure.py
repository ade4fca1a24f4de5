"""``edgenas measure``: the winners of a run, measured on their device."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from edgenas.cli.reach import add_reach_arguments, add_spread_argument, careful, runner_of

HELP = "measure the winners of a run on their device; the report then shows it beside what was predicted"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The run, which of its files, the device and the way to it."""
    parser.add_argument("run", type=Path, metavar="RUN", help="run folder that 'edgenas search' made")
    parser.add_argument(
        "--trial", action="append", default=[], metavar="ID", help="one winner, repeatable (default: all)"
    )
    parser.add_argument(
        "--file", metavar="NAME", help="which file of each bundle (default: model.int8.tflite, or .onnx)"
    )
    parser.add_argument("--again", action="store_true", help="measure also what was measured there before")
    add_reach_arguments(parser, device=None)
    add_spread_argument(parser)


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Measure, keep each measurement in the run, write its report anew.

    Raises:
        StoreError: No such run or winner, or another process uses the run.
        ConfigError: The run names no device and none was given.
        UnsupportedError: No runner reaches the device, or there is no such file.
        MeasurementError: The device is too busy or went away; what was measured before is kept.
    """
    from edgenas.errors import MeasurementError
    from edgenas.report import write_report
    from edgenas.store import Store
    from edgenas.winners.measuring import measure_winners

    def told(queue: dict[str, Any]) -> None:
        if not args.json:
            rest = f", then {', '.join(queue['waiting'])}" if queue["waiting"] else ""
            print(f"{queue['device']}: measuring {queue['at']}{rest}", file=sys.stderr, flush=True)

    try:
        with Store.open(args.run) as store:
            _fill_in(args, store)
            runner = runner_of(args, None, careful(args))
            try:
                found = measure_winners(
                    store, runner, trials=args.trial, file=args.file, again=args.again, on_change=told
                )
            finally:
                runner.close()
    except MeasurementError:
        write_report(args.run)  # with what was measured
        raise
    return {"run": str(args.run), "report": str(write_report(args.run)), "measured": found}


def _fill_in(args: argparse.Namespace, store: Any) -> None:
    """The device of the run, where none is given."""
    from edgenas.errors import ConfigError

    if args.device is not None:
        return
    config = store.meta("config") or {}
    if not config.get("device"):
        raise ConfigError(f"{args.run} names no device; give the one to measure on with --device")
    args.device = config["device"]


def show(document: dict[str, Any]) -> None:
    """Print a line for each winner."""
    from rich.console import Console
    from rich.table import Table

    from edgenas.search.objective import format_metric

    table = Table(box=None, pad_edge=False)
    for heading in ("trial", "measured", "5 to 95 %", "predicted", "off by"):
        table.add_column(heading, justify="left" if heading == "trial" else "right", no_wrap=True)
    for one in document["measured"]:
        low, high = (format_metric("latency_ms", one[end]) for end in ("low_ms", "high_ms"))
        predicted = one["predicted_ms"]
        table.add_row(
            one["trial"], format_metric("latency_ms", one["latency_ms"]), f"{low} to {high}",
            "-" if predicted is None else format_metric("latency_ms", predicted),
            "-" if predicted is None else f"{predicted / one['latency_ms'] - 1:+.0%}",
        )  # fmt: skip
    Console(highlight=False).print(table)
    for words in dict.fromkeys(
        f"{one['cpu']}, {one['version']}, {one['threads']} thread(s), clock governor "
        f"{one['governor'] or 'not readable'}"
        for one in document["measured"]
    ):
        print(words)
    print(f"report: {document['report']}")
