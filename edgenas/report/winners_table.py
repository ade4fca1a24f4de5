"""Winners side by side: their figures, what these rest on, and their files."""

from __future__ import annotations

from edgenas.cost.types import Cost
from edgenas.export.manifest import Artifact
from edgenas.report.markup import (
    UNKNOWN,
    details,
    device_warning,
    gained,
    paragraph,
    quantity,
    shown,
    table,
    text,
)
from edgenas.report.measured import measured_files, measured_latency
from edgenas.report.outputs import agreement, agreement_heading, agreement_note, use_of_outputs
from edgenas.report.run import Run, Winner
from edgenas.task import CLASSIFICATION

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
    rows = [_row(run, winner, best=winner is run.best) for winner in run.kept]
    figures = "accuracies in percent, differences in points"
    if run.task != CLASSIFICATION:
        figures = f"figures are {text(run.task.full_label)}"
    caption = f"The cheapest first; {figures}; costs for int8, batch 1"
    ids = [winner.trial_id for winner in run.kept]
    winners = table(caption, headers, rows, numeric=range(1, 10), cards=True, row_ids=ids)
    return (
        winners + use_of_outputs(run) + _notes(run) + device_warning(run.document("device"))
        + measured_files(run) + _files(run)
    )  # fmt: skip


def _row(run: Run, winner: Winner, *, best: bool) -> list[str]:
    cost = winner.trial.cost
    reference = winner.float_bundle if winner.float_bundle is not None else winner.float_val
    known = winner.int8_val is not None and reference is not None
    return [
        f"{text(winner.trial_id)}{' <span class=best>best</span>' if best else ''}",
        shown(winner.task, winner.int8_test),
        shown(winner.task, winner.int8_val),
        shown(winner.task, winner.float_val),
        gained(winner.task, (winner.int8_val or 0.0) - (reference or 0.0)) if known else UNKNOWN,
        _latency(cost) + measured_latency(run, winner),
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
    best = "most accurate" if run.task == CLASSIFICATION else f"of the best {run.task.label}"
    notes.append(f"The best is the one {best} on validation data: the test set must not choose.")
    return paragraph(" ".join(notes), "note")


def _files(run: Run) -> str:
    rows = [_file_row(winner, file) for winner in run.kept for file in winner.files]
    if not rows:
        return ""
    headers = [
        "File", "Size", f"Test<br>{text(run.task.label)}", agreement_heading(run.task),
        "Largest<br>difference", "SHA-256 begins",
    ]  # fmt: skip
    note = paragraph(agreement_note(run.task), "note")
    shown_files = table("Files below <code>winners/</code>", headers, rows, numeric=(1, 2, 3, 4), cards=True)
    return details(f"Files of all winners ({len(rows)}) and how they agree with Keras", shown_files + note)


def _file_row(winner: Winner, file: Artifact) -> list[str]:
    return [
        f"{text(winner.trial_id)}/{text(file.file)}",
        quantity("flash_bytes", file.bytes),
        shown(winner.task, file.figures("test").get(winner.task.metric)),
        agreement(winner.task, file),
        f"{file.parity.max_abs_difference:.1g}",
        f'<code title="{text(file.sha256)}">{text(file.sha256[:12])}</code>',
    ]
