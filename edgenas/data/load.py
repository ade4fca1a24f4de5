"""The way in: from a name, path or arrays to a checked `Dataset` in three splits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from edgenas.data.assemble import assemble
from edgenas.data.audio import WAVS, read_wavs
from edgenas.data.class_folders import holds
from edgenas.data.csv_file import read_csv
from edgenas.data.dataset import Dataset, Normalization, Source
from edgenas.data.files import read_npz
from edgenas.data.folders import IMAGES, read_folder
from edgenas.data.labels import with_task
from edgenas.data.named import DATASETS
from edgenas.data.reading import Reading
from edgenas.data.tf_data import arrays_of
from edgenas.errors import DataError, UnknownNameError
from edgenas.registry import unknown_name

Pair = tuple[Any, Any]
PATHS = "an .npz or .csv file, or a folder of images or WAVs"


def load_dataset(
    name_or_path: str | Path,
    *,
    seed: int = 0,
    size: tuple[int, int] | None = None,
    drop_duplicates: bool = False,
    reading: Reading | None = None,
    task: str | None = None,
    anomalous: Sequence[str] = (),
    loss: str | None = None,
) -> Dataset:
    """Load, check and split a data set; every fault is found here, before any training.

    Args:
        name_or_path: A name (``digits``), a name with the folder its files are in
            (``cifar10:/path/to/package``), an ``.npz`` or ``.csv`` file, or a folder of images or
            WAVs. A name wins over a folder of the same name: write ``./digits`` for the folder.
        seed: Of the split; the same seed gives the same split.
        size: (height, width) in pixels that an image folder is resized to; None takes the most
            common size. Only for image folders; short for that of ``reading``.
        drop_duplicates: Drop examples that stand in two splits however many there are; without it
            more than 1 % are an error (see `edgenas.data.duplicates`).
        reading: How files are read; None reads them as `Reading` does without settings.
        task: ``classification``, ``regression`` or ``anomaly``; None for what the data say, else
            classification.
        anomalous: Names of the classes that count as anomalous; all others are normal. Without it,
            labels of ``anomaly`` must be 0 (normal) and 1.
        loss: ``mse`` or ``huber``, for a regression.

    Raises:
        UnknownNameError: Neither a known name nor a path, or no such task.
        DataError: A missing or unreadable file, or a fault that `edgenas.data.checks` finds.
    """
    how = reading or Reading()
    how = replace(how, size=size) if size else how
    source = with_task(find_source(str(name_or_path), how), task, anomalous, loss)
    return assemble(source, seed=seed, drop_duplicates=drop_duplicates, loss=loss)


def from_arrays(
    x: Any,
    y: Any,
    validation: Pair | None = None,
    test: Pair | None = None,
    *,
    name: str = "arrays",
    class_names: Sequence[str] | None = None,
    normalization: Normalization | None = None,
    kind: str | None = None,
    sample_rate_hz: int | None = None,
    seed: int = 0,
    drop_duplicates: bool = False,
    task: str | None = None,
    anomalous: Sequence[str] = (),
    loss: str | None = None,
) -> Dataset:
    """A checked data set from arrays; what is not given is cut from ``x`` and ``y`` (`edgenas.data.split`).

    Args:
        x: Images of shape (n, height, width) or (n, height, width, channels); series of shape
            (n, time, channels); rows of shape (n, features); samples of audio of shape (n, samples).
        y: Labels, integers from 0, of shape (n,) or (n, 1); targets of a regression, numbers of shape
            (n,) or (n, targets).
        validation: The same for validation, as (x, y).
        test: The same for the test at the end, as (x, y).
        name: What messages and reports call the data.
        class_names: One per class, or per target; None names the classes 0, 1, 2 ...
        normalization: None takes what suits the kind, see `Normalization.of`.
        kind: ``image``, ``series``, ``features`` or ``audio``; None takes ``features`` for two axes,
            else ``image``.
        sample_rate_hz: Samples a second of audio.
        seed: Of the split; the same seed gives the same split.
        drop_duplicates: Drop examples that stand in two splits however many there are.
        task: ``classification``, ``regression`` or ``anomaly``; None for what the data say, else
            classification.
        anomalous: Names of the classes that count as anomalous; all others are normal. Without it,
            labels of ``anomaly`` must be 0 (normal) and 1.
        loss: ``mse`` or ``huber``, for a regression.

    Raises:
        UnknownNameError: There is no such task.
        DataError: A fault that `edgenas.data.checks` finds.
    """
    names = tuple(class_names) if class_names is not None else None
    source = Source(
        name, (x, y), validation, test, names, normalization, kind=Reading(kind=kind).kind,
        sample_rate_hz=Reading(sample_rate_hz=sample_rate_hz).sample_rate_hz,
    )  # fmt: skip
    source = with_task(source, task, anomalous, loss)
    return assemble(source, seed=seed, drop_duplicates=drop_duplicates, loss=loss)


def from_tf_data(train: Any, validation: Any = None, test: Any = None, **settings: Any) -> Dataset:
    """A checked data set from ``tf.data.Dataset`` objects that give (x, y), one by one or in batches.

    Each is read once, to its end, into memory; shuffling and repeating are left to the training.

    Args:
        train: The training examples.
        validation: Those for validation, or None to cut them from train.
        test: Those for the test at the end, or None likewise.
        settings: As `from_arrays` takes them.

    Raises:
        DataError: Something else than pairs, an endless data set, or a fault that
            `edgenas.data.checks` finds.
    """
    pairs = [None if part is None else arrays_of(part) for part in (train, validation, test)]
    assert pairs[0] is not None
    return from_arrays(*pairs[0], pairs[1], pairs[2], **{"name": "tf.data", **settings})


def lasting_name(text: str) -> str:
    """A path made absolute, so that it means the same from another folder; a name as it is."""
    path = Path(text)
    is_named = text.partition(":")[0] in DATASETS.names()
    return text if is_named or not path.exists() else str(path.resolve())


def find_source(text: str, reading: Reading) -> Source:
    """Read what a name or path stands for, without checks.

    Raises:
        UnknownNameError: Neither a known name nor a path.
        DataError: A missing or unreadable file, or a setting that is for other data.
    """
    name, colon, folder = text.partition(":")
    path = Path(text)
    is_named = name in DATASETS.names()
    if text and not is_named and path.is_dir():
        return _read_any_folder(text, reading)
    if is_named:
        reading.only(text, (), "which is known by name")
        return DATASETS.get(name)(Path(folder).expanduser() if colon else None)
    if path.suffix == ".npz":
        reading.only(text, ("kind", "sample_rate_hz"), "an .npz file")
        return read_npz(path, reading)
    if path.suffix.lower() == ".csv":
        reading.only(text, ("label", "missing"), "a .csv file")
        return read_csv(path, reading)
    if text and path.exists():
        raise DataError(f"data '{text}' is a file; expected a name, {PATHS}")
    if path.name != text and not colon:
        raise DataError(f"data '{text}': there is no such folder or file; check the path")
    unknown = unknown_name("data set", name, DATASETS.names())
    raise UnknownNameError(f"{unknown} A path to {PATHS} is expected otherwise.")


def _read_any_folder(text: str, reading: Reading) -> Source:
    """A folder of images or of WAVs, told by the files in it.

    Raises:
        DataError: It holds both, or a setting for the other was given.
    """
    path = Path(text)
    wavs = holds(path, WAVS)
    if wavs and holds(path, IMAGES):
        raise DataError(
            f"data '{text}' holds both images and WAVs; expected one of them: move the others away"
        )
    if wavs:
        reading.only(text, ("corrupt", "sample_rate_hz", "clip_seconds"), "a folder of WAVs")
        return read_wavs(path, reading)
    reading.only(text, ("corrupt", "size"), "a folder of images")
    return read_folder(path, reading)


def balanced_weights(y: np.ndarray) -> tuple[float, ...]:
    """A weight for each class so that all classes weigh the same together and the mean weight is 1.

    Args:
        y: Labels of the training split, integers from 0 of shape (n,); no class is empty.

    Returns:
        n / (classes * examples of the class), as scikit-learn's ``class_weight="balanced"``.
    """
    counts = np.bincount(y)
    weights: list[float] = (len(y) / (len(counts) * counts)).tolist()
    return tuple(weights)
