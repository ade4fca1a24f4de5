"""The terminal view: one frame of a run, and frames until it ends."""

from __future__ import annotations

import time
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from edgenas.live.following import Follower
from edgenas.live.standing import duration_words, standing
from edgenas.live.text_chart import text_chart
from edgenas.report.headline import STATUS_WORDS
from edgenas.search.objective import format_metric, metric_name

READING_SECONDS = 0.2
"""Time that one look at the database may take, so that a frame of a very long run does not hang."""

_SHORT = {"latency_ms": "latency", "peak_ram_bytes": "RAM", "flash_bytes": "flash", "macs": "MACs"}
_WIDE = 110
"""Characters from which figures stand beside the chart."""


def watch(follower: Follower, console: Console, every: float) -> None:
    """Draw frames until the run is done or the user interrupts.

    Args:
        follower: Of the run.
        console: Must be a terminal.
        every: Seconds between two looks.
    """
    with Live(console=console, screen=True, auto_refresh=False) as live:
        while True:
            started = time.monotonic()
            follower.refresh(READING_SECONDS)
            document = standing(follower)
            live.update(frame(follower, document, console), refresh=True)
            if document["status"] == "done" and follower.complete and not document["device_queue"]:
                return
            if follower.complete:
                time.sleep(max(0.05, every - (time.monotonic() - started)))


