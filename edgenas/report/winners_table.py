"""Winners side by side: their figures, what these rest on, and their files."""

from __future__ import annotations

from edgenas.cost.types import Cost
from edgenas.export.manifest import Artifact
from edgenas.report.markup import (
    UNKNOWN,
    details,
    device_warning,
    paragraph,
    percent,
    points,
    quantity,
    table,
    text,
)
from edgenas.report.run import Run, Winner

_ORIGINS = {
    "measured": "was measured on the device",
    "table": "is predicted: the sum of its layers as measured on the device",
    "predictor": "is predicted by a model fitted to measurements",
    "vela": "is simulated: what the compiler of the NPU estimates",
    "static": "is not known",
}


def winners_table(run: Run) -> str:
    """All figures of the winners, one row each, and their files."""
    if not run.kept:
        return paragraph("No winners yet.", "muted")
    headers = [
        "Trial", "Test<br>int8", "Validation<br>int8", "Validation<br>float", "int8 −<br>float", "Latency",
        "Peak RAM", "Flash", "MACs", "Params",
    ]  # fmt: skip
    rows = [_row(winner, best=winner is run.best) for winner in run.kept]
    caption = "The cheapest first; accuracies in percent, differences in points; costs for int8, batch 1"
    ids = [winner.trial_id for winner in run.kept]
    shown = table(caption, headers, rows, numeric=range(1, 10), cards=True, row_ids=ids)
    return shown + _notes(run) + device_warning(run.document("device")) + _files(run)


def _row(winner: Winner, *, best: bool) -> list[str]:
    cost = winner.trial.cost
    reference = winner.float_bundle if winner.float_bundle is not None else winner.float_val
    known = winner.int8_val is not None and reference is not None
    return [
        f"{text(winner.trial_id)}{' <span class=best>best</span>' if best else ''}",
        percent(winner.int8_test),
        percent(winner.int8_val),
        percent(winner.float_val),
        points((winner.int8_val or 0.0) - (reference or 0.0)) if known else UNKNOWN,
        _latency(cost),
        quantity("peak_ram_bytes", cost.peak_ram_bytes) + _measured_ram(winner),
        quantity("flash_bytes", winner.flash_bytes),
        quantity("macs", cost.macs),
        quantity("params", cost.params),
    ]


def _latency(cost: Cost) -> str:
    if cost.latency_ms is None:
        return UNKNOWN
    interval = ""
    if cost.latency_low_ms is not None and cost.latency_high_ms is not None:
        ends = (cost.latency_low_ms, cost.latency_high_ms)
        interval = f"<small>{' to '.join(quantity('latency_ms', end) for end in ends)}</small>"
    return quantity("latency_ms", cost.latency_ms) + interval


def _measured_ram(winner: Winner) -> str:
    measured = winner.arena_bytes
    return "" if measured is None else f"<small>{quantity('peak_ram_bytes', measured)} measured</small>"


def _notes(run: Run) -> str:
    cost = run.kept[0].trial.cost
    where = f"{text(cost.device)} with {text(cost.runtime)}"
    if cost.latency_ms is None:
        notes = [f"Nothing is known of latency on {where}."]
    else:
        threads = f"{cost.threads} thread{'s' * (cost.threads != 1)}"
        notes = [f"Latency is for {where}, {threads}, and {_ORIGINS[cost.source]}."]
        if cost.latency_low_ms is not None:
            notes.append("Nine times in ten the true value lies in the interval below it.")
    if any(winner.arena_bytes is not None for winner in run.kept):
        notes.append(
            "Peak RAM is predicted; “measured” is what TFLite Micro’s interpreter took on the machine that "
            "made the files."
        )
    else:
        notes.append("Peak RAM is predicted.")
    notes.append("Flash is the size of the int8 .tflite file; before it is written, its predicted size.")
    notes.append("The best is the one most accurate on validation data: the test set must not choose.")
    return paragraph(" ".join(notes), "note")


def _files(run: Run) -> str:
    rows = [_file_row(winner, file) for winner in run.kept for file in winner.files]
    if not rows:
        return ""
    headers = [
        "File", "Size", "Test<br>accuracy", "Same class<br>as Keras", "Largest<br>difference",
        "SHA-256 begins",
    ]  # fmt: skip
    note = paragraph(
        "“Same class as Keras” and “largest difference” (of one output probability) compare each file with "
        "the Keras model it was made from, on data held back from training.",
        "note",
    )
    shown = table("Files below <code>winners/</code>", headers, rows, numeric=(1, 2, 3, 4), cards=True)
    return details(f"Files of all winners ({len(rows)}) and how they agree with Keras", shown + note)


def _file_row(winner: Winner, file: Artifact) -> list[str]:
    return [
        f"{text(winner.trial_id)}/{text(file.file)}",
        quantity("flash_bytes", file.bytes),
        percent(file.accuracy.get("test")),
        percent(file.parity.agreement),
        f"{file.parity.max_abs_difference:.1g}",
        f'<code title="{text(file.sha256)}">{text(file.sha256[:12])}</code>',
    ]
