"""What commands print for people: a cost with its operations, a run with its winners."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from edgenas.cli.schemes import print_kept_schemes
from edgenas.report.data import examples_word
from edgenas.report.trust import trust_words
from edgenas.search.objective import format_metric, metric_name
from edgenas.task import CLASSIFICATION, Task, task_from

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
    counts = f"{trials['completed']} networks {document['judged']}, {trials['failed']} failed"
    counts += f", {trials['refused']} refused"
    counts += f", {trials['stopped']} stopped" if trials["stopped"] else ""
    console.print(f"[bold]{escape(_title(document))}[/bold]: {counts}{_duration(document['seconds'])}")
    if document["winners"]:
        task = task_from(document["task"])
        console.print(_winners(document["winners"], task))
        many = examples_word(document["data"] or {})
        console.print(f"* {_best(task)}; test {many} were used once, after quantization")
        _trust(console, document)
        for winner in document["winners"]:
            print_kept_schemes(console, winner, task)
    for winner in document["dropped"]:
        console.print(f"dropped {winner['trial']}: {escape(winner['reason'])}", soft_wrap=True)
    if document["status"] == "training":
        console.print("not finished: run the same 'edgenas train' again")
    elif document["status"] != "done":
        console.print(f"not finished ({document['status']}): edgenas resume {escape(document['run'])}")
    for sentence in document["savings"]:
        console.print(escape(sentence), soft_wrap=True)
    if note := (document["device"] or {}).get("note"):
        console.print(f"note: {escape(note)}", soft_wrap=True)
    run = Path(document["run"])
    if any(winner["files"] for winner in document["winners"]):
        console.print(f"files:  {escape(str(run / 'winners'))}", soft_wrap=True)
    console.print(f"report: {escape(str(run / 'report.html'))}", soft_wrap=True)


def _trust(console: Console, document: Mapping[str, Any]) -> None:
    """What the seeds say about the winners."""
    task = task_from(document["task"])
    if words := trust_words(document["trust"]):
        console.print(escape(words), soft_wrap=True)
    for winner in document["winners"]:
        if (found := winner["lead_within_spread"]) is not None:
            points = (
                f"{100 * found['lead']:.2f} points" if task == CLASSIFICATION else task.format(found["lead"])
            )
            lead, over = points, f"trial {found['over']}"
            console.print(
                f"winner {winner['trial']}: its lead of {lead} over {over} lies within the spread of seeds",
                soft_wrap=True,
            )
    if (found := document["rank_correlation"]) is not None:
        console.print(
            f"the search ranked the {found['networks']} networks trained again with a Spearman correlation "
            f"of {found['spearman']:+.2f} to their final {task.label}",
            soft_wrap=True,
        )


def _title(document: Mapping[str, Any]) -> str:
    data, device = document["data"] or {}, document["device"] or {}
    return f"{data.get('name', 'run')} on {device.get('name', 'an unknown device')}"


def _duration(seconds: float | None) -> str:
    return "" if not seconds else f" in {int(seconds // 60)} min {int(seconds % 60)} s"


def _best(task: Task) -> str:
    if task == CLASSIFICATION:
        return "most accurate on validation"
    return f"best {task.label} on validation; figures are {task.full_label}"


def _winners(winners: list[Mapping[str, Any]], task: Task) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0))
    table.add_column("winner", no_wrap=True)
    label = "" if task == CLASSIFICATION else f"{task.label} "
    several = any(winner[f"std_val_{task.metric}"] is not None for winner in winners)
    by_seed = "val by seed" if several else "val float"
    for heading in (f"{label}test int8", "val int8", by_seed, "latency", "RAM", "flash", "MACs"):
        table.add_column(heading, justify="right", no_wrap=True)
    for winner in winners:
        cost = winner["cost"]
        figures = [
            "" if cost[metric] is None else format_metric(metric, cost[metric])
            for metric in ("latency_ms", "peak_ram_bytes", "flash_bytes", "macs")
        ]
        accuracies = [_figure(winner, name, task) for name in ("int8_test", "int8_val", "float_val")]
        if several:
            accuracies[-1] = spread(winner, "val", task)
        mark = " *" if winner["best"] else ""
        table.add_row(f"{winner['trial']}{mark}", *accuracies, *figures)
    return table


def _figure(winner: Mapping[str, Any], name: str, task: Task) -> str:
    """A winner's figure, with its unit; nothing where it is not known."""
    value = winner[f"{name}_{task.metric}"]
    return "" if value is None else task.format(value)


def print_long_training(document: Mapping[str, Any]) -> None:
    """Print what `edgenas train` came to: each seed, mean and spread, the int8 file, its folder."""
    console = Console(highlight=False)
    recipe, task = document["recipe"], task_from(document["task"])
    length = f"{recipe['epochs']} epochs with {recipe['optimizer']}"
    console.print(f"[bold]trial {escape(document['trial'])}[/bold], {length}")
    table = Table(box=None, padding=(0, 1, 0, 0))
    label = "" if task == CLASSIFICATION else f"{task.label} "
    for heading in ("seed", f"{label}val float", "test float", "epochs"):
        table.add_column(heading, justify="right", no_wrap=True)
    for seed in document["seeds"]:
        if "reason" in seed:
            console.print(f"seed {seed['number']} failed: {escape(seed['reason'])}", soft_wrap=True)
            continue
        mark = " *" if seed["delivered"] else ""
        figures = [_figure(seed, split, task) for split in ("val", "test")]
        table.add_row(f"{seed['number']}{mark}", *figures, str(seed["epochs"]))
    console.print(table)
    for split in ("val", "test"):
        if document[f"std_{split}_{task.metric}"] is not None:
            name = {"val": "validation", "test": "test"}[split]
            console.print(f"{name}: {spread(document, split, task)} (mean and standard deviation over seeds)")
    int8 = [_figure(document, name, task) for name in ("int8_test", "int8_val")]
    many = "images" if task == CLASSIFICATION else "data"
    console.print(f"int8 file of seed *: {label}{int8[0]} on test {many}, {int8[1]} on validation {many}")
    print_kept_schemes(console, document, task)
    console.print(f"* {_best(task)}; test {many} were used once, after quantization")
    console.print(f"files:  {escape(document['folder'])}", soft_wrap=True)


def spread(document: Mapping[str, Any], split: str, task: Task = CLASSIFICATION) -> str:
    """Mean and standard deviation of a figure over seeds, for example ``91.20 ± 0.31 %``."""
    deviation, mean = (document[f"{kind}_{split}_{task.metric}"] for kind in ("std", "mean"))
    if task != CLASSIFICATION:
        return task.format(mean) if deviation is None else f"{task.format(mean)} ± {task.format(deviation)}"
    return f"{100 * mean:.2f} %" if deviation is None else f"{100 * mean:.2f} ± {100 * deviation:.2f} %"
