"""What `edgenas measure` found on the device, beside what was predicted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgenas.report.markup import UNKNOWN, details, paragraph, quantity, table, text
from edgenas.report.run import Run, Winner


def measured_latency(run: Run, winner: Winner) -> str:
    """The measured latency that belongs below a winner's predicted one, where there is one."""
    for one in run.measurements(winner.trial_id):
        if one["predicted_ms"] is not None:  # of the same file, device, runtime and threads
            return f"<small>{quantity('latency_ms', one['latency_ms'])} measured</small>"
    return ""


def measured_files(run: Run) -> str:
    """Every measurement of the winners' files; empty where there is none."""
    measured = [one for winner in run.kept for one in run.measurements(winner.trial_id)]
    if not measured:
        return ""
    headers = ["File", "Where", "Measured", "5 to 95 %", "Predicted", "Off by", "Within its<br>interval"]
    shown = table(
        "Files of winners, as <code>edgenas measure</code> timed them; batch 1",
        headers,
        [_row(one) for one in measured],
        numeric=(2, 3, 4, 5),
        cards=True,
    )
    known = [inside for one in measured if (inside := _inside(one)) is not None]
    held = f"{sum(known)} of {len(known)} predictions hold it in their interval; nine in ten should."
    return details(
        f"Measured on the device ({len(measured)})", shown + (paragraph(held, "note") if known else "")
    )


def _row(one: Mapping[str, Any]) -> list[str]:
    predicted, inside = one["predicted_ms"], _inside(one)
    threads = f"{one['threads']} thread{'s' * (one['threads'] != 1)}"
    where = f"{one['device']}, {one['version'] or one['runtime']}, {threads}"
    return [
        f"{text(one['trial'])}/{text(one['file'])}",
        f"{text(where)}<small>{text(one['cpu'])}</small>",
        quantity("latency_ms", one["latency_ms"]),
        f"{quantity('latency_ms', one['low_ms'])} to {quantity('latency_ms', one['high_ms'])}",
        UNKNOWN if predicted is None else quantity("latency_ms", predicted),
        UNKNOWN if predicted is None else f"{100 * (predicted / one['latency_ms'] - 1):+.0f} %",
        UNKNOWN if inside is None else "yes" if inside else "no",
    ]


def _inside(one: Mapping[str, Any]) -> bool | None:
    """Whether the interval of the prediction holds what was measured; None where there is none."""
    low, high = one["predicted_low_ms"], one["predicted_high_ms"]
    return None if low is None or high is None else bool(low <= one["latency_ms"] <= high)
