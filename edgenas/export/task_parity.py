"""Files of tasks that have no classes: how far int8 agrees with Keras, how good it is, how it is used.

A file of a regression is held to Keras by its numbers, relative to how far the targets spread. One
of an anomaly detector is held to what its scores are for: telling anomalous from normal inputs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from edgenas.errors import ParityError
from edgenas.export.parity import MOST_IMAGES, Parity, float_parity, int8_parity
from edgenas.export.running import Program
from edgenas.task import CLASSIFICATION, Anomaly, Regression, Task
from edgenas.task.task import flat

INT8_DEVIATION = 0.1
"""Largest difference of int8 targets from Keras's, root mean square, in their standard deviations."""

INT8_AUC_LOSS = 0.02
"""Most of the area under the curve that int8 may lose."""

INT8_CORRELATION = 0.9
"""Least rank correlation of int8 scores with Keras's."""

COARSE = 0.35
"""Output step over RMSE from which rounding alone adds some half a percent to the RMSE."""

RESAMPLES = 300
"""Bootstrap resamples of an interval."""


def parity_of(
    task: Task,
    file: str,
    precision: str,
    outputs: np.ndarray,
    reference: np.ndarray,
    held_back: tuple[np.ndarray, np.ndarray],
    *,
    step: float,
) -> Parity:
    """Compare a file of any task and precision with its Keras model.

    Args:
        task: What the network is for.
        file: Name of the file.
        precision: In what it computes.
        outputs: Its outputs as float32 (n, ...).
        reference: Keras' outputs for the first of the same inputs, or for all.
        held_back: Inputs and labels.
        step: Step of the file's output; 0 if it is computed in float.

    Raises:
        ParityError: The file differs by more than is allowed.
    """
    classifies = task == CLASSIFICATION
    if precision != "float32" and not classifies:
        return task_parity(task, file, outputs, reference, *held_back, step=step)
    outputs, reference = outputs[:MOST_IMAGES], reference[:MOST_IMAGES]
    if precision == "float32":
        return float_parity(file, outputs, reference, classes=classifies)
    return int8_parity(file, outputs, reference, step)


def task_parity(
    task: Task,
    file: str,
    outputs: np.ndarray,
    reference: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    *,
    step: float,
) -> Parity:
    """Compare a quantized file with Keras, for a task without classes.

    Args:
        task: A regression or an anomaly detection.
        file: Name of the file.
        outputs: Its outputs as float32 (n, ...).
        reference: Keras' outputs for the same inputs.
        x: Those inputs.
        y: Their labels.
        step: Step of the file's output; 0 if it is computed in float.

    Returns:
        With ``relative_difference`` (root mean square, in standard deviations of the targets) for a
        regression, ``auc_loss`` and ``score_correlation`` for an anomaly detector.

    Raises:
        ParityError: The file differs by more than is allowed.
    """
    difference = float(np.abs(outputs - reference).max())
    if isinstance(task, Anomaly):
        figures, bound = _anomaly_figures(task, outputs, reference, x, y), INT8_AUC_LOSS
        if not (figures["auc_loss"] <= bound and figures["score_correlation"] >= INT8_CORRELATION):
            raise ParityError(
                f"{file}: its AUC is {figures['auc_loss']:.3f} below Keras's and its scores have a "
                "rank correlation "
                f"of {figures['score_correlation']:.2f} with Keras's on {len(x)} inputs, at most "
                f"{bound} and at "
                f"least {INT8_CORRELATION} are expected; give more calibration inputs like those in "
                "use, or train longer"
            )
        return Parity(len(x), None, 0, difference, bound, figures)
    assert isinstance(task, Regression)
    spread = float(np.sqrt(task.targets(x, y).var(axis=0).sum()))
    relative = float(np.sqrt(np.mean((flat(outputs) - flat(reference)) ** 2, axis=0).sum())) / spread
    bound = max(INT8_DEVIATION, step / spread)
    if not relative <= bound:
        raise ParityError(
            f"{file}: targets differ from Keras's by {relative:.2f} of their standard deviation on "
            f"{len(x)} inputs, "
            f"at most {bound:.2f} is expected; give more calibration inputs like those in use, or "
            "train longer"
        )
    return Parity(len(x), None, 0, difference, bound, {"relative_difference": relative})


def _anomaly_figures(
    task: Anomaly, outputs: np.ndarray, reference: np.ndarray, x: np.ndarray, y: np.ndarray
) -> dict[str, float]:
    ours, theirs = task.scores(outputs, x), task.scores(reference, x)
    loss = task.figures(reference, x, y)["auc"] - task.figures(outputs, x, y)["auc"]
    return {"auc_loss": loss, "score_correlation": rank_correlation(ours, theirs)}


def rank_correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Spearman's correlation of two rows of numbers without many ties."""
    ranks = [np.argsort(np.argsort(row, kind="stable"), kind="stable") for row in (first, second)]
    return float(np.asarray(np.corrcoef(np.array(ranks, np.float64)))[0, 1])


def judge(
    task: Task,
    program: Program,
    outputs: Mapping[str, np.ndarray],
    splits: Mapping[str, tuple[np.ndarray, np.ndarray]],
    normal: np.ndarray,
) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
    """How good a file is on each split, and what a device needs to use it.

    Args:
        task: A regression or an anomaly detection.
        program: The file.
        outputs: Its outputs by split.
        splits: Inputs and labels by split.
        normal: Training inputs for a threshold.

    Returns:
        Figures by split, with a 95 % ``interval`` of the first figure on the test split; and the use.
    """
    metrics: dict[str, dict[str, Any]] = {}
    for part, out in outputs.items():
        metrics[part] = dict(task.figures(out, *splits[part]))
        if part == "test":
            metrics[part]["interval"] = list(interval(task, out, *splits[part]))
    if isinstance(task, Anomaly):
        threshold = task.threshold(task.scores(program.run(normal), normal))
        use: dict[str, Any] = {
            "threshold": threshold,
            "quantile": task.quantile,
            "threshold_inputs": len(normal),
        }
        for part, out in outputs.items():
            use[part] = alarms(task, threshold, out, *splits[part])
        return metrics, use
    assert isinstance(task, Regression)
    return metrics, output_step(task, program, metrics["validation"])


def alarms(
    task: Anomaly, threshold: float, outputs: np.ndarray, x: np.ndarray, y: np.ndarray
) -> dict[str, float]:
    """Shares of normal and of anomalous inputs above a threshold: ``false_alarms`` and ``found``."""
    above, anomalous = task.scores(outputs, x) > threshold, y.reshape(-1) != 0
    return {"false_alarms": float(above[~anomalous].mean()), "found": float(above[anomalous].mean())}


def output_step(task: Regression, program: Program, figures: Mapping[str, Any]) -> dict[str, Any]:
    """The distance of two neighbouring outputs in units of each target, and whether that is coarse."""
    if not program.step:
        return {}
    coarse = program.step > COARSE * figures["relative_rmse"]
    return {"output_step": [program.step * scale for scale in task.scale], "coarse": bool(coarse)}


def interval(task: Task, outputs: np.ndarray, x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """95 % interval of a task's first figure: percentiles of seeded bootstrap resamples (Efron 1979)."""
    rng = np.random.default_rng(0)
    outputs, x = task.condensed(outputs, x)
    found = []
    for _ in range(RESAMPLES):
        rows = rng.integers(0, len(y), len(y))
        found.append(task.figures(outputs[rows], x[rows], y[rows])[task.metric])
    low, high = np.nanpercentile(found, [2.5, 97.5])
    return float(low), float(high)
