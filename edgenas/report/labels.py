"""Place labels beside points so that they cover neither points nor each other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

CHARACTER_WIDTH = 6.9
LINE_HEIGHT = 15.0

Box = tuple[float, float, float, float]
"""Left, top, right, bottom in pixels."""


@dataclass
class Labels:
    """Finds free places within an area, one label after the other.

    Attributes:
        area: Where labels may lie.
        taken: What they must not cover.
    """

    area: Box
    taken: list[Box] = field(default_factory=list)

    def block(
        self,
        left: float,
        top: float,
        right: float | None = None,
        bottom: float | None = None,
        *,
        margin: float = 0.0,
    ) -> None:
        """Keep labels off a box, or off a point where no other corner is given."""
        right, bottom = left if right is None else right, top if bottom is None else bottom
        self.taken.append((left - margin, top - margin, right + margin, bottom + margin))

    def place(self, x: float, y: float, label: str) -> Box:
        """The best free box for a label that belongs to a point, and keep others off it."""
        width = CHARACTER_WIDTH * len(label)
        best = min(
            _places(x, y, width),
            key=lambda place: (self._outside(place[1]), self._covered(place[1]), place[0]),
        )
        self.taken.append(best[1])
        return best[1]

    def _outside(self, box: Box) -> bool:
        left, top, right, bottom = self.area
        return box[0] < left or box[1] < top or box[2] > right or box[3] > bottom

    def _covered(self, box: Box) -> float:
        return sum(_overlap(box, other) for other in self.taken)


def _places(x: float, y: float, width: float) -> Iterator[tuple[float, Box]]:
    """Boxes around a point with how far off they are, the usual places first."""
    half = LINE_HEIGHT / 2
    for ring, gap in enumerate((9.0, 18.0, 30.0, 44.0, 60.0, 80.0)):
        corners = [
            (x - width / 2, y - gap - LINE_HEIGHT),
            (x + gap, y - half),
            (x - gap - width, y - half),
            (x - width / 2, y + gap),
            (x + gap * 0.7, y - gap * 0.7 - LINE_HEIGHT),
            (x - gap * 0.7 - width, y - gap * 0.7 - LINE_HEIGHT),
            (x + gap * 0.7, y + gap * 0.7),
            (x - gap * 0.7 - width, y + gap * 0.7),
        ]
        for order, (left, top) in enumerate(corners):
            yield 10.0 * ring + order, (left, top, left + width, top + LINE_HEIGHT)


def _overlap(first: Box, second: Box) -> float:
    wide = min(first[2], second[2]) - max(first[0], second[0])
    high = min(first[3], second[3]) - max(first[1], second[1])
    return wide * high if wide > 0 and high > 0 else 0.0


def leader_line(x: float, y: float, box: Box) -> str:
    """A thin line from a point to its label, if that lies apart from it."""
    near_x = min(max(x, box[0]), box[2])
    near_y = min(max(y, box[1] + 2), box[3] - 2)
    if abs(near_x - x) + abs(near_y - y) < 16:
        return ""
    return f'<line class="leader" x1="{x:g}" y1="{y:g}" x2="{near_x:.1f}" y2="{near_y:.1f}"/>'
