"""The section of the front: charts, how many candidates there were, all of them as a table."""

from __future__ import annotations

from edgenas.report.axes import Frame
from edgenas.report.front_chart import FrontChart, draw_front, front_chart
from edgenas.report.markup import UNKNOWN, count, details, figure, paragraph, shown, table, text, two_sizes
from edgenas.report.run import Run, cost_of
from edgenas.report.savings import savings
from edgenas.search.objective import COST_METRICS, format_metric, metric_name
from edgenas.task import CLASSIFICATION

LONGEST_TABLE = 1_000
"""Rows of the table of candidates; beyond, the most accurate and the front."""

_HEADINGS = {"latency_ms": "Latency", "peak_ram_bytes": "Peak RAM", "flash_bytes": "Flash",
             "macs": "MACs", "params": "Parameters"}  # fmt: skip


def front(run: Run) -> str:
    """One chart for each cost that was an objective, the first one large."""
    charts = [chart for metric in run.objectives[1:] if (chart := front_chart(run, metric))]
    if not charts:
        return paragraph(f"No candidate has been {run.judged.verb} yet.", "muted") + _tally(run)
    figures = [_figure(run, chart, Frame(940, 300 if number else 420)) for number, chart in enumerate(charts)]
    saved = "".join(paragraph(text(sentence), "note") for sentence in savings(run))
    return _explanation(run) + _legend(run) + "".join(figures) + _tally(run) + saved + _trials_table(run)


def _explanation(run: Run) -> str:
    better = "more accurate" if run.task == CLASSIFICATION else f"better its {run.task.label}"
    words = (
        f"Each dot is one network: the higher, the {better}; the further left, the cheaper. The line is "
        "the front: it joins the networks that no other one beats in both. Choose from it by what you can "
        "afford."
    )
    if len(run.objectives) > 2:
        words += (
            f" This search weighed {len(run.objectives) - 1} costs against {run.task.label}, each in "
            "a chart of its "
            "own; a winner may lie off one line because it is better in another cost."
        )
    return paragraph(words, "note")


def _figure(run: Run, chart: FrontChart, frame: Frame) -> str:
    drawing = two_sizes(draw_front(chart, frame), draw_front(chart, Frame(368, 320, left=44)))
    caption = f"Validation {text(run.task.full_label)} against {metric_name(chart.metric)}."
    if chart.hidden:
        caption += f" {count(chart.hidden, 'candidate')} below the lower edge, shown as triangles on it."
    return figure(drawing, caption)


def _legend(run: Run) -> str:
    keys = [
        ("<circle class='plain' cx='8' cy='8' r='3.5'/>", f"candidate {text(run.judged.after)}"),
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
        f"<b>{len(run.trained):,}</b> {run.judged.verb}",
        f"<b>{len(run.of_status('failed')):,}</b> failed",
    ]
    if shorter := len(run.shorter):
        parts.insert(1, f"<b>{shorter:,}</b> with less than a full training")
    if running := len(run.of_status("running")):
        parts.append(f"<b>{running:,}</b> {'unfinished' if run.status == 'done' else 'under way'}")
    by_budget = ", ".join(f"{metric_name(name)} {number:,}" for name, number in run.refusals.items())
    parts.append(f"<b>{refused:,}</b> refused by budget" + (f" ({text(by_budget)})" if by_budget else ""))
    return paragraph(" · ".join(f"<span>{part}</span>" for part in parts), "tally")


def _trials_table(run: Run) -> str:
    done = sorted(run.trained, key=lambda trial: trial.val_error or 0.0)
    metrics = [name for name in COST_METRICS if any(cost_of(trial, name) is not None for trial in done)]
    on_front = {trial.trial_id for trial in run.front}
    total = len(done)
    if total > LONGEST_TABLE:
        done = [trial for row, trial in enumerate(done) if row < LONGEST_TABLE or trial.trial_id in on_front]
    rows = [
        [
            text(trial.trial_id),
            shown(run.task, run.val_figure(trial)),
            *(_figure_of(metric, cost_of(trial, metric)) for metric in metrics),
            "yes" if trial.trial_id in on_front else "",
        ]
        for trial in done
    ]
    headers = ["Trial", "Validation", *(_HEADINGS[metric] for metric in metrics), "On the front"]
    ids = [trial.trial_id for trial in done]
    figure_name = "accuracy" if run.task == CLASSIFICATION else text(run.task.full_label)
    first = "most accurate" if run.task == CLASSIFICATION else "best"
    is_whole = total == len(done)
    which = f"All {run.judged.verb} candidates" if is_whole else f"The {first} candidates and the front"
    caption = f"{which}, the {first} first; {figure_name} {text(run.judged.after)}"
    listing = table(caption, headers, rows, numeric=range(1, len(headers) - 1), row_ids=ids)
    title = (
        f"All {total:,} {run.judged.verb} candidates" if is_whole else f"The best {len(done):,} of {total:,}"
    )
    return details(f"{title} as a table", listing)


def _figure_of(metric: str, value: float | None) -> str:
    return UNKNOWN if value is None else text(format_metric(metric, value))
