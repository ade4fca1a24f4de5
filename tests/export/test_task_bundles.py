"""Bundles of a regression and of an anomaly detector: trained for real, proven, used as a device would."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgenas.arch.space import SPACES
from edgenas.build.twin import twin
from edgenas.data import Dataset, from_arrays, prepare
from edgenas.errors import ParityError
from edgenas.export.bundle import export_bundle
from edgenas.export.manifest import MANIFEST_NAME, Manifest, read_manifest
from edgenas.export.running import load_tflite
from edgenas.export.task_parity import task_parity
from edgenas.task import Anomaly, Regression
from edgenas.train.job import fresh_model
from edgenas.train.recipe import Recipe
from edgenas.train.trainer import TrainResult, train

RNG = np.random.default_rng(0)
X = RNG.normal(size=(400, 8)).astype(np.float32)
Y = np.stack([1000 + 50 * (X[:, 0] + X[:, 1] * X[:, 2]), 0.1 * X[:, 3]], axis=1)
LOW = (RNG.normal(size=(400, 2)) @ RNG.normal(size=(2, 8))).astype(np.float32)
"""Normal inputs lie on a plane."""
ODD = np.arange(400) % 8 == 0
RECIPE = Recipe(25, 240, 32, optimizer="adamw", learning_rate=0.01, patience=20)

Made = tuple[TrainResult, Manifest, Dataset, Path]


def made(data: Dataset, choices: dict[str, object], folder: Path) -> Made:
    """A network of space `dense`, trained and exported."""
    space = SPACES.get("dense")(data.input_shape, data.outputs, data.task.head)
    spec = space.from_choices({"activation": "relu", "batch_norm": False, **choices})  # type: ignore[dict-item]
    ready = {
        part: (prepare(split.x, data.normalization, data.input_shape), split.y)
        for part, split in data.splits.items()
    }
    model = fresh_model(spec)
    result = train(model, ready["train"], ready["validation"], RECIPE, task=data.task)
    manifest = export_bundle(
        twin(spec, model.get_weights()), out_dir=folder, input_shape=data.input_shape,
        calibration=ready["train"][0][:200], held_back=ready["validation"], test=ready["test"],
        task=data.task, normal=ready["train"][0],
    )  # fmt: skip
    return result, manifest, data, folder


@pytest.fixture(scope="module")
def regression(tmp_path_factory: pytest.TempPathFactory) -> Made:
    data = from_arrays(X, Y, task="regression", class_names=["far", "near"])
    choices = {"depth": 2, "l1_width": 32, "l2_width": 32}
    return made(data, choices, tmp_path_factory.mktemp("regression") / "bundle")


@pytest.fixture(scope="module")
def anomaly(tmp_path_factory: pytest.TempPathFactory) -> Made:
    x = np.where(ODD[:, None], LOW + RNG.normal(size=LOW.shape), LOW).astype(np.float32)
    data = from_arrays(x, ODD.astype(int), task="anomaly")
    choices = {"coder_depth": 1, "coder_width": 16, "middle": 2}
    return made(data, choices, tmp_path_factory.mktemp("anomaly") / "bundle")


def on_device(made: Made, part: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What the int8 file gives for a split, from raw inputs."""
    _, _, data, folder = made
    split = data.splits[part]
    x = prepare(split.x, data.normalization, data.input_shape)
    return load_tflite((folder / "model.int8.tflite").read_bytes()).run(x), x, split.y


def test_a_training_is_judged_by_the_task(regression: Made, anomaly: Made) -> None:
    for (result, _, _, _), figure in ((regression, "relative_rmse"), (anomaly, "auc")):
        assert result.val_accuracy is None and result.val_error is not None and result.error < 0.5
        best = min(entry["val_error"] for entry in result.history)
        assert result.error == best  # the epoch kept
        assert result.metrics[figure] == pytest.approx(best if figure != "auc" else 1 - best)


def test_a_manifest_says_what_outputs_mean_and_is_read_again(regression: Made, anomaly: Made) -> None:
    for _, manifest, data, folder in (regression, anomaly):
        document = json.loads((folder / MANIFEST_NAME).read_text())
        assert document["schema"] == 2 and document["task"]["name"] == data.task.name
        assert document["keras_accuracy"] is None and manifest.keras_metrics[data.task.metric] > 0
        assert read_manifest(folder) == manifest
        assert manifest.tflite_micro is None or manifest.tflite_micro.agreement is None


def test_a_device_gets_targets_from_the_int8_file(regression: Made) -> None:
    _, manifest, data, _ = regression
    task = manifest.task
    assert task == data.task and isinstance(task, Regression)
    outputs, _, y = on_device(regression, "test")
    far, near = (task.restore(outputs) - y).T
    file = manifest.artifact("model.int8.tflite")
    assert file.metrics["test"]["rmse_far"] == pytest.approx(np.sqrt(np.mean(far**2)))
    assert file.metrics["test"]["mae_near"] == pytest.approx(np.mean(np.abs(near)))
    low, high = file.metrics["test"]["interval"]
    assert low <= file.metrics["test"]["relative_rmse"] <= high < 1
    assert 0 < file.parity.figures["relative_difference"] < file.parity.bound
    steps = [file.output.scale * scale for scale in task.scale]
    assert file.use["output_step"] == pytest.approx(steps) and file.use["coarse"] is False
    assert manifest.artifact("model.float32.tflite").use == {}


def test_a_device_tells_anomalies_by_the_threshold(anomaly: Made) -> None:
    _, manifest, data, _ = anomaly
    task = manifest.task
    assert isinstance(task, Anomaly)
    outputs, x, y = on_device(anomaly, "test")
    scores = np.mean((outputs - x) ** 2, axis=1)
    use = manifest.artifact("model.int8.tflite").use
    assert use["quantile"] == 0.99 and use["threshold_inputs"] == len(data.train)
    assert use["test"]["found"] == pytest.approx(np.mean(scores[y == 1] > use["threshold"]))
    assert use["test"]["false_alarms"] == pytest.approx(np.mean(scores[y == 0] > use["threshold"]))
    above = on_device(anomaly, "train")
    assert np.mean(task.scores(above[0], above[1]) > use["threshold"]) == pytest.approx(0.01, abs=0.01)
    figures = manifest.artifact("model.int8.tflite").metrics["test"]
    assert figures["auc"] > 0.8 and figures["interval"][0] <= figures["auc"] <= figures["interval"][1]


def broken(task: Regression | Anomaly, spoil: Callable[[np.ndarray], np.ndarray]) -> None:
    x = X[:100]
    y = Y[:100, :1] if isinstance(task, Regression) else ODD[:100].astype(int)
    good = (
        task.targets(x, y) if isinstance(task, Regression) else np.where(ODD[:100, None], x + 1, x + x * 0.1)
    )
    task_parity(task, "good", good, good, x, y, step=0.01)
    task_parity(task, "near", good + 0.01, good, x, y, step=0.01)
    task_parity(task, "bad", spoil(good), good, x, y, step=0.01)


def test_int8_files_that_do_something_else_are_refused() -> None:
    with pytest.raises(
        ParityError, match=r"bad: targets differ from Keras's by 0\.\d+ of their standard dev"
    ):
        broken(Regression((50.0,), (1000.0,)), lambda good: good + 0.3)
    with pytest.raises(ParityError, match=r"bad: targets differ"):
        broken(Regression((50.0,), (1000.0,)), lambda good: np.full_like(good, np.nan))
    with pytest.raises(ParityError, match=r"bad: its AUC is 0\.\d+ below Keras's"):
        broken(Anomaly(), lambda good: good[::-1])
