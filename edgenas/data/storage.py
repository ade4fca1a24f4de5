"""Hand data to training processes: raw arrays on disk, memory-mapped by each, without the test split.

The folder holds ``train_x.npy``, ``train_y.npy``, ``validation_x.npy``, ``validation_y.npy`` and, written
last, ``data.json``. The test split is left out on purpose: a process that trains must not see it.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from edgenas.data.dataset import Dataset, Normalization, Split, TrainingData
from edgenas.errors import DataError, StoreError
from edgenas.task import task_from

SCHEMA_VERSION = 1
DOCUMENT = "data.json"


def save_arrays(dataset: Dataset, folder: Path) -> None:
    """Write the raw training and validation arrays; nothing is done if they are there already.

    Args:
        dataset: Its fingerprint tells whether the folder holds the same data.
        folder: Made if it is missing.

    Raises:
        StoreError: The folder cannot be written, for example because the disk is full.
    """
    document = folder / DOCUMENT
    try:
        if document.is_file() and _fingerprint(document) == dataset.fingerprint:
            return
        folder.mkdir(parents=True, exist_ok=True)
        document.unlink(missing_ok=True)
        for part, split in (("train", dataset.train), ("validation", dataset.validation)):
            for key, array in (("x", split.x), ("y", split.y)):
                fresh = folder / f"{part}_{key}.new.npy"
                np.save(fresh, array)
                fresh.replace(folder / f"{part}_{key}.npy")
        fresh = folder / "data.new.json"
        fresh.write_text(json.dumps(_describe(dataset), indent=2), encoding="utf-8")
        fresh.replace(document)
    except OSError as error:
        raise StoreError(
            f"training data cannot be written to '{folder}' ({error}); "
            "expected a folder with room for them: free space or choose another"
        ) from error


def load_arrays(folder: Path) -> TrainingData:
    """Memory-map what `save_arrays` wrote; images are read from disk as they are used.

    Raises:
        DataError: The folder holds no complete data, or was written by a newer version.
    """
    try:
        document = json.loads((folder / DOCUMENT).read_text(encoding="utf-8"))
        if document["schema"] > SCHEMA_VERSION:
            raise DataError(
                f"training data in '{folder}' have schema {document['schema']}; "
                f"this version of edgenas reads up to {SCHEMA_VERSION}: update edgenas"
            )
        splits = {
            part: Split(np.load(folder / f"{part}_x.npy", mmap_mode="r"), np.load(folder / f"{part}_y.npy"))
            for part in ("train", "validation")
        }
        return TrainingData(
            name=document["name"],
            **splits,
            class_names=tuple(document["class_names"]),
            normalization=Normalization(**document["normalization"]),
            task=task_from(document.get("task")),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"folder '{folder}' holds no complete training data ({error}); write them anew with save_arrays"
        ) from error


def _describe(dataset: Dataset) -> dict[str, object]:
    scaling = dataset.normalization
    return {
        "schema": SCHEMA_VERSION,
        "name": dataset.name,
        "class_names": list(dataset.class_names),
        "normalization": {"scale": scaling.scale, "offset": scaling.offset},
        "task": dataset.task.to_json(),
        "fingerprint": dataset.fingerprint,
    }


def _fingerprint(document: Path) -> str | None:
    """The fingerprint that a document names; None if it is damaged."""
    try:
        found = json.loads(document.read_text(encoding="utf-8"))
        return str(found["fingerprint"])
    except (ValueError, KeyError, TypeError):
        return None
