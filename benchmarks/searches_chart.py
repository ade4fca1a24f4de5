"""The chart of `benchmarks/searches.py`: hypervolume over minutes, mean and range over seeds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edgenas.report.axes import Frame, Scale, draw_x_axis, draw_y_axis

STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#333}.axis{stroke:#333}.grid{stroke:#e4e4e4}"
    ".tick{font-size:12px}.title{font-size:13px}"
)
COLOURS = ("#0b5fa5", "#c2410c", "#4d7c0f", "#7e22ce", "#525252")
LABEL_HEIGHT = 17


def chart(document: dict[str, Any]) -> str:
    """One SVG file: a line a method (mean), a band from the least to the most of the seeds."""
    frame = Frame(760, 420, right=150, top=34)
    minutes, methods = document["minutes"], document["methods"]
    x = Scale(0, minutes[-1], *frame.x_range)
    y = Scale(0, 1, *frame.y_range)
    parts = [f"<style>{STYLE}</style>", f'<rect width="{frame.width}" height="{frame.height}" fill="#fff"/>']
    parts.append(
        f'<text x="{frame.left}" y="18">share of the hypervolume that all runs reach together</text>'
    )
    parts += [draw_y_axis(frame, y, 6), draw_x_axis(frame, x, "minutes", 7)]
    order = sorted(methods, key=lambda name: -methods[name]["mean"][-1])
    heights = spread([y(methods[name]["mean"][-1]) for name in order])
    for name, colour, height in zip(order, COLOURS, heights, strict=False):
        entry = methods[name]
        band = path(minutes, entry["most"], x, y) + path(minutes[::-1], entry["least"][::-1], x, y, "L")
        parts.append(f'<path d="{band}Z" fill="{colour}" opacity="0.12"/>')
        line = path(minutes, entry["mean"], x, y)
        parts.append(f'<path d="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        label = f"{name} {entry['mean'][-1]:.3f}"
        parts.append(
            f'<text x="{frame.x_range[1] + 8}" y="{height + 4}" style="fill:{colour}">{label}</text>'
        )
    drawing = frame.svg("hypervolume over minutes", "".join(parts))
    return drawing.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1) + "\n"


def spread(heights: Sequence[float]) -> list[float]:
    """Heights of labels from the top down, moved apart until none covers another."""
    placed: list[float] = []
    for height in heights:
        placed.append(max(height, placed[-1] + LABEL_HEIGHT) if placed else height)
    return placed


def path(minutes: Sequence[float], shares: Sequence[float], x: Scale, y: Scale, start: str = "M") -> str:
    """A line through all points."""
    return start + "L".join(f"{x(minute)},{y(share)}" for minute, share in zip(minutes, shares, strict=True))
