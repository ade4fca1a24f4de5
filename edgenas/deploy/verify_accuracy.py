"""How good a bundle's files are, measured again on data, in the figures of its task."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import cast

import numpy as np

from edgenas.captured import captured
from edgenas.data.dataset import Dataset
from edgenas.data.prepared import Prepared
from edgenas.deploy.checks import Check
from edgenas.deploy.verify_runtimes import RUNTIMES
from edgenas.export.manifest import Artifact, Manifest
from edgenas.export.task_parity import alarms
from edgenas.task import CLASSIFICATION, Anomaly, Task

ALLOWED = 0.005
"""What kernels of another processor may change of the task's error: of the share of wrong classes, of the
relative RMSE, of 1 - AUC."""


def accuracy_checks(folder: Path, manifest: Manifest, dataset: Dataset) -> Iterator[Check]:
    """Run each file on the whole test split.

    Data other than those that the manifest was made with are measured too, but not compared.
    """
    loading = manifest.description.get("data_loading", {})
    fingerprint = loading.get("fingerprint")
    other = "the manifest does not say on which data it was made, so not compared"
    if fingerprint is not None:
        other = "" if fingerprint == dataset.fingerprint else "not the data of the manifest, so not compared"
    shape = manifest.artifacts[0].input.shape[1:]
    inputs = cast(np.ndarray, Prepared(dataset.test.x, dataset.normalization, tuple(shape)))
    for artifact in manifest.artifacts:
        package, name, load = RUNTIMES[artifact.format]
        if find_spec(package) is None:
            yield Check(artifact.file, name, None, f"{package} is not installed")
            continue
        with captured():
            outputs = load((folder / artifact.file).read_bytes()).run(inputs)
        figures = manifest.task.figures(outputs, inputs, dataset.test.y)
        more = _alarms(manifest.task, artifact, outputs, inputs, dataset.test.y)
        yield _compared(manifest.task, artifact, name, figures, f"{len(inputs)} test inputs{more}", other)


def _compared(
    task: Task, artifact: Artifact, name: str, found: Mapping[str, float], where: str, other: str
) -> Check:
    detail = f"{_words(task, found)} on {where}"
    expected = artifact.figures("test")
    if other:
        return Check(artifact.file, name, True, f"{detail}; {other}")
    if not expected:
        return Check(artifact.file, name, True, f"{detail}; the manifest has no figure to compare with")
    detail = f"{detail}, {_value(task, expected)} in the manifest"
    return Check(artifact.file, name, abs(task.error(found) - task.error(expected)) <= ALLOWED, detail)


def _words(task: Task, figures: Mapping[str, float]) -> str:
    if task == CLASSIFICATION:
        return f"{_value(task, figures)} right"
    return f"{task.full_label.partition(' (')[0]} {_value(task, figures)}"


def _value(task: Task, figures: Mapping[str, float]) -> str:
    figure = figures[task.metric]
    return f"{figure:.2%}" if task == CLASSIFICATION else task.format(figure)


def _alarms(task: Task, artifact: Artifact, outputs: np.ndarray, x: np.ndarray, y: np.ndarray) -> str:
    """What the threshold of an anomaly detector brings on the same inputs."""
    if not isinstance(task, Anomaly) or "threshold" not in artifact.use:
        return ""
    shares = alarms(task, artifact.use["threshold"], outputs, x, y)
    return f" ({shares['found']:.1%} of anomalies found, {shares['false_alarms']:.1%} false alarms)"
