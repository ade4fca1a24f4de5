"""The front as a chart of characters, for a terminal."""

from __future__ import annotations

import numpy as np
from rich.text import Text

from edgenas.live.charts import heights
from edgenas.live.following import Follower
from edgenas.report.axes import Scale, scale_for, spans_decades
from edgenas.report.front_chart import floor_of, height, unit_of
from edgenas.report.judged import judged_by
from edgenas.search.objective import metric_name
from edgenas.task import CLASSIFICATION

_MARGIN = 8
_MARKS = {1: ("·", "bright_black"), 2: ("●", "bold cyan"), 3: ("◆", "bold yellow")}
_ASCII = str.maketrans("·●◆│└─┬", ".o#|+-+")


def text_chart(follower: Follower, width: int, rows: int, *, ascii_only: bool = False) -> Text:
    """Dots for candidates, circles for the front, diamonds for winners after their final training.

    Args:
        follower: Refreshed before.
        width: Characters in all.
        rows: Lines in all, the axis included.
        ascii_only: Whether the terminal shows nothing else.
    """
    metric = follower.objectives[1]
    trained = follower.trained
    trained = trained[~np.isnan(follower.cost(metric)[trained])] if len(trained) else trained
    columns, lines = width - _MARGIN - 1, rows - 3
    if not len(trained):
        return Text(f"No candidate has been {judged_by(follower.meta).verb} yet.", style="dim")
    if columns < 10 or lines < 3:
        return Text("(the window is too small for the chart)", style="dim")
    size, unit = unit_of(metric, float(follower.cost(metric)[trained].max()))
    x, y = follower.cost(metric) / size, heights(follower)
    finals = {name: height(follower.task, value) for name, value in follower.finals().items()}
    places = {follower.trials.ids[row]: int(row) for row in trained} if finals else {}
    finals = {name: value for name, value in finals.items() if name in places}
    floor = min([floor_of(y[trained]), *finals.values()])
    log = spans_decades([float(x[trained].min()), float(x[trained].max())])
    across = scale_for([float(x[trained].min()), float(x[trained].max())], 0, columns - 1, log=log)
    tops = [max(float(y[trained].max()), *finals.values()) if finals else float(y[trained].max()), floor]
    up = scale_for(tops, lines - 1, 0)
    grid = np.zeros((lines, columns), dtype=np.int8)
    _mark(grid, across, up, x[trained], np.maximum(y[trained], floor), 1)
    front = follower.front([metric])
    _mark(grid, across, up, x[front], np.maximum(y[front], floor), 2)
    won = [places[name] for name in finals]
    _mark(grid, across, up, x[won], np.array(list(finals.values())), 3)
    drawn = _drawn(grid, across, up, " %" if follower.task == CLASSIFICATION else "")
    title = f"{metric_name(metric)} ({unit}{', logarithmic' if log else ''})"
    drawn.append(" " * _MARGIN + title.center(columns), style="dim")
    return _translated(drawn) if ascii_only else drawn


def _mark(grid: np.ndarray, across: Scale, up: Scale, x: np.ndarray, y: np.ndarray, mark: int) -> None:
    """Put marks where values lie; the same places as `Scale` gives, for many values at once."""
    if not len(x):
        return
    columns = _places(across, np.asarray(x, dtype=float)).clip(0, grid.shape[1] - 1)
    lines = _places(up, np.asarray(y, dtype=float)).clip(0, grid.shape[0] - 1)
    np.maximum.at(grid, (lines, columns), mark)


def _places(scale: Scale, values: np.ndarray) -> np.ndarray:
    low, high = scale.low, scale.high
    if scale.log:
        values, low, high = np.log10(np.maximum(values, low)), float(np.log10(low)), float(np.log10(high))
    return np.rint(scale.start + (values - low) / (high - low) * (scale.end - scale.start)).astype(int)


def _drawn(grid: np.ndarray, across: Scale, up: Scale, unit: str) -> Text:
    ticks = {round(up(tick)): f"{abs(tick):g}{unit}" for tick in up.ticks(max(2, grid.shape[0] // 4))}
    drawn = Text()
    for line, marks in enumerate(grid):
        drawn.append(f"{ticks.get(line, ''):>{_MARGIN - 1}} │", style="dim")
        for mark in marks:
            drawn.append(*_MARKS[int(mark)]) if mark else drawn.append(" ")
        drawn.append("\n")
    axis, names = ["─"] * grid.shape[1], [" "] * (grid.shape[1] + 8)
    end = -1
    for tick in across.ticks(max(2, grid.shape[1] // 10)):
        place, name = round(across(tick)), f"{tick:g}"
        axis[place] = "┬"
        start = max(0, place - len(name) // 2)
        if start > end:
            names[start : start + len(name)] = name
            end = start + len(name)
    drawn.append(" " * _MARGIN + "└" + "".join(axis) + "\n", style="dim")
    drawn.append(" " * (_MARGIN + 1) + "".join(names).rstrip() + "\n", style="dim")
    return drawn


def _translated(drawn: Text) -> Text:
    plain = drawn.copy()
    plain.plain = drawn.plain.translate(_ASCII)
    return plain
