"""The front as a chart: a cost to the right, validation accuracy upwards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf
from typing import Protocol

import numpy as np

from edgenas.report.axes import Frame, Scale, draw_x_axis, draw_y_axis, scale_for, spans_decades
from edgenas.report.labels import Labels, leader_line
from edgenas.report.markup import text
from edgenas.report.run import Run, cost_of
from edgenas.search.objective import format_metric, metric_name
from edgenas.task import CLASSIFICATION, Task

MANY_DOTS = 5_000
"""Beyond so many trials, dots that lie on the same pixel are drawn once."""


class Named(Protocol):
    """What a chart needs to know of a trial."""

    @property
    def trial_id(self) -> str:
        """The trial's number."""


@dataclass(frozen=True)
class Dot:
    """One trained candidate: its cost in the unit of the axis, and its `height`."""

    trial: Named
    x: float
    y: float


@dataclass(frozen=True)
class FrontChart:
    """What is drawn for one cost metric.

    Attributes:
        metric: The cost to the right.
        unit: The unit that its figures are shown in.
        size: How many of the metric's own units that is.
        dots: All trained candidates.
        front: Those that none beats in accuracy and this cost, the cheapest first.
        finals: The `height` after the final training of each winner that had one, by trial id.
        budget: Upper limit in the shown unit, or None.
        floor: The `height` below which dots are drawn at the lower edge.
        task: What the networks are for.
    """

    metric: str
    unit: str
    size: float
    dots: Sequence[Dot]
    front: Sequence[Dot]
    finals: Mapping[str, float]
    budget: float | None
    floor: float
    task: Task = CLASSIFICATION

    @property
    def hidden(self) -> int:
        """How many candidates lie below the lower edge."""
        return sum(dot.y < self.floor for dot in self.dots)


def front_chart(run: Run, metric: str) -> FrontChart | None:
    """The chart of one cost metric, or None if no candidate was trained."""
    known = [trial for trial in run.trained if cost_of(trial, metric) is not None]
    if not known:
        return None
    size, unit = unit_of(metric, max(cost_of(trial, metric) or 0.0 for trial in known))
    dots = {
        trial.trial_id: Dot(
            trial, (cost_of(trial, metric) or 0.0) / size, height(run.task, run.val_figure(trial) or 0.0)
        )
        for trial in known
    }
    finals = {
        winner.trial_id: height(run.task, winner.float_val)
        for winner in run.kept
        if winner.float_val is not None and winner.trial_id in dots
    }
    limits = [limit / size for name, limit in run.budgets if name == metric]
    return FrontChart(
        metric=metric,
        unit=unit,
        size=size,
        dots=list(dots.values()),
        front=[dots[trial.trial_id] for trial in run.front_of([metric])],
        finals=finals,
        budget=min(limits, default=None),
        floor=min([floor_of([dot.y for dot in dots.values()]), *finals.values()]),
        task=run.task,
    )


def height(task: Task, value: float) -> float:
    """Where a task's figure stands on the axis upwards: accuracy in percent; what is better low, negated."""
    return 100 * value if task == CLASSIFICATION else value if task.higher_is_better else -value


def _words(task: Task, place: float, digits: int = 1) -> str:
    """The figure at a height, as people read it."""
    return f"{place:.{digits}f} %" if task == CLASSIFICATION else task.format(abs(place))


def unit_of(metric: str, largest: float) -> tuple[float, str]:
    """How many of a metric's own units one unit of the axis is, and its name.

    Args:
        largest: The largest figure that is drawn.
    """
    if metric == "latency_ms":
        return 1.0, "ms"
    if metric.endswith("_bytes"):
        return 1024.0, "KiB"
    return (1e6, "millions") if largest >= 2e6 else (1e3, "thousands")


def floor_of(accuracies: Sequence[float] | np.ndarray) -> float:
    """Where a chart ends below: far outliers must not squeeze everything else into the upper edge."""
    known = np.asarray(accuracies, dtype=float)
    low, quarter, high = np.quantile(known, (0.0, 0.25, 1.0))
    sensible = quarter - 1.5 * (high - quarter)
    if high - low <= 1.5 * (high - sensible):
        return float(low)
    return float(known[known >= sensible].min())


def draw_front(chart: FrontChart, frame: Frame) -> str:
    """The chart as SVG."""
    x, y = _scales(chart, frame)
    labels = Labels((frame.left + 2, frame.top, frame.x_range[1] - 2, frame.y_range[0] - 2))
    corners = _corners(chart, frame, x, y)
    for dot in chart.dots:
        labels.block(x(dot.x), y(dot.y), margin=4)
    for (left, lower), (right, upper) in pairwise(corners):
        labels.block(left, upper, right, lower, margin=1)
    name = f"Validation {chart.task.label} against {metric_name(chart.metric)} of {len(chart.dots)} "
    "trained candidates"
    content = [
        draw_y_axis(frame, y, 6 if frame.width > 500 else 5, " %" if chart.task == CLASSIFICATION else ""),
        draw_x_axis(frame, x, _title(chart, x), 12 if frame.width > 500 else 6),
        _budget(chart, frame, x, labels),
        _step_line(corners),
        _dots(chart, x, y),
        _winners(chart, frame, x, y, labels),
    ]
    return frame.svg(name, "".join(content))


