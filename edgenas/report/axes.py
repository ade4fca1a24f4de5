"""Axes of a chart: from values to pixels, and where to put the ticks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, log10

LOG_SPAN = 10.0
"""A cost that spans more than this factor is drawn on a logarithmic axis."""


@dataclass(frozen=True)
class Scale:
    """One axis.

    Attributes:
        low: Value at `start`.
        high: Value at `end`.
        start: Pixel of the lower end.
        end: Pixel of the upper end.
        log: Whether equal factors take equal lengths.
    """

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """The pixel of a value; values beyond an end land on it."""
        inside = min(max(value, self.low), self.high)
        if self.log:
            share = (log10(inside) - log10(self.low)) / (log10(self.high) - log10(self.low))
        else:
            share = (inside - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 1)

    def ticks(self, number: int) -> list[float]:
        """About so many round values within the axis."""
        return log_ticks(self.low, self.high, number) if self.log else even_ticks(self.low, self.high, number)


def scale_for(values: Sequence[float], start: float, end: float, *, log: bool = False) -> Scale:
    """An axis that holds all values with a little room at both ends."""
    low, high = min(values), max(values)
    if log:
        room = max((high / low) ** 0.05, 1.05)
        return Scale(low / room, high * room, start, end, log=True)
    room = 0.05 * (high - low) or 0.05 * abs(high) or 0.5
    return Scale(low - room, high + room, start, end)


def spans_decades(values: Sequence[float]) -> bool:
    """Whether positive values span more than `LOG_SPAN`."""
    return min(values) > 0 and max(values) / min(values) > LOG_SPAN


def even_ticks(low: float, high: float, number: int) -> list[float]:
    """Round values in equal steps of 1, 2 or 5 times a power of ten."""
    wanted = 0.75 * (high - low) / max(1, number)
    power = 10.0 ** floor(log10(wanted))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= wanted)
    first, last = ceil(low / step - 1e-9), floor(high / step + 1e-9)
    return [round(position * step, 12) for position in range(first, last + 1)]


def log_ticks(low: float, high: float, number: int) -> list[float]:
    """1, 2 and 5 times powers of ten, or only powers of ten if those are enough."""
    powers = range(floor(log10(low)), ceil(log10(high)) + 1)
    for factors in ((1, 2, 5), (1, 3), (1,)):
        ticks = [factor * 10.0**power for power in powers for factor in factors]
        inside = [tick for tick in ticks if low <= tick <= high]
        if len(inside) <= number:
            break
    return inside


@dataclass(frozen=True)
class Frame:
    """A drawing area with its margins, in pixels."""

    width: float
    height: float
    left: float = 52
    right: float = 14
    top: float = 16
    bottom: float = 46

    @property
    def x_range(self) -> tuple[float, float]:
        """First and last pixel of the horizontal axis."""
        return self.left, self.width - self.right

    @property
    def y_range(self) -> tuple[float, float]:
        """First (lowest) and last pixel of the vertical axis."""
        return self.height - self.bottom, self.top

    def svg(self, name: str, content: str) -> str:
        """The drawing with a name that screen readers say."""
        return (
            f'<svg class="chart" role="img" aria-label="{name}" viewBox="0 0 {self.width:g} {self.height:g}" '
            f'width="{self.width:g}" height="{self.height:g}">{content}</svg>'
        )


def draw_x_axis(frame: Frame, scale: Scale, title: str, ticks: int) -> str:
    """Ticks and title below the chart."""
    base = frame.y_range[0]
    parts = [f'<line class="axis" x1="{frame.left}" x2="{frame.x_range[1]}" y1="{base}" y2="{base}"/>']
    for tick in scale.ticks(ticks):
        x = scale(tick)
        parts.append(f'<line class="axis" x1="{x}" x2="{x}" y1="{base}" y2="{base + 4}"/>')
        parts.append(f'<text class="tick" x="{x}" y="{base + 17}" text-anchor="middle">{tick:g}</text>')
    middle = (frame.x_range[0] + frame.x_range[1]) / 2
    parts.append(f'<text class="title" x="{middle:g}" y="{base + 36:g}" text-anchor="middle">{title}</text>')
    return "".join(parts)


def draw_y_axis(frame: Frame, scale: Scale, ticks: int, unit: str = "") -> str:
    """Ticks and grid lines; the unit stands at the uppermost tick."""
    parts = []
    values = scale.ticks(ticks)
    for tick in values:
        y = scale(tick)
        label = f"{abs(tick):g}{unit if tick == values[-1] else ''}"  # what is better low is drawn negated
        parts.append(f'<line class="grid" x1="{frame.left}" x2="{frame.x_range[1]}" y1="{y}" y2="{y}"/>')
        parts.append(
            f'<text class="tick" x="{frame.left - 8}" y="{y + 4:g}" text-anchor="end">{label}</text>'
        )
    return "".join(parts)
