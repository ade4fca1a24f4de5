"""From a trained trial to its bundle of artifacts."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

import numpy as np

from edgenas.arch.graph import Shape
from edgenas.build.twin import twin
from edgenas.data.dataset import Dataset, Split
from edgenas.data.prepared import Prepared
from edgenas.data.resize import prepare
from edgenas.deploy.samples import RawSamples
from edgenas.errors import UsageError
from edgenas.records import TrialRecord
from edgenas.store import Store
from edgenas.train.job import fresh_model
from edgenas.train.weights import load_weights

CALIBRATION_IMAGES = 200
HELD_BACK_IMAGES = 10_000
THRESHOLD_INPUTS = 1000
"""Training inputs from whose scores an anomaly detector's threshold comes, at most."""

DATA_SETTINGS = (
    "seed", "size", "drop_duplicates", "kind", "label", "missing", "corrupt", "sample_rate_hz",
    "clip_seconds", "task", "anomalous", "loss",
)  # fmt: skip
"""Settings of a run that decide which examples stand in which split."""


def export_trial(
    store: Store,
    record: TrialRecord,
    dataset: Dataset,
    out_dir: Path,
    *,
    hypermodel: Any = None,
    final: bool = False,
    weights_path: Path | None = None,
    training: Mapping[str, Any] | None = None,
    with_test: bool = False,
    plan: Any = None,
) -> Any:
    """Quantize, export and verify one trial.

    Args:
        store: The run, which has the weights.
        record: The trial.
        dataset: Calibration images come from its training split, parity from its validation split.
        out_dir: Folder of the bundle; replaced whole if it exists.
        hypermodel: The user's build function the trial came from, or None.
        final: Whether the weights are those of a long training, by default of that of winners.
        weights_path: Other weights than those of the search or the final training, or None.
        training: What the manifest says of the long training, or None.
        with_test: Whether the test split may be touched: once, for a winner, after quantization.
        plan: The `edgenas.export.schemes.SchemePlan`, or None for full int8 alone.

    Returns:
        The manifest that was written.

    Raises:
        ParityError: An artifact does not agree with its Keras model.
        StoreError: The folder cannot be written.
        UsageError: TensorFlow, whose converter writes the files, is not installed here.
    """
    if find_spec("tensorflow") is None:
        raise UsageError(
            f"TensorFlow, which the files are written with, is not installed here; what was trained is kept "
            f"in {store.folder}: give the same command, or 'edgenas resume', where it is installed"
        )
    from edgenas.export.bundle import export_bundle

    shape = record.spec.input_shape
    weights = load_weights(weights_path or store.weights_path(record.trial_id, final=final))
    rng = np.random.default_rng(0)
    calibration, _ = _some(dataset, dataset.train, shape, CALIBRATION_IMAGES, rng)
    train = None
    if plan is not None and plan.trains:
        count = min(len(dataset.train), plan.images)
        train = _some(dataset, dataset.train, shape, count, np.random.default_rng(plan.seed))
    normal = None
    if dataset.task.head == "reconstruction":
        normal, _ = _some(dataset, dataset.train, shape, THRESHOLD_INPUTS, rng)
    return export_bundle(
        _convertible(record, weights, hypermodel),
        out_dir=out_dir,
        input_shape=shape,
        calibration=calibration,
        held_back=_some(dataset, dataset.validation, shape, HELD_BACK_IMAGES, rng),
        test=_some(dataset, dataset.test, shape, len(dataset.test), rng) if with_test else None,
        cost=record.cost,
        description=_description(store, record, dataset, final)
        | ({"training": training} if training else {}),
        samples=RawSamples.of_validation(dataset, shape),
        task=dataset.task,
        normal=normal,
        plan=plan,
        graph=record.spec.graph() if hypermodel is None else None,
        train=train,
    )


def float_figure(record: TrialRecord, weights_path: Path, dataset: Dataset, split: Split) -> float:
    """The task's figure (accuracy, RMSE, AUC) of a trial's Keras model with some weights."""
    from edgenas.export.making import keras_outputs

    images = prepare(split.x, dataset.normalization, record.spec.input_shape)
    outputs = keras_outputs(twin(record.spec, load_weights(weights_path)), images)
    return dataset.task.figures(outputs, images, split.y)[dataset.task.metric]


def _convertible(record: TrialRecord, weights: list[np.ndarray], hypermodel: Any) -> Any:
    """The tf_keras twin of a spec; a user's own Keras model as it is."""
    if hypermodel is None:
        return twin(record.spec, weights)
    model = fresh_model(record.spec, hypermodel)
    model.set_weights(weights)
    return model


def _some(
    dataset: Dataset, split: Split, shape: Shape, number: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    chosen = rng.permutation(len(split))[:number]  # shuffled: parity is checked on the first of them
    if dataset.on_disk and number > CALIBRATION_IMAGES:  # looks like an array, and stays on disk
        return cast(np.ndarray, Prepared(split.x, dataset.normalization, shape, chosen)), split.y[chosen]
    return prepare(split.x[chosen], dataset.normalization, shape), split.y[chosen]


def _loading(store: Store, dataset: Dataset) -> dict[str, Any]:
    """What loads the same data in the same split again."""
    config = store.meta("config") or {}
    settings = {name: config[name] for name in DATA_SETTINGS if config.get(name) is not None}
    return {"fingerprint": dataset.fingerprint, "settings": settings}


def _training_data(store: Store) -> dict[str, Any]:
    """What a run knows of its data beyond what the preprocessing needs."""
    known = store.meta("data", {})
    names = ("train", "validation", "test", "class_counts", "class_weights", "augment", "skipped")
    return {name: known[name] for name in names if name in known}


def _front_end(record: TrialRecord, dataset: Dataset) -> dict[str, Any]:
    """What happens to raw data before they are scaled, so that a device does the same."""
    steps: dict[str, Any] = {}
    if dataset.front_end is not None:
        steps["front_end"] = dataset.front_end.to_json()
    if dataset.columns:
        steps["features"] = list(dataset.columns)
    if dataset.kind == "image" or record.spec.input_shape != dataset.input_shape:
        steps["resize_to"] = list(record.spec.input_shape[:2])
        steps["resize_method"] = "antialiased area weights, see edgenas/data/resize.py"
    return steps


def _description(store: Store, record: TrialRecord, dataset: Dataset, final: bool) -> dict[str, Any]:
    return {
        "trial_id": record.trial_id,
        "arch_id": record.spec.arch_id,
        "spec": record.spec.to_json(),
        "data": dataset.name,
        "data_loading": _loading(store, dataset),
        "class_names": list(dataset.class_names),
        "preprocessing": {
            "kind": dataset.kind,
            **_front_end(record, dataset),
            **dataset.normalization.to_json(),
        },
        "training_data": _training_data(store),
        "weights": "final training" if final else "search training",
        "versions": store.meta("versions", {}),
        "seed": store.meta("seed"),
    }
