"""A network drawn operation by operation: its course with skip connections, shapes and cost bars."""

from __future__ import annotations

from collections.abc import Sequence

from edgenas.arch.graph import Shape
from edgenas.report.markup import text
from edgenas.report.operations import OpRow
from edgenas.search.objective import format_metric

ROW = 30
"""Height of one row in pixels; the style sheet fixes table rows to the same."""

COURSE = 58
SPINE = 44


def draw_network(rows: Sequence[OpRow], input_shape: Shape, name: str) -> str:
    """A table with one row an operation, and the course of the data drawn along its left side."""
    timed = any(row.latency_ms is not None for row in rows)
    heads = ["Block", "Operation", "Output", "MACs", "Weights", *(["Latency"] if timed else [])]
    kinds = ["block", "", "shape", "bar", "bar", "bar"]
    head = "".join(
        f'<th scope="col" class="{kind}">{title}</th>' for title, kind in zip(heads, kinds, strict=False)
    )
    body = [_input_row(rows, input_shape, len(heads))]
    body += [_row(rows, number, timed) for number in range(len(rows))]
    return (
        f'<div class="scroll"><table class="network"><caption class="hidden">{text(name)}</caption>'
        f"<thead><tr><td></td>{head}</tr></thead><tbody>{''.join(body)}</tbody></table></div>"
    )


def _input_row(rows: Sequence[OpRow], input_shape: Shape, columns: int) -> str:
    return (
        f'<tr><td class="course" rowspan="{len(rows) + 1}">{_course(rows)}</td>'
        f'<td class="block"></td><th scope="row">input</th><td class="shape">{_shape(input_shape)}</td>'
        f'<td colspan="{columns - 3}"></td></tr>'
    )


def _row(rows: Sequence[OpRow], number: int, timed: bool) -> str:
    row = rows[number]
    starts = number == 0 or rows[number - 1].block != row.block or not row.block
    block = text(row.block) if starts else f'<span class="hidden">{text(row.block)}</span>'
    bars = [
        _bar(row.macs, max(r.macs for r in rows), format_metric("macs", row.macs)),
        _bar(row.weight_bytes, max(r.weight_bytes for r in rows), _bytes(row.weight_bytes)),
    ]
    if timed:
        slowest = max(r.latency_ms or 0.0 for r in rows)
        bars.append(_bar(row.latency_ms or 0.0, slowest, format_metric("latency_ms", row.latency_ms or 0.0)))
    first = ' class="first"' if starts and row.block else ""
    return (
        f'<tr{first}><td class="block">{block}</td>'
        f'<th scope="row"><i class="key {row.family}"></i>{text(row.words)}</th>'
        f'<td class="shape">{_shape(row.shape)}</td>{"".join(bars)}</tr>'
    )


def _shape(shape: Shape | None) -> str:
    return "" if shape is None else "×".join(str(size) for size in shape)


def _bytes(number: int) -> str:
    return f"{number} B" if number < 1024 else f"{number / 1024:.1f} KiB"


def _bar(value: float, largest: float, label: str) -> str:
    if not value:
        return '<td class="bar none">–</td>'
    share = 100 * value / largest
    return (
        f'<td class="bar">{text(label)}'
        '<svg aria-hidden="true" viewBox="0 0 100 4" preserveAspectRatio="none">'
        f'<rect class="rail" width="100" height="4"/><rect width="{share:.1f}" height="4"/></svg></td>'
    )


def _course(rows: Sequence[OpRow]) -> str:
    """A line through all operations, with an arc for each input that is not the row before."""
    height = ROW * (len(rows) + 1)
    skips = sum(source != number - 1 for number, row in enumerate(rows) for source in row.sources)
    parts = []
    for number, row in enumerate(rows):
        for source in row.sources:
            start, end = _middle(source), _middle(number)
            if source == number - 1:
                parts.append(f'<line class="flow" x1="{SPINE}" x2="{SPINE}" y1="{start}" y2="{end}"/>')
            else:
                parts.append(_arc(start, end))
    parts.append(f'<circle class="node input" cx="{SPINE}" cy="{_middle(-1)}" r="4"/>')
    parts += [
        f'<circle class="node {row.family}" cx="{SPINE}" cy="{_middle(number)}" r="5.5"/>'
        for number, row in enumerate(rows)
    ]
    words = f"{len(rows)} operations in order, {skips or 'no'} skip connection{'' if skips == 1 else 's'}"
    return (
        f'<svg role="img" aria-label="{words}" width="{COURSE}" height="{height}" '
        f'viewBox="0 0 {COURSE} {height}">{"".join(parts)}</svg>'
    )


def _middle(row: int) -> int:
    return ROW * (row + 1) + ROW // 2


def _arc(start: int, end: int) -> str:
    depth = SPINE - min(SPINE - 4, 16 + (end - start) / 9)
    return (
        f'<path class="skip" '
        f'd="M{SPINE - 5} {start}C{depth:.0f} {start} {depth:.0f} {end} {SPINE - 7} {end}"/>'
        f'<path class="arrow" d="M{SPINE - 6} {end}l-7-3.5v7z"/>'
    )


def draw_silhouette(rows: Sequence[OpRow], input_shape: Shape) -> str:
    """A small strip: one bar an operation, as high as its feature map, with arcs for skip connections."""
    step, base = 8, 44
    sides = [row.shape[0] if row.shape and len(row.shape) == 3 else 0 for row in rows]
    parts = []
    for number, (row, side) in enumerate(zip(rows, sides, strict=True)):
        high = max(3.0, 28 * side / input_shape[0])
        parts.append(
            f'<rect class="node {row.family}" x="{number * step}" y="{base - high:.1f}" width="6" '
            f'height="{high:.1f}" rx="1"/>'
        )
        for source in row.sources:
            if source != number - 1:
                start, end = source * step + 3, number * step + 3
                top = base - max(3.0, 28 * max(sides[max(source, 0) : number + 1]) / input_shape[0]) - 2
                parts.append(
                    f'<path class="skip" d="M{start} {top:.1f}C{start} {top - 10:.1f} {end} {top - 10:.1f} '
                    f'{end} {top:.1f}"/>'
                )
    width = len(rows) * step
    return (
        f'<svg class="silhouette" aria-hidden="true" viewBox="0 0 {width} {base + 1}" width="{width}" '
        f'height="{base + 1}">{"".join(parts)}</svg>'
    )
