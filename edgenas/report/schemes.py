"""The section on compression schemes: each winner under each, and which layer loses the accuracy."""

from __future__ import annotations

from edgenas.export.schemes import SchemeResult
from edgenas.report.markup import UNKNOWN, paragraph, points, quantity, table, text
from edgenas.report.run import Run, Winner
from edgenas.task import Task

MOST_LAYERS = 8

NOTE = (
    "Validation data choose: kept are the schemes that no other one beats in error, latency, RAM and "
    "flash together. “Zipped” is the size after deflate. Of schemes that train, the validation figure is "
    "that of the best epoch, so the test figure is the one to quote."
)


def schemes(run: Run) -> str:
    """The tables, or nothing where only full int8 was tried and it lost nothing."""
    tried = [w for w in run.kept if w.manifest and len(w.manifest.schemes) > 1]
    lossy = [w for w in run.kept if w.manifest and w.manifest.sensitivity]
    shown = "".join(_schemes(winner, run.task) for winner in tried)
    if tried:
        shown += paragraph(NOTE, "note")
    return shown + "".join(_layers(winner) for winner in lossy)


def _schemes(winner: Winner, task: Task) -> str:
    assert winner.manifest is not None
    headers = ["Scheme", "Test", "Validation", "Latency", "Peak RAM", "Flash", "Zipped", "Files"]
    tests = {file.file: file.figures("test").get(task.metric) for file in winner.files}
    rows = [_row(one, tests, task) for one in winner.manifest.schemes]
    caption = f"Trial {winner.trial_id} under each scheme: {task.full_label}"
    return table(caption, headers, rows, numeric=range(1, 7), cards=True)


def _row(one: SchemeResult, tests: dict[str, float | None], task: Task) -> list[str]:
    figures = (
        ("latency_ms", one.latency_ms),
        ("peak_ram_bytes", one.peak_ram_bytes),
        ("flash_bytes", one.flash_bytes),
        ("flash_bytes", one.compressed_bytes),
    )
    adopted = " <span class=best>model.int8</span>" if one.adopted else ""
    return [
        f"{text(one.scheme)}{adopted}",
        _figure(tests.get(one.files[0]) if one.files else None, task),
        _figure(one.figure(task), task),
        *(UNKNOWN if value is None else quantity(metric, value) for metric, value in figures),
        text(", ".join(one.files) or one.reason or ""),
    ]


def _figure(value: float | None, task: Task) -> str:
    return UNKNOWN if value is None else task.format(value)


def _layers(winner: Winner) -> str:
    assert winner.manifest is not None and winner.manifest.sensitivity is not None
    rows = [
        [text(entry["layer"]), text(entry["kind"]), points(entry["gain"])]
        for entry in winner.manifest.sensitivity[:MOST_LAYERS]
    ]
    caption = f"Trial {winner.trial_id}: what a layer would bring if it stayed in float"
    advice = "The scheme mixed-int8 leaves up to three such layers in float: add it to --schemes."
    shown = table(caption, ["Layer", "Operation", "Accuracy"], rows, numeric=(2,), cards=True)
    return shown + paragraph(advice, "note")
