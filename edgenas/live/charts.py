"""The report's chart of the front, drawn from the figures of a `Follower`."""

from __future__ import annotations

import numpy as np

from edgenas.live.following import Follower, Point
from edgenas.report.axes import Frame
from edgenas.report.front_chart import Dot, FrontChart, draw_front, floor_of, height, unit_of

MOST_DOTS = 1_000
"""Beyond so many trials, dots that lie on one another are drawn once."""

WIDE, NARROW = Frame(940, 420), Frame(368, 320, left=44)


def live_chart(follower: Follower, metric: str) -> FrontChart | None:
    """The chart of one cost, or None where no candidate of a known cost was trained."""
    trials, rows = follower.trials, follower.trained
    rows = rows[~np.isnan(follower.cost(metric)[rows])] if len(rows) else rows
    if not len(rows):
        return None
    size, unit = unit_of(metric, float(follower.cost(metric)[rows].max()))
    x = follower.cost(metric) / size
    y = heights(follower)
    front = follower.front([metric])
    row_of = {trials.ids[row]: int(row) for row in rows} if follower.winners else {}
    finals = {
        trial_id: height(follower.task, value)
        for trial_id, value in follower.finals().items()
        if trial_id in row_of
    }
    shown = np.union1d(thinned(rows, x, y), np.concatenate([front, [row_of[name] for name in finals]]))
    dots = {
        int(row): Dot(Point(trials.ids[int(row)]), float(x[int(row)]), float(y[int(row)])) for row in shown
    }
    limits = [one["limit"] / size for one in follower.meta["constraints"] or [] if one["metric"] == metric]
    return FrontChart(
        metric=metric,
        unit=unit,
        size=size,
        dots=list(dots.values()),
        front=[dots[int(row)] for row in front],
        finals=finals,
        budget=min(limits, default=None),
        floor=min([floor_of(y[rows]), *finals.values()]),
        task=follower.task,
    )


def heights(follower: Follower) -> np.ndarray:
    """Where each trial stands on the axis upwards; see `edgenas.report.front_chart.height`."""
    task = follower.task
    return np.asarray(follower.trials.figure * height(task, 1.0))


def thinned(rows: np.ndarray, x: np.ndarray, y: np.ndarray, cells: int = 100) -> np.ndarray:
    """The rows, or where there are very many one for each cell of a grid."""
    if len(rows) <= MOST_DOTS:
        return rows
    columns = [_cell(np.log(np.maximum(x[rows], 1e-12)), cells), _cell(y[rows], cells)]
    _, first = np.unique(columns[0] * cells + columns[1], return_index=True)
    return np.asarray(rows[first])


def _cell(values: np.ndarray, cells: int) -> np.ndarray:
    low, high = float(values.min()), float(values.max())
    return np.asarray(np.minimum(((values - low) / ((high - low) or 1.0) * cells).astype(int), cells - 1))


def drawings(follower: Follower, metric: str) -> tuple[str, str] | None:
    """The chart for wide and for narrow screens as SVG, or None."""
    chart = live_chart(follower, metric)
    return None if chart is None else (draw_front(chart, WIDE), draw_front(chart, NARROW))
