"""How files of each task agree with Keras, and how a device uses their outputs."""

from __future__ import annotations

from typing import Any

from edgenas.export.manifest import Artifact
from edgenas.report.markup import UNKNOWN, paragraph, percent, table, text
from edgenas.report.run import Run
from edgenas.task import CLASSIFICATION, Regression, Task

_HEADINGS = {
    "regression": "Difference from Keras",
    "anomaly": "Same ranking<br>as Keras",
}
_NOTES = {
    "regression": "“Difference from Keras” is the root mean square difference of an int8 file’s "
    "predictions from "
    "those of the Keras model it was made from, as a share of the targets’ standard deviation, on "
    "inputs held back "
    "from training. “Largest difference” is of one standardized output.",
    "anomaly": "“Same ranking as Keras” is the rank correlation (Spearman) of an int8 file’s scores "
    "with those of "
    "the Keras model it was made from, on inputs held back from training. “Largest difference” is of "
    "one value of "
    "a reconstruction.",
}


def agreement_heading(task: Task) -> str:
    """Heading of the column of `agreement`, as HTML."""
    return _HEADINGS.get(task.name, "Same class<br>as Keras")


def agreement(task: Task, file: Artifact) -> str:
    """How far a file agrees with Keras, in the figure of its task."""
    if task == CLASSIFICATION:
        return percent(file.parity.agreement)
    figures = file.parity.figures
    if "relative_difference" in figures:
        return percent(figures["relative_difference"])
    return f"{figures['score_correlation']:.3f}" if "score_correlation" in figures else UNKNOWN


def agreement_note(task: Task) -> str:
    """What `agreement` compares."""
    return _NOTES.get(
        task.name,
        "“Same class as Keras” and “largest difference” (of one output probability) compare each file with "
        "the Keras model it was made from, on data held back from training.",
    )


def use_of_outputs(run: Run) -> str:
    """What a device does with the outputs of each winner's int8 file; nothing for a classifier."""
    files = {winner.trial_id: file for winner in run.kept if (file := winner.tflite("int8")) and file.use}
    if not files:
        return ""
    if isinstance(run.task, Regression):
        return _of_regression(run.task, files)
    return _of_anomaly(files)


def _of_regression(task: Regression, files: dict[str, Artifact]) -> str:
    units = zip(task.names, task.scale, task.offset, strict=True)
    undone = "; ".join(f"{text(name)} = output × {scale:.6g} + {offset:.6g}" for name, scale, offset in units)
    words = f"Networks give standardized targets; a device undoes that: <code>{undone}</code>."
    steps = {
        trial: ", ".join(f"{step:.3g}" for step in file.use["output_step"])
        for trial, file in files.items()
        if "output_step" in file.use
    }
    words += (
        " One step of the int8 output is, in units of the target: "
        + "; ".join(f"{text(step)} (trial {text(trial)})" for trial, step in steps.items())
        + "."
    )
    coarse = [trial for trial, file in files.items() if file.use.get("coarse")]
    if coarse:
        words += (
            f" <b>That is coarse</b> against the RMSE for trial {text(', '.join(coarse))}: take the "
            "float file where "
            "it matters."
        )
    return paragraph(words, "note")


def _of_anomaly(files: dict[str, Artifact]) -> str:
    rows = [
        [
            text(trial),
            f"{file.use['threshold']:.6g}",
            *(
                _share(file.use, split, kind)
                for split in ("validation", "test")
                for kind in ("found", "false_alarms")
            ),
        ]
        for trial, file in files.items()
    ]
    headers = [
        "Trial", "Threshold", "Found,<br>validation", "False alarms,<br>validation", "Found,<br>test",
        "False alarms,<br>test",
    ]  # fmt: skip
    first = next(iter(files.values())).use
    caption = (
        "The int8 file’s score above which an input counts as anomalous: that of the "
        f"{100 * first['quantile']:g}th "
        f"percentile of {first['threshold_inputs']:,} normal training inputs"
    )
    return table(caption, headers, rows, numeric=range(1, 6), cards=True)


def _share(use: Any, split: str, kind: str) -> str:
    return percent(use[split][kind]) if split in use else UNKNOWN
