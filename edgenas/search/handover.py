"""From a trained trial to its bundle of artifacts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from edgenas.arch.graph import Shape
from edgenas.build.twin import twin
from edgenas.data.dataset import Dataset, Split
from edgenas.data.resize import prepare
from edgenas.records import TrialRecord
from edgenas.store import Store
from edgenas.train.job import fresh_model, load_weights

CALIBRATION_IMAGES = 200
HELD_BACK_IMAGES = 10_000


def export_trial(
    store: Store,
    record: TrialRecord,
    dataset: Dataset,
    out_dir: Path,
    *,
    hypermodel: Any = None,
    final: bool = False,
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
        final: Whether to take the weights of the long training of winners.
        with_test: Whether the test split may be touched: once, for a winner, after quantization.
        plan: The `edgenas.export.schemes.SchemePlan`, or None for full int8 alone.

    Returns:
        The manifest that was written.

    Raises:
        ParityError: An artifact does not agree with its Keras model.
        StoreError: The folder cannot be written.
    """
    from edgenas.export.bundle import export_bundle

    shape = record.spec.input_shape
    weights = load_weights(store.weights_path(record.trial_id, final=final))
    rng = np.random.default_rng(0)
    calibration, _ = _some(dataset, dataset.train, shape, CALIBRATION_IMAGES, rng)
    train = None
    if plan is not None and plan.trains:
        count = min(len(dataset.train), plan.images)
        train = _some(dataset, dataset.train, shape, count, np.random.default_rng(plan.seed))
    return export_bundle(
        _convertible(record, weights, hypermodel),
        out_dir=out_dir,
        input_shape=shape,
        calibration=calibration,
        held_back=_some(dataset, dataset.validation, shape, HELD_BACK_IMAGES, rng),
        test=_some(dataset, dataset.test, shape, len(dataset.test), rng) if with_test else None,
        cost=record.cost,
        description=_description(store, record, dataset, final),
        plan=plan,
        graph=record.spec.graph() if hypermodel is None else None,
        train=train,
    )


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
    return prepare(split.x[chosen], dataset.normalization, shape), split.y[chosen]


def _description(store: Store, record: TrialRecord, dataset: Dataset, final: bool) -> dict[str, Any]:
    return {
        "trial_id": record.trial_id,
        "arch_id": record.spec.arch_id,
        "spec": record.spec.to_json(),
        "data": dataset.name,
        "class_names": list(dataset.class_names),
        "preprocessing": {
            "resize_to": list(record.spec.input_shape[:2]),
            "resize_method": "antialiased area weights, see edgenas/data/resize.py",
            "scale": dataset.normalization.scale,
            "offset": dataset.normalization.offset,
        },
        "weights": "final training" if final else "search training",
        "versions": store.meta("versions", {}),
        "seed": store.meta("seed"),
    }