def _scales(chart: FrontChart, frame: Frame) -> tuple[Scale, Scale]:
    costs = [dot.x for dot in chart.dots]
    if chart.budget is not None and chart.budget <= 1.6 * max(costs):
        costs.append(chart.budget)
    accuracies = [max(dot.y, chart.floor) for dot in chart.dots] + list(chart.finals.values())
    y = scale_for(accuracies, *frame.y_range)
    least, most = {"softmax": (0.0, 100.0), "linear": (-inf, 0.0)}.get(chart.task.head, (0.0, 1.0))
    capped = Scale(max(least, y.low), min(most, y.high), y.start, y.end)
    return scale_for(costs, *frame.x_range, log=spans_decades(costs)), capped


def _title(chart: FrontChart, x: Scale) -> str:
    return f"{metric_name(chart.metric)} ({chart.unit}{', logarithmic' if x.log else ''})"


def _budget(chart: FrontChart, frame: Frame, x: Scale, labels: Labels) -> str:
    if chart.budget is None:
        return ""
    label = f"budget {format_metric(chart.metric, chart.budget * chart.size)}"
    bottom, top = frame.y_range
    if chart.budget > x.high:
        right = frame.x_range[1] - 4
        box = (right - 7 * (len(label) + 2), bottom - 22, right, bottom)
        labels.block(*box)
        return f'<text class="budget" x="{right}" y="{bottom - 8}" text-anchor="end">{text(label)} →</text>'
    place = x(chart.budget)
    width = frame.x_range[1] - place
    labels.block(place - 7 * len(label) - 6, bottom - 22, place, bottom)
    labels.block(place, top, place, bottom, margin=1)
    return (
        f'<rect class="over" x="{place}" y="{top}" width="{width:.1f}" height="{bottom - top}"/>'
        f'<line class="budget" x1="{place}" x2="{place}" y1="{top}" y2="{bottom}"/>'
        f'<text class="budget" x="{place - 6}" y="{bottom - 8}" text-anchor="end">{text(label)}</text>'
    )


def _corners(chart: FrontChart, frame: Frame, x: Scale, y: Scale) -> list[tuple[float, float]]:
    """Where the step line of the front turns, from left to right; it ends at the right edge."""
    corners: list[tuple[float, float]] = []
    for dot in chart.front:
        if corners:
            corners.append((x(dot.x), corners[-1][1]))
        corners.append((x(dot.x), y(dot.y)))
    return [*corners, (frame.x_range[1], corners[-1][1])]


def _step_line(corners: Sequence[tuple[float, float]]) -> str:
    return f'<path class="front" d="M{"L".join(f"{x} {y}" for x, y in corners)}"/>'


def _dots(chart: FrontChart, x: Scale, y: Scale) -> str:
    on_front = {dot.trial.trial_id for dot in chart.front}
    parts = []
    for dot in sorted(_visible(chart, x, y), key=lambda dot: dot.trial.trial_id in on_front):
        front = dot.trial.trial_id in on_front
        cost = format_metric(chart.metric, dot.x * chart.size)
        tip = (
            f"trial {dot.trial.trial_id}: {_words(chart.task, dot.y)} after the search, {cost}"
            + front * ", on the front"
        )
        parts.append(
            f'<g class="dot{" on" if front else ""}" data-trial="{text(dot.trial.trial_id)}">'
            f"<title>{text(tip)}</title>{_mark(x(dot.x), y, dot.y, chart.floor, front)}</g>"
        )
    return "".join(parts)


def _visible(chart: FrontChart, x: Scale, y: Scale) -> list[Dot]:
    """The dots; of very many, one for each pixel and all of the front."""
    if len(chart.dots) <= MANY_DOTS:
        return list(chart.dots)
    on_top = {dot.trial.trial_id for dot in chart.front}.union(chart.finals)
    by_pixel = {(round(x(dot.x)), round(y(max(dot.y, chart.floor)))): dot for dot in chart.dots}
    shown = {dot.trial.trial_id for dot in by_pixel.values()} | on_top
    return [dot for dot in chart.dots if dot.trial.trial_id in shown]


def _mark(place: float, y: Scale, accuracy: float, floor: float, front: bool) -> str:
    """A circle, or a triangle at the lower edge for what lies below it."""
    if accuracy < floor:
        return f'<path d="M{place - 4:g} {y.start - 9:g}h8l-4 7z"/>'
    return f'<circle cx="{place}" cy="{y(accuracy)}" r="{4.5 if front else 3.5}"/>'


def _winners(chart: FrontChart, frame: Frame, x: Scale, y: Scale, labels: Labels) -> str:
    places = {dot.trial.trial_id: (x(dot.x), y(dot.y)) for dot in chart.dots}
    for trial_id, final in chart.finals.items():
        column, before = places[trial_id]
        labels.block(column, y(final), margin=7)
        labels.block(column, min(before, y(final)), column, max(before, y(final)), margin=1)
    parts = []
    for trial_id, final in sorted(chart.finals.items(), key=lambda item: -item[1]):
        (column, before), after = places[trial_id], y(final)
        words = _words(chart.task, final)
        label = f"{trial_id} · {words}"
        box = labels.place(column, after, label)
        middle = (box[0] + box[2]) / 2
        parts.append(
            f'<g class="winner" data-trial="{text(trial_id)}">'
            ""
            ""
            f"<title>{text(f'trial {trial_id}: {words} after the final training')}</title>"
            f'<line class="gain" x1="{column}" x2="{column}" y1="{before}" y2="{after}"/>'
            f"{leader_line(column, after, box)}"
            f'<path d="M{column} {after - 6:g}l6 6l-6 6l-6-6z"/>'
            f'<text x="{middle:.1f}" y="{box[3] - 3.5:.1f}" text-anchor="middle">{text(label)}</text></g>'
        )
    return "".join(parts)