def frame(follower: Follower, document: dict[str, Any], console: Console) -> Group:
    """One picture of the run, as wide and at most as high as the console."""
    width, lines = console.size
    room = max(12, lines - 9) if console.is_terminal else 34
    wide = width >= _WIDE
    chart_width = width - 50 if wide else width - 4
    chart_rows = min(24, room - 3) if wide else min(16, room // 2)
    chart = text_chart(follower, chart_width, chart_rows, ascii_only=console.options.ascii_only)
    chart_panel = Panel(chart, title=_chart_title(document), title_align="left", border_style="dim")
    tables = [_front(document, max(3, chart_rows // 2 - 2)), _last(document, max(3, chart_rows // 2 - 2))]
    if wide:
        body = Table.grid(expand=True)
        body.add_column(width=chart_width + 4)
        body.add_column()
        body.add_row(chart_panel, Group(*tables))
        return Group(_head(document), body, _foot(document, max(2, room - chart_rows - 2)))
    return Group(_head(document), chart_panel, *tables, _foot(document, 3))


def _head(document: dict[str, Any]) -> Group:
    title = Text(document["run"], style="bold")
    status = document["status"]
    words = STATUS_WORDS.get(status, status)
    alive, number = document["process"]["alive"], document["process"]["id"]
    if status == "done":
        state = Text(f"  {words}", style="green")
    elif alive:
        state = Text(f"  {words}", style="yellow").append(f" (process {number})", style="dim")
    else:
        state = Text(f"  {words}, stopped", style="red")
        state.append("  no process on this machine writes it; edgenas resume goes on", style="dim")
    about = " on ".join(name for name in (document["data"], document["device"]) if name)
    budgets = ", ".join(
        f"{metric_name(one['metric'])} ≤ {format_metric(one['metric'], one['limit'])}"
        for one in document["budgets"]
    )
    second = Text(f"{about}; space {document['space']}" + (f"; {budgets}" if budgets else ""), style="dim")
    lines: list[Text] = [title.append_text(state), second, _progress(document)]
    if queue := document["device_queue"]:
        lines.append(Text(f"{queue['device']}: {queue_words(queue)}", style="yellow"))
    if not document["complete"]:
        read = sum(document["counts"][name] for name in ("running", "completed", "failed", "stopped"))
        lines.append(Text(f"reading the run: {read:,} trials so far", style="yellow"))
    return Group(*lines)


def _progress(document: dict[str, Any]) -> Text:
    counts, limit = document["counts"], document["trial_limit"]
    of = f" of {limit:,}" if limit else ""
    parts = [f"{counts['completed']:,}{of} {document['judged']}"]
    parts += [f"{counts[name]:,} {name}" for name in ("stopped", "failed") if counts[name]]
    parts.append(f"{counts['refused']:,} refused")
    final = document["final_trainings"]
    if final["planned"]:
        parts.append(f"{final['ended']} of {final['planned']} final trainings ended")
    left = document["left"]
    text = Text(" · ".join(parts))
    text.append(f" · {duration_words(document['elapsed_seconds'] or 0.0)} used")
    if document["status"] != "done":
        text.append(" · left: ")
        about = "about " if left["seconds"] is not None else ""
        text.append(f"{about}{duration_words(left['seconds'])}", style="bold")
        text.append(f" of the {left['of']} ({left['basis']})", style="dim")
    return text


def queue_words(queue: dict[str, Any]) -> str:
    """The queue of a device in words."""
    waiting = queue["waiting"]
    behind = f", {len(waiting)} waiting ({', '.join(waiting)})" if waiting else ""
    return f"{queue['at']} being measured{behind}, {queue['measured']} measured"


def _chart_title(document: dict[str, Any]) -> str:
    cost = metric_name(document["objectives"][1])
    return f"validation {document['label']} against {cost}  · candidate  ● front  ◆ winner"


def _front(document: dict[str, Any], rows: int) -> Table:
    shown = document["front"][-rows:]
    table = _table(f"front: {len(document['front'])} networks, the best last", document)
    for entry in shown:
        table.add_row(entry["trial"], entry["val_words"], *_costs(entry, document))
    return table


def _last(document: dict[str, Any], rows: int) -> Table:
    table = _table("last trials", document)
    for entry in document["running"][: rows // 2 + 1]:
        table.add_row(entry["trial"], f"runs {duration_words(_age(entry))}", *_costs(entry, document))
    for entry in document["last"][: max(1, rows - len(table.rows))]:
        words = entry["val_words"] or entry["status"]
        table.add_row(entry["trial"], words, *_costs(entry, document))
    return table


def _table(title: str, document: dict[str, Any]) -> Table:
    table = Table(title=title, title_justify="left", title_style="dim", box=None, padding=(0, 1, 0, 0))
    table.add_column("trial", style="bold", no_wrap=True)
    table.add_column(f"val {document['label']}", justify="right", no_wrap=True)
    for name in _shown_costs(document):
        table.add_column(_SHORT.get(name, metric_name(name)), justify="right", no_wrap=True)
    return table


def _shown_costs(document: dict[str, Any]) -> list[str]:
    names = [name for name in document["objectives"][1:] if name != "val_error"]
    return [*names, *(name for name in ("peak_ram_bytes", "flash_bytes") if name not in names)][:3]


def _costs(entry: dict[str, Any], document: dict[str, Any]) -> list[str]:
    return [
        "" if entry[name] is None else format_metric(name, entry[name]) for name in _shown_costs(document)
    ]


def _foot(document: dict[str, Any], lines: int) -> Group:
    running = ", ".join(f"{one['trial']} for {duration_words(_age(one))}" for one in document["running"])
    busy, workers = len(document["running"]), document["workers"]
    where = f" of {workers}" if workers else ""
    if document["process"]["alive"]:
        head = Text(f"workers ({document['executor']}): {busy}{where} busy", style="dim")
    else:
        head = Text(f"trials cut off: {busy or 'none'}", style="dim")
    head.append(f"  {running}" if running else "")
    parts = [head]
    kept = [one for one in document["winners"] if not one["dropped"]]
    if kept:
        words = ", ".join(f"{one['trial']} {one['val_words']}".strip() for one in kept)
        parts.append(Text(f"winners: {words}", style="yellow"))
    parts += [Text(line, style="dim", no_wrap=True, overflow="ellipsis") for line in document["log"][-lines:]]
    return Group(*parts)


def _age(entry: dict[str, Any]) -> float:
    """Seconds that a trial has been running."""
    return max(0.0, time.time() - float(entry["started"]))
