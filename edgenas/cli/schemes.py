"""What commands print of compression schemes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from edgenas.search.objective import format_metric
from edgenas.task import CLASSIFICATION, Task


def print_kept_schemes(console: Console, winner: Mapping[str, Any], task: Task) -> None:
    """One line of a winner that was tried under more than full int8; none of others."""
    if len(winner["schemes"]) < 2:
        return
    parts = [
        f"{entry['scheme']} {_figure(entry, task)}" + (" (model.int8)" if entry["adopted"] else "")
        for entry in winner["schemes"]
        if entry["on_front"]
    ]
    console.print(f"schemes of {winner['trial']} on the front: {escape(', '.join(parts))}", soft_wrap=True)


def _figure(entry: Mapping[str, Any], task: Task) -> str:
    value = entry["accuracy"] if task == CLASSIFICATION else entry["metrics"].get(task.metric)
    return "" if value is None else task.format(value)


def print_schemes(document: Mapping[str, Any]) -> None:
    """Print the schemes that were tried on a user's own classifier, and where the files are."""
    console = Console(highlight=False)
    console.print(f"Keras model: {_percent(document['keras_accuracy'])} of the validation images")
    console.print(_table(document))
    console.print("* is model.int8.*; validation images chose, test images were used once")
    for entry in (document["sensitivity"] or [])[:5]:
        console.print(f"in float, {escape(entry['layer'])} brings {100 * entry['gain']:+.2f} points")
    console.print(f"files: {escape(document['folder'])}", soft_wrap=True)


def _table(document: Mapping[str, Any]) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0))
    table.add_column("scheme", no_wrap=True)
    for heading in ("validation", "test", "latency", "RAM", "flash", "zipped"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("files", overflow="fold")
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
    return table


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.2f} %"
