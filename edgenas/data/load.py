"""The way in: from a name, path or arrays to a checked `Dataset` in three splits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgenas.data.checks import as_split, check
from edgenas.data.dataset import Array, Dataset, Duplicates, Normalization, Source
from edgenas.data.duplicates import Part, Sieve
from edgenas.data.files import read_npz
from edgenas.data.folders import read_folder
from edgenas.data.labels import LABELS, Labels, with_task
from edgenas.data.named import DATASETS
from edgenas.errors import DataError, UnknownNameError
from edgenas.registry import unknown_name
from edgenas.task import CLASSIFICATION

Pair = tuple[Any, Any]


def load_dataset(
    name_or_path: str | Path,
    *,
    seed: int = 0,
    size: tuple[int, int] | None = None,
    drop_duplicates: bool = False,
    task: str | None = None,
    anomalous: Sequence[str] = (),
    loss: str | None = None,
) -> Dataset:
    """Load, check and split a data set; every fault is found here, before any training.

    Args:
        name_or_path: A name (``digits``), a name with the folder its files are in
            (``cifar10:/path/to/package``), an ``.npz`` file or a folder of images. A name wins over
            a folder of the same name: write ``./digits`` for the folder.
        seed: Of the split; the same seed gives the same split.
        size: (height, width) in pixels that an image folder is resized to; None takes the most
            common size. Only for image folders.
        drop_duplicates: Drop images that stand in two splits however many there are; without it
            more than 1 % are an error (see `edgenas.data.duplicates`).
        task: ``classification``, ``regression`` or ``anomaly``; None for what the data say, else
            classification.
        anomalous: Names of the classes that count as anomalous; all others are normal. Without it,
            labels of ``anomaly`` must be 0 (normal) and 1.
        loss: ``mse`` or ``huber``, for a regression.

    Raises:
        UnknownNameError: Neither a known name nor a path, or no such task.
        DataError: A missing or unreadable file, or a fault that `edgenas.data.checks` finds.
    """
    source = with_task(find_source(str(name_or_path), size), task, anomalous, loss)
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
    seed: int = 0,
    drop_duplicates: bool = False,
    task: str | None = None,
    anomalous: Sequence[str] = (),
    loss: str | None = None,
) -> Dataset:
    """A checked data set from arrays; what is not given is cut from ``x`` and ``y`` (`edgenas.data.split`).

    Args:
        x: Images of shape (n, height, width) or (n, height, width, channels).
        y: Labels, integers from 0, of shape (n,) or (n, 1); targets of a regression, numbers of shape
            (n,) or (n, targets).
        validation: The same for validation, as (x, y).
        test: The same for the test at the end, as (x, y).
        name: What messages and reports call the data.
        class_names: One per class, or per target; None names the classes 0, 1, 2 ...
        normalization: None takes 1/255 for uint8, else the range of the training split.
        seed: Of the split; the same seed gives the same split.
        drop_duplicates: Drop images that stand in two splits however many there are.
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
    source = with_task(Source(name, (x, y), validation, test, names, normalization), task, anomalous, loss)
    return assemble(source, seed=seed, drop_duplicates=drop_duplicates, loss=loss)


def lasting_name(text: str) -> str:
    """A path made absolute, so that it means the same from another folder; a name as it is."""
    path = Path(text)
    is_named = text.partition(":")[0] in DATASETS.names()
    return text if is_named or not path.exists() else str(path.resolve())


def find_source(text: str, size: tuple[int, int] | None) -> Source:
    """Read what a name or path stands for, without checks.

    Raises:
        UnknownNameError: Neither a known name nor a path.
        DataError: A missing or unreadable file, or a size for data that are no image folder.
    """
    name, colon, folder = text.partition(":")
    path = Path(text)
    is_named = name in DATASETS.names()
    if text and not is_named and path.is_dir():
        return read_folder(path, size)
    if size is not None:
        raise DataError(f"size {size} was given for data '{text}'; expected only for a folder of images")
    if is_named:
        return DATASETS.get(name)(Path(folder).expanduser() if colon else None)
    if path.suffix == ".npz":
        return read_npz(path)
    if text and path.exists():
        raise DataError(f"data '{text}' is a file; expected a name, an .npz file or a folder of images")
    if path.name != text and not colon:
        raise DataError(f"data '{text}': there is no such folder or file; check the path")
    unknown = unknown_name("data set", name, DATASETS.names())
    raise UnknownNameError(f"{unknown} A path to an .npz file or a folder of images is expected otherwise.")


def assemble(source: Source, *, seed: int, drop_duplicates: bool, loss: str | None = None) -> Dataset:
    """Check and split what was read, and drop images that stand in two splits.

    Raises:
        DataError: A fault that `edgenas.data.checks` finds.
    """
    reader = LABELS.get(source.task or CLASSIFICATION.name)(source, loss)
    given = {"train": source.train, "validation": source.validation, "test": source.test}
    loaded = {
        part: as_split(f"data '{source.name}', {part}", *pair, reader.read)
        for part, pair in given.items()
        if pair is not None
    }
    labels = {part: split.y for part, split in loaded.items()}
    names = reader.check(labels)
    sieve = Sieve(source.name, drop_duplicates)
    parts = sieve.disjoint({part: Part.of(part, split.x) for part, split in loaded.items()})
    parts = sieve.disjoint(_cut(parts, labels["train"], reader, seed))
    splits = {part: loaded.get(part, loaded["train"]).take(parts[part].positions) for part in parts}
    dataset = Dataset(
        name=source.name,
        train=splits["train"],
        validation=splits["validation"],
        test=splits["test"],
        class_names=names,
        normalization=source.normalization or Normalization.of(splits["train"].x),
        task=reader.task(splits),
        duplicates=Duplicates(**sieve.dropped),
    )
    return replace(dataset, warnings=(*source.warnings, *sieve.warnings, *check(dataset)))


def _cut(parts: dict[str, Part], y: Array, reader: Labels, seed: int) -> dict[str, Part]:
    """All three parts; those that the data do not bring are cut from train, whose labels are ``y``."""
    whole = parts["train"]
    pieces = reader.cut(
        y[whole.positions], has_validation="validation" in parts, has_test="test" in parts, seed=seed
    )
    return {
        "train": whole.take(pieces.train, "train"),
        "validation": parts.get("validation") or whole.take(pieces.validation, "validation"),
        "test": parts.get("test") or whole.take(pieces.test, "test"),
    }
