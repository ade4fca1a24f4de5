"""Training curves of winners: loss and accuracy, on training and validation data, by epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

from edgenas.report.axes import Frame, Scale, draw_x_axis, draw_y_axis, scale_for
from edgenas.report.markup import count, figure, paragraph, percent, shown, text
from edgenas.report.run import Run, Winner
from edgenas.task import CLASSIFICATION

History = Sequence[Mapping[str, Any]]


def training(run: Run) -> str:
    """The final training of each winner, in the order of the table."""
    trained = [winner for winner in run.shortlist if winner.note.result is not None]
    if not trained:
        return paragraph("No winner has had its final training yet.", "muted")
    return "".join(_training(winner, winner.note.result or {}) for winner in trained)


def _training(winner: Winner, result: Mapping[str, Any]) -> str:
    task = winner.task
    second = ("accuracy", "Accuracy") if task == CLASSIFICATION else (task.metric, task.label)
    charts = "".join(
        draw_curves(
            result.get("history") or [],
            key,
            title,
            f"{title} by epoch, trial {winner.trial_id}, training and validation",
        )
        for key, title in (("loss", "Loss"), second)
    )
    ended = "stopped early" if result.get("stopped_early") else "ran to its end"
    dropped = ", dropped afterwards" if winner.note.reason else ""
    caption = (
        f"<b>Trial {text(winner.trial_id)}</b>{dropped}: {count(int(result.get('epochs') or 0), 'epoch')}, "
        f"{ended}; {_kept(winner, result)}{_speed(result)}."
    )
    return figure(f'<div class="pair">{charts}</div>', caption, "training")


def _kept(winner: Winner, result: Mapping[str, Any]) -> str:
    """How good the network of the epoch kept was."""
    if winner.task == CLASSIFICATION:
        return (
            f"kept at {percent(result.get('train_accuracy'))} on training and "
            f"{percent(result.get('val_accuracy'))} on validation data"
        )
    figure = f"{text(winner.task.label)} {shown(winner.task, winner.float_val)}"
    return f"kept at {figure} on validation data"


def draw_curves(history: History, key: str, title: str, name: str) -> str:
    """One chart with the curves ``key`` (training) and ``val_key`` (validation), or nothing.

    Args:
        history: One entry an epoch.
        key: ``loss`` or ``accuracy``; accuracies are shown in percent.
        title: Heading of the chart.
        name: What a screen reader says.
    """
    factor = 100.0 if key == "accuracy" else 1.0
    curves = {
        kind: [(epoch, factor * value) for epoch, value in _finite(history, prefix + key)]
        for kind, prefix in (("train", ""), ("val", "val_"))
    }
    values = [value for points in curves.values() for _, value in points]
    if not values:
        return ""
    frame = Frame(400, 220, left=44, right=80, top=30, bottom=42)
    x = Scale(1, max(2, len(history)), *frame.x_range)
    y = scale_for(values, *frame.y_range)
    content = [
        f'<text class="heading" x="0" y="14">{title}</text>',
        draw_y_axis(frame, y, 4, " %" if key == "accuracy" else ""),
        draw_x_axis(frame, x, "epoch", min(6, max(1, len(history) - 1))),
        *(_line(kind, points, x, y) for kind, points in curves.items()),
        _line_names(curves, y, frame),
    ]
    return frame.svg(text(name), "".join(content))


def _finite(history: History, key: str) -> list[tuple[int, float]]:
    found = [(epoch, entry.get(key)) for epoch, entry in enumerate(history, start=1)]
    return [(epoch, value) for epoch, value in found if value is not None and isfinite(value)]


def _line(kind: str, points: Sequence[tuple[int, float]], x: Scale, y: Scale) -> str:
    if not points:
        return ""
    path = " ".join(f"{x(epoch)},{y(value)}" for epoch, value in points)
    epoch, last = points[-1]
    return (
        f'<polyline class="curve {kind}" points="{path}"/>'
        f'<circle class="end {kind}" cx="{x(epoch)}" cy="{y(last)}" r="3"/>'
    )


def _line_names(curves: Mapping[str, Sequence[tuple[int, float]]], y: Scale, frame: Frame) -> str:
    """The names at the ends of the lines, pushed apart where the lines end together."""
    places = {kind: y(points[-1][1]) for kind, points in curves.items() if points}
    if len(places) == 2 and abs(places["train"] - places["val"]) < 14:
        middle = sum(places.values()) / 2
        upper = min(places, key=lambda kind: places[kind])
        places = {kind: middle - 7 if kind == upper else middle + 7 for kind in places}
    words = {"train": "training", "val": "validation"}
    return "".join(
        f'<text class="line-name {kind}" x="{frame.x_range[1] + 8}" y="{place + 4:.1f}">{words[kind]}</text>'
        for kind, place in places.items()
    )


def _speed(result: Mapping[str, Any]) -> str:
    speed = result.get("images_per_second")
    return f"; {speed:,.0f} examples a second" if speed else ""
