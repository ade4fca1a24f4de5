"""Hand data to training processes: raw arrays on disk, memory-mapped by each, without the test split.

The folder holds ``train_x.npy``, ``train_y.npy``, ``validation_x.npy``, ``validation_y.npy`` and, written
last, ``data.json``. The test split is left out on purpose: a process that trains must not see it.
"""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgenas.data.dataset import Dataset, Normalization, Split, TrainingData
from edgenas.data.disk import Array
from edgenas.data.log_mel import LogMel
from edgenas.errors import DataError, StoreError
from edgenas.task import Task, task_from

SCHEMA_VERSION = 1
DOCUMENT = "data.json"


@dataclass(frozen=True)
class Shipment:
    """Data as they travel to another machine: training and validation splits only.

    Attributes:
        name: Of the data set.
        train: Raw examples and labels, in memory.
        validation: The same.
        class_names: One per class.
        normalization: Of raw examples.
        kind: What an example is.
        front_end: Of audio.
        on_disk: Whether the data are larger than memory should hold once prepared.
        task: What the labels are for.
        fingerprint: Tells data apart.
    """

    name: str
    train: Split
    validation: Split
    class_names: tuple[str, ...]
    normalization: Normalization
    kind: str
    front_end: LogMel | None
    on_disk: bool
    task: Task
    fingerprint: str

    @classmethod
    def of(cls, data: Dataset) -> Shipment:
        """What training processes need of a data set."""
        train, validation = (
            Split(np.array(split.x), np.array(split.y)) for split in (data.train, data.validation)
        )
        return cls(
            data.name, train, validation, data.class_names, data.normalization, data.kind,
            data.front_end, data.on_disk, data.task, data.fingerprint,
        )  # fmt: skip


def save_arrays(dataset: Dataset | Shipment, folder: Path) -> None:
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
                _write(fresh, array)
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
    """Memory-map what `save_arrays` wrote; examples are read from disk as they are used.

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
            part: Split(
                np.load(folder / f"{part}_x.npy", mmap_mode="r", allow_pickle=False),
                np.load(folder / f"{part}_y.npy", allow_pickle=False),
            )
            for part in ("train", "validation")
        }
        return TrainingData(
            name=document["name"],
            **splits,
            class_names=tuple(document["class_names"]),
            normalization=Normalization.from_json(document["normalization"]),
            kind=document.get("kind", "image"),
            front_end=LogMel.from_json(document["front_end"]) if document.get("front_end") else None,
            task=task_from(document.get("task")),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"folder '{folder}' holds no complete training data ({error}); write them anew with save_arrays"
        ) from error


def is_large(folder: Path) -> bool:
    """Whether the data that `save_arrays` wrote are larger than memory should hold once prepared."""
    document = json.loads((folder / DOCUMENT).read_text(encoding="utf-8"))
    return bool(document.get("on_disk", False))


def _write(file: Path, array: Array) -> None:
    """Write an array; a whole file that is on this disk already gets a second name instead."""
    source = getattr(array, "filename", None)
    if source is not None and np.load(source, mmap_mode="r", allow_pickle=False).shape == array.shape:
        file.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # another disk, or one without links
            os.link(source, file)
            return
    np.save(file, array)


def _describe(dataset: Dataset | Shipment) -> dict[str, object]:
    return {
        "schema": SCHEMA_VERSION,
        "name": dataset.name,
        "class_names": list(dataset.class_names),
        "normalization": dataset.normalization.to_json(),
        "kind": dataset.kind,
        "front_end": dataset.front_end.to_json() if dataset.front_end else None,
        "on_disk": dataset.on_disk,
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
