"""What commands print for people: a cost with its operations, a run with its winners."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from edgenas.search.objective import format_metric, metric_name

_TOTALS = ("peak_ram_bytes", "flash_bytes", "macs", "params")


def print_cost(document: Mapping[str, Any]) -> None:
    """Print a cost document: totals first, then the share of each operation."""
    console = Console(highlight=False)
    where = f"{document['device']}, {document['runtime']}, {document['precision']}, batch 1"
    console.print(f"[bold]{escape(where)}[/bold]  (source: {document['source']})")
    console.print(f"{'latency':>12}  {_latency(document)}")
    for metric in _TOTALS:
        value = document[metric]
        shown = "unknown" if value is None else format_metric(metric, value)
        console.print(f"{metric_name(metric):>12}  {shown}")
    if document["per_op"]:
        console.print(_operations(document["per_op"]))


def _latency(document: Mapping[str, Any]) -> str:
    if document["latency_ms"] is None:
        return "unknown: this device has no latency table yet"
    shown = format_metric("latency_ms", document["latency_ms"])
    ends = [document["latency_low_ms"], document["latency_high_ms"]]
    if None in ends:
        return shown
    return f"{shown}  ({' to '.join(format_metric('latency_ms', end) for end in ends)} nine times in ten)"


def _operations(shares: list[Mapping[str, Any]]) -> Table:
    table = Table(box=None)
    timed = any(share["latency_ms"] is not None for share in shares)
    table.add_column("operation", no_wrap=True)
    for heading in ("MACs", "weights B", *(["us"] if timed else [])):
        table.add_column(heading, justify="right")
    for share in shares:
        latency = [] if not timed else [f"{1e3 * (share['latency_ms'] or 0.0):.2f}"]
        table.add_row(escape(share["name"]), f"{share['macs']:,}", f"{share['weight_bytes']:,}", *latency)
    return table


def print_summary(document: Mapping[str, Any]) -> None:
    """Print a run: what was trained, the winners, where everything lies."""
    console = Console(highlight=False)
    trials = document["trials"]
    counts = f"{trials['completed']} networks trained, {trials['failed']} failed, {trials['refused']} refused"
    counts += f", {trials['stopped']} stopped" if trials["stopped"] else ""
    console.print(f"[bold]{escape(_title(document))}[/bold]: {counts}{_duration(document['seconds'])}")
    if document["winners"]:
        console.print(_winners(document["winners"]))
        console.print("* most accurate on validation; test images were used once, after quantization")
    for winner in document["winners"]:
        _kept_schemes(console, winner)
    for winner in document["dropped"]:
        console.print(f"dropped {winner['trial']}: {escape(winner['reason'])}", soft_wrap=True)
    if document["status"] != "done":
        console.print(f"not finished ({document['status']}): edgenas resume {escape(document['run'])}")
    for sentence in document["savings"]:
        console.print(escape(sentence), soft_wrap=True)
    if note := (document["device"] or {}).get("note"):
        console.print(f"note: {escape(note)}", soft_wrap=True)
    run = Path(document["run"])
    if any(winner["files"] for winner in document["winners"]):
        console.print(f"files:  {escape(str(run / 'winners'))}", soft_wrap=True)
    console.print(f"report: {escape(str(run / 'report.html'))}", soft_wrap=True)


def _kept_schemes(console: Console, winner: Mapping[str, Any]) -> None:
    """One line of a winner that was tried under more than full int8; none of others."""
    if len(winner["schemes"]) < 2:
        return
    parts = [
        f"{entry['scheme']} {_percent(entry['accuracy'])}" + (" (model.int8)" if entry["adopted"] else "")
        for entry in winner["schemes"]
        if entry["on_front"]
    ]
    console.print(f"schemes of {winner['trial']} on the front: {escape(', '.join(parts))}", soft_wrap=True)


def _title(document: Mapping[str, Any]) -> str:
    data, device = document["data"] or {}, document["device"] or {}
    return f"{data.get('name', 'run')} on {device.get('name', 'an unknown device')}"


def _duration(seconds: float | None) -> str:
    return "" if not seconds else f" in {int(seconds // 60)} min {int(seconds % 60)} s"


def _winners(winners: list[Mapping[str, Any]]) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0))
    table.add_column("winner", no_wrap=True)
    for heading in ("test int8", "val int8", "val float", "latency", "RAM", "flash", "MACs"):
        table.add_column(heading, justify="right", no_wrap=True)
    for winner in winners:
        cost = winner["cost"]
        figures = [
            "" if cost[metric] is None else format_metric(metric, cost[metric])
            for metric in ("latency_ms", "peak_ram_bytes", "flash_bytes", "macs")
        ]
        accuracies = [
            _percent(winner[name])
            for name in ("int8_test_accuracy", "int8_val_accuracy", "float_val_accuracy")
        ]
        mark = " *" if winner["best"] else ""
        table.add_row(f"{winner['trial']}{mark}", *accuracies, *figures)
    return table


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.2f} %"


def print_schemes(document: Mapping[str, Any]) -> None:
    """Print the schemes that were tried on a model, and where the files are."""
    console = Console(highlight=False)
    table = Table(box=None, padding=(0, 1, 0, 0))
    table.add_column("scheme", no_wrap=True)
    for heading in ("validation", "test", "latency", "RAM", "flash", "zipped"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("files")
    tests = {artifact["file"]: artifact["accuracy"].get("test") for artifact in document["artifacts"]}
    for entry in document["schemes"]:
        figures = [
            "" if value is None else format_metric(metric, value)
            for metric, value in (
                ("latency_ms", entry["latency_ms"]),
                ("peak_ram_bytes", entry["peak_ram_bytes"]),
                ("flash_bytes", entry["flash_bytes"]),
                ("flash_bytes", entry["compressed_bytes"]),
            )
        ]
        test = next((tests.get(file) for file in entry["files"]), None)
        mark = " *" if entry["adopted"] else ""
        files = ", ".join(entry["files"]) or entry["reason"] or ""
        table.add_row(
            f"{entry['scheme']}{mark}", _percent(entry["accuracy"]), _percent(test), *figures, escape(files)
        )
    console.print(f"Keras model: {_percent(document['keras_accuracy'])} of the validation images")
    console.print(table)
    console.print("* is model.int8.*; validation images chose, test images were used once")
    for entry in (document["sensitivity"] or [])[:5]:
        console.print(f"in float, {escape(entry['layer'])} brings {100 * entry['gain']:+.2f} points")
    console.print(f"files: {escape(document['folder'])}", soft_wrap=True)
