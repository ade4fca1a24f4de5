"""The few pieces of HTML that every section is written with; data always pass `text` first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from math import isfinite
from typing import Any

from edgenas.search.objective import format_metric
from edgenas.task import CLASSIFICATION, Task

UNKNOWN = '<span class="unknown" title="not known (yet)">–</span>'


def text(value: Any) -> str:
    """Data as HTML text, also safe within a quoted attribute."""
    return escape(str(value), quote=True)


def percent(share: float | None, digits: int = 1) -> str:
    """A share of 0 to 1 in percent, or a dash."""
    return UNKNOWN if share is None else f"{100 * share:.{digits}f}&nbsp;%"


def shown(task: Task, value: float | None) -> str:
    """A task's figure with its unit on one line, or a dash."""
    if value is None or task == CLASSIFICATION:
        return percent(value)
    return text(task.format(value)).replace(" ", "&nbsp;")


def gained(task: Task, difference: float) -> str:
    """A difference of two figures with its sign: points for accuracies."""
    return points(difference) if task == CLASSIFICATION else text(task.format_difference(difference))


def quantity(metric: str, value: float) -> str:
    """A cost with its unit, on one line."""
    return text(format_metric(metric, value)).replace(" ", "&nbsp;")


def points(difference: float) -> str:
    """A difference of two shares in percentage points, with its sign."""
    value = round(100 * difference, 1)
    return f"{'−' if value < 0 else '+' if value > 0 else '±'}{abs(value):.1f}"


def count(number: int, one: str, many: str | None = None) -> str:
    """A number with its noun, for example ``3 networks``."""
    return f"{number:,}&nbsp;{one if number == 1 else many or one + 's'}"


def listed(words: Sequence[str]) -> str:
    """Words as a list within a sentence: ``a, b and c``."""
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)


def duration(seconds: float | None) -> str:
    """Seconds as people say them."""
    if seconds is None or not isfinite(seconds):
        return UNKNOWN
    if seconds < 60:
        return f"{seconds:.1f}&nbsp;s"
    minutes = round(seconds / 60)
    return f"{minutes}&nbsp;min" if minutes < 120 else f"{minutes // 60}&nbsp;h {minutes % 60}&nbsp;min"


def section(anchor: str, title: str, *parts: str) -> str:
    """A section with a heading that can be linked to."""
    heading = f'<h2 id="{anchor}-h">{title}</h2>'
    return f'<section id="{anchor}" aria-labelledby="{anchor}-h">{heading}{"".join(parts)}</section>\n'


def paragraph(content: str, kind: str = "") -> str:
    """A paragraph of HTML."""
    return f'<p class="{kind}">{content}</p>' if kind else f"<p>{content}</p>"


def device_warning(device: Mapping[str, Any]) -> str:
    """What speaks against the latencies of this device, or nothing."""
    note = device.get("note")
    return paragraph(f"<b>Latencies may be wrong:</b> {text(note)}", "warning") if note else ""


def table(
    caption: str,
    headers: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    numeric: Sequence[int] = (),
    cards: bool = False,
    row_ids: Sequence[str] = (),
) -> str:
    """A table whose first column names the rows.

    Args:
        caption: What it shows, as HTML.
        headers: One heading a column, as HTML.
        rows: Cells as HTML.
        numeric: Positions of columns with figures, which are right-aligned.
        cards: Whether a narrow screen shows each row as a card instead of scrolling sideways.
        row_ids: Trial ids that the chart highlights together with their rows.
    """
    kinds = ["num" if position in numeric else "" for position in range(len(headers))]
    head = "".join(
        f'<th scope="col" role="columnheader"{_kind(kind)}>{header}</th>'
        for header, kind in zip(headers, kinds, strict=True)
    )
    body = []
    for number, row in enumerate(rows):
        trial = f' data-trial="{text(row_ids[number])}"' if row_ids else ""
        cells = "".join(
            f'<td role="cell"{_kind(kind)} data-label="{_plain(header)}">{cell}</td>'
            for cell, header, kind in list(zip(row, headers, kinds, strict=True))[1:]
        )
        body.append(f'<tr role="row"{trial}><th scope="row" role="rowheader">{row[0]}</th>{cells}</tr>')
    kind = ' class="cards"' if cards else ""
    return (
        f'<div class="scroll"><table role="table"{kind}><caption>{caption}</caption>'
        f'<thead role="rowgroup"><tr role="row">{head}</tr></thead>'
        f'<tbody role="rowgroup">{"".join(body)}</tbody></table></div>'
    )


def _kind(kind: str) -> str:
    return f' class="{kind}"' if kind else ""


def _plain(header: str) -> str:
    return header.replace("<br>", " ").replace("&nbsp;", " ")


def figure(content: str, caption: str, kind: str = "") -> str:
    """A chart with its caption."""
    return f'<figure class="{kind}">{content}<figcaption>{caption}</figcaption></figure>'


def two_sizes(wide: str, narrow: str) -> str:
    """One drawing for wide screens and one for narrow ones; style sheets show one of them."""
    return f'<div class="wide">{wide}</div><div class="narrow">{narrow}</div>'


def details(summary: str, content: str, *, is_open: bool = False) -> str:
    """Content that opens on demand."""
    return f"<details{' open' if is_open else ''}><summary>{summary}</summary>{content}</details>"
