"""READ FIRST: the report's page, one function a section, and how it is written."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgenas.report.axes import Frame
from edgenas.report.comparison import overfitting, reasons, winners_table
from edgenas.report.curves import draw_curves
from edgenas.report.diagram import draw_network, draw_silhouette
from edgenas.report.front_chart import FrontChart, draw_front, front_chart
from edgenas.report.headline import headline
from edgenas.report.markup import (
    count,
    details,
    figure,
    paragraph,
    percent,
    section,
    table,
    text,
    two_sizes,
)
from edgenas.report.operations import operation_rows
from edgenas.report.repeat import repeat
from edgenas.report.run import Run, Winner, cost_of, read_run, val_accuracy
from edgenas.report.wording import describe_spec
from edgenas.search.objective import COST_METRICS, format_metric, metric_name
from edgenas.store import Store, storage_errors

_HERE = Path(__file__).parent
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"


def write_report(folder: Path) -> Path:
    """Write ``report.html`` into a run folder; also while the run is still going.

    Returns:
        The file, replaced in one step.

    Raises:
        StoreError: There is no run, or the folder cannot be written.
    """
    with Store.read(folder) as store:
        page = render(read_run(store))
    temporary = folder / f".report.{os.getpid()}.html"
    with storage_errors(folder):
        temporary.write_text(page, encoding="utf-8")
        temporary.replace(folder / "report.html")
    return folder / "report.html"


def render(run: Run) -> str:
    """The whole page."""
    data = run.document("data").get("name", "a run just begun")
    style = (_HERE / "page.css").read_text(encoding="utf-8")
    script = (_HERE / "page.js").read_text(encoding="utf-8")
    sections = [
        section("front", "The front", _front(run)),
        section("winners", "Winners", winners_table(run)),
        section("networks", "The networks", _networks(run)),
        section("reasons", "Why these", reasons(run)),
        section("training", "Final training", _training(run)),
        section("test", "Validation against test", overfitting(run)),
        section("repeat", "To repeat this run", repeat(run)),
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark"><link rel="icon" href="data:,">'
        f"<title>edgenas: {text(data)}</title><style>{style}</style></head>\n"
        f'<body><main>{headline(run)}\n{"".join(sections)}</main><div id="tip" hidden></div>'
        f"<script>{script}</script></body></html>\n"
    )


def _front(run: Run) -> str:
    charts = [chart for metric in run.objectives[1:] if (chart := front_chart(run, metric))]
    if not charts:
        return paragraph("No candidate has been trained yet.", "muted") + _tally(run)
    first, *others = charts
    parts = [_front_figure(first, Frame(940, 420)), _legend()]
    if others:
        small = "".join(_front_figure(chart, Frame(460, 300)) for chart in others)
        parts.append(f'<div class="pair">{small}</div>')
    return "".join(parts) + _tally(run) + _trials_table(run)


def _front_figure(chart: FrontChart, frame: Frame) -> str:
    drawing = two_sizes(draw_front(chart, frame), draw_front(chart, Frame(368, 320, left=44)))
    caption = f"Validation accuracy against {metric_name(chart.metric)}."
    if chart.hidden:
        caption += f" {count(chart.hidden, 'candidate')} below the lower edge, shown as triangles on it."
    return figure(drawing, caption)


def _legend() -> str:
    keys = [
        ("<circle class='plain' cx='8' cy='8' r='3.5'/>", "candidate after its short training"),
        ("<path class='front' d='M0 12H8V4H16'/><circle class='on' cx='8' cy='4' r='3.5'/>", "the front"),
        ("<path class='win' d='M8 2l6 6l-6 6l-6-6z'/>", "winner after its final training"),
    ]
    items = "".join(
        f'<li><svg aria-hidden="true" width="16" height="16" viewBox="0 0 16 16">{mark}</svg>{words}</li>'
        for mark, words in keys
    )
    return f'<ul class="legend">{items}</ul>'


def _tally(run: Run) -> str:
    refused = sum(run.refusals.values())
    parts = [
        f"<b>{len(run.of_status('completed')):,}</b> trained",
        f"<b>{len(run.of_status('failed')):,}</b> failed",
    ]
    if running := len(run.of_status("running")):
        parts.append(f"<b>{running:,}</b> {'unfinished' if run.status == 'done' else 'in training'}")
    by_budget = ", ".join(f"{metric_name(name)} {number:,}" for name, number in run.refusals.items())
    parts.append(f"<b>{refused:,}</b> refused by budget" + (f" ({text(by_budget)})" if by_budget else ""))
    return paragraph(" · ".join(f"<span>{part}</span>" for part in parts), "tally")


def _trials_table(run: Run) -> str:
    done = sorted(run.of_status("completed"), key=lambda trial: -(val_accuracy(trial) or 0.0))
    timed = any(trial.cost.latency_ms is not None for trial in done)
    metrics = [metric for metric in COST_METRICS if metric != "latency_ms" or timed]
    front = {trial.trial_id for trial in run.front}
    rows = []
    for trial in done:
        values = [cost_of(trial, metric) for metric in metrics]
        figures = [
            "–" if value is None else text(format_metric(metric, value))
            for metric, value in zip(metrics, values, strict=True)
        ]
        on_front = "yes" if trial.trial_id in front else ""
        rows.append([text(trial.trial_id), percent(val_accuracy(trial)), *figures, on_front])
    headers = [
        "Trial",
        "Validation",
        *(text(metric_name(metric).capitalize()) for metric in metrics),
        "On the front",
    ]
    headers = [header.replace("Macs", "MACs").replace("Peak ram", "Peak RAM") for header in headers]
    caption = "All trained candidates, the most accurate first"
    ids = [trial.trial_id for trial in done]
    shown = table(caption, headers, rows, numeric=range(1, len(headers) - 1), row_ids=ids)
    return details(f"All {len(done)} trained candidates as a table", shown)


def _networks(run: Run) -> str:
    if not run.kept:
        return paragraph("No winners yet.", "muted")
    note = (
        "One row is one operation as the device runs it: a convolution includes its batch normalization and "
        "activation; “/2” is a stride of 2. Bars compare the operations of one network."
    )
    return (
        paragraph(note, "note")
        + _families()
        + "".join(_network(winner, is_open=winner is run.best) for winner in run.kept)
    )


def _families() -> str:
    names = {
        "conv": "convolution",
        "depthwise": "depthwise",
        "dense": "dense",
        "add": "add",
        "other": "other",
    }
    items = "".join(f'<li><i class="key {family}"></i>{words}</li>' for family, words in names.items())
    return f'<ul class="legend">{items}</ul>'


def _network(winner: Winner, *, is_open: bool) -> str:
    trial = winner.trial
    words = "".join(f"<li>{text(phrase)}</li>" for phrase in describe_spec(trial.spec))
    title = f'<span class="trial">Trial {text(trial.trial_id)}</span>'
    rows = operation_rows(trial)
    if not rows:
        missing = (
            "Networks are drawn only for built-in spaces; this one came from a build function of your own."
        )
        return details(
            title, f'<ul class="choices">{words}</ul>' + paragraph(missing, "muted"), is_open=is_open
        )
    cost = trial.cost
    figures = f"{len(rows)} operations, {format_metric('macs', cost.macs)} MACs"
    drawing = draw_silhouette(rows, trial.spec.input_shape) if trial.spec.blocks else ""
    table_name = f"Operations of trial {trial.trial_id} in running order"
    content = f'<ul class="choices">{words}</ul>{draw_network(rows, trial.spec.input_shape, table_name)}'
    return details(f'{title}<span class="figures">{text(figures)}</span>{drawing}', content, is_open=is_open)


def _training(run: Run) -> str:
    trained = [winner for winner in run.shortlist if winner.note.result is not None]
    if not trained:
        return paragraph("No winner has had its final training yet.", "muted")
    return "".join(_curves(winner, winner.note.result or {}) for winner in trained)


def _curves(winner: Winner, result: Mapping[str, Any]) -> str:
    history = result.get("history") or []
    charts = "".join(
        draw_curves(
            history, key, title, f"{title} by epoch, trial {winner.trial_id}, training and validation"
        )
        for key, title in (("loss", "Loss"), ("accuracy", "Accuracy"))
    )
    ended = "stopped early" if result.get("stopped_early") else "ran to its end"
    dropped = ", dropped afterwards" if winner.note.reason else ""
    train, val = result.get("train_accuracy"), result.get("val_accuracy")
    caption = (
        f"<b>Trial {text(winner.trial_id)}</b>{dropped}: {count(int(result.get('epochs') or 0), 'epoch')}, "
        f"{ended}; kept at {percent(train)} on training and {percent(val)} on validation images."
    )
    return figure(f'<div class="pair">{charts}</div>', caption, "training")
