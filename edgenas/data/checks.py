"""Faults of data, found before any training; every message is one line and says how to mend it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from edgenas.data.dataset import Dataset, Split
from edgenas.data.disk import Array, chunks
from edgenas.data.duplicates import MAX_SHARE, PAIRS, example_hashes
from edgenas.data.kinds import IMAGE, Kind
from edgenas.errors import DataError

ReadLabels = Callable[[str, Array, int], Array]
"""Checks labels for (where, labels, inputs); gives them in the type and shape that a `Split` has."""

DARK = 0.25
"""Largest network input of 8-bit images that is taken for a sign of data of another range."""


def check_examples(where: str, x: Array, kind: Kind = IMAGE) -> None:
    """Refuse examples of a wrong type, shape or with values that are not finite.

    Args:
        where: Begins the message, for example ``data 'mine', test``.
        x: Expected with the axes of the kind, numbers.
        kind: What the examples are.

    Raises:
        DataError: They are not.
    """
    if x.dtype.kind not in "uifb":
        raise DataError(
            f"{where}: {kind.many} of type {x.dtype} were given; expected numbers, uint8 or float32"
        )
    if x.ndim not in kind.ranks:
        raise DataError(
            f"{where}: {kind.many} of shape {x.shape} were given; expected {kind.expected}: reshape them"
        )
    if len(x) == 0:
        raise DataError(f"{where}: there are no {kind.many}; give at least a few per class")
    if 0 in x.shape:
        raise DataError(f"{where}: {kind.many} of shape {x.shape} were given; expected no axis of length 0")
    if x.dtype.kind != "f":
        return
    finite = np.concatenate([np.isfinite(part).reshape(len(part), -1).all(axis=1) for part in chunks(x)])
    bad = np.flatnonzero(~finite)
    if len(bad):
        raise DataError(
            f"{where}: {len(bad)} {kind.many} hold NaN or infinity, the first is {kind.one} {bad[0]}; "
            "expected finite numbers: mend or remove them"
        )


def check_labels(where: str, y: Array, examples: int, kind: Kind = IMAGE) -> None:
    """Refuse labels that are not one integer from 0 per example.

    Raises:
        DataError: They are not.
    """
    if y.ndim == 2 and y.shape[1] > 1:
        raise DataError(
            f"{where}: labels of shape {y.shape} were given; expected (n,): make one-hot labels "
            "into numbers with y.argmax(axis=1)"
        )
    if y.ndim != 1:
        raise DataError(f"{where}: labels of shape {y.shape} were given; expected (n,)")
    if len(y) != examples:
        raise DataError(
            f"{where}: {examples} {kind.many} but {len(y)} labels were given; expected one per {kind.one}"
        )
    if y.dtype.kind not in "ui":
        raise DataError(
            f"{where}: labels of type {y.dtype} were given; expected integers from 0: "
            "use y.astype(int), or np.unique(y, return_inverse=True) for names"
        )
    if y.min() < 0:
        raise DataError(
            f"{where}: label {y.min()} of {kind.one} {y.argmin()} is negative; expected 0 or more"
        )


def check_classes(
    name: str, class_names: tuple[str, ...], splits: dict[str, Any], kind: Kind = IMAGE
) -> None:
    """Refuse a single class, labels beyond the classes and a class that cannot be learnt.

    Args:
        name: Name of the data, for messages.
        class_names: One per class.
        splits: Labels, integers of shape (n,), by split; ``train`` among them.
        kind: What the examples are.

    Raises:
        DataError: One of these faults.
    """
    classes = len(class_names)
    for part, y in splits.items():
        if len(y) and y.max() >= classes:
            raise DataError(
                f"data '{name}', {part}: label {y.max()} of {kind.one} {y.argmax()} is out of range; "
                f"expected 0 to {classes - 1}, as train and the class names have {classes} classes"
            )
    if classes < 2:
        raise DataError(f"data '{name}': all {kind.many} have one class; expected at least 2 classes")
    missing = np.flatnonzero(np.bincount(splits["train"], minlength=classes) == 0)
    if len(missing):
        label = int(missing[0])
        raise DataError(
            f"data '{name}': class {label} ('{class_names[label]}') has no training {kind.many} "
            f"({len(missing)} such classes); add some, or number the classes without gaps"
        )


def check(dataset: Dataset) -> list[str]:
    """Look for every fault that would spoil a training or flatter a score.

    Args:
        dataset: Any, also one put together by hand.

    Returns:
        Warnings, one line each; empty when there is nothing to say.

    Raises:
        DataError: Wrong types, shapes or lengths, values that are not finite, wrong labels, fewer
            than 2 classes, a class without training images, an empty split, or more than 1 % of a
            held-out split standing in another split too.
    """
    kind = dataset.kind_of
    for part, split in dataset.splits.items():
        where = f"data '{dataset.name}', {part}"
        check_examples(where, split.x, kind)
        if dataset.task.head == "softmax":
            check_labels(where, split.y, len(split.x), kind)
        _check_alike(where, split, dataset.train, kind)
    if dataset.task.head != "softmax":
        return [*_odd_range(dataset), *_overlaps(dataset)]
    labels = {part: split.y for part, split in dataset.splits.items()}
    check_classes(dataset.name, dataset.class_names, labels, kind)
    return [*_absent_classes(dataset), *_odd_range(dataset), *_overlaps(dataset)]


def _check_alike(where: str, split: Split, train: Split, kind: Kind) -> None:
    types = (np.uint8, np.float32) if kind is IMAGE else (np.float32,)
    if split.x.ndim != len(kind.axes) or split.x.dtype not in types or split.y.dtype != train.y.dtype:
        raise DataError(
            f"{where}: {split.x.dtype} {kind.many} of shape {split.x.shape} and {split.y.dtype} labels were "
            f"given; expected {' or '.join(np.dtype(one).name for one in types)}, {len(kind.axes)} axes and "
            "int64: build the data set with from_arrays"
        )
    if split.x.shape[1:] != train.x.shape[1:]:
        mend = "resize them" if kind is IMAGE else "make them alike"
        raise DataError(
            f"{where}: {kind.many} of shape {split.x.shape[1:]} were given; "
            f"expected {train.x.shape[1:]} as in train: {mend}"
        )
    if split.x.dtype != train.x.dtype:
        raise DataError(
            f"{where}: {kind.many} of type {split.x.dtype} were given; "
            f"expected {train.x.dtype} as in train: store both in one type and range"
        )


def _absent_classes(dataset: Dataset) -> list[str]:
    warnings = []
    for part, split in (("validation", dataset.validation), ("test", dataset.test)):
        absent = np.flatnonzero(np.bincount(split.y, minlength=dataset.classes) == 0)
        if len(absent):
            names = ", ".join(f"'{dataset.class_names[label]}'" for label in absent[:3])
            one = dataset.kind_of.one
            warnings.append(f"{part} holds no {one} of {len(absent)} classes (first: {names})")
    return warnings


def _odd_range(dataset: Dataset) -> list[str]:
    x, kind = dataset.train.x, dataset.kind_of
    low, high = x.min(), x.max()
    if low == high:
        raise DataError(
            f"data '{dataset.name}': all values of the training {kind.many} are {low}; "
            f"expected {kind.many} that differ"
        )
    if kind.per_channel:
        return _still(dataset)
    if x.dtype != np.uint8 or isinstance(dataset.normalization.scale, tuple):
        return []
    top = dataset.normalization.apply(np.array([high])).item()
    if top < DARK:
        return [
            f"the largest pixel of train is {high}, so network inputs reach only {top:.2f} of 1; "
            "give a normalization, or float images, whose range is found from train"
        ]
    return []


def _still(dataset: Dataset) -> list[str]:
    """A warning about entries of the last axis that never change in train: they teach nothing."""
    flat = dataset.train.x.reshape(-1, dataset.train.x.shape[-1])
    still = np.flatnonzero(flat.min(axis=0) == flat.max(axis=0))
    if not len(still):
        return []
    what = "features" if dataset.kind == "features" else "channels"
    names = [f"'{dataset.columns[at]}'" if dataset.columns else str(at) for at in still[:3]]
    return [f"{len(still)} {what} never change in train and teach nothing (first: {', '.join(names)})"]


def _overlaps(dataset: Dataset) -> list[str]:
    kind = dataset.kind_of
    hashes = {part: example_hashes(split.x) for part, split in dataset.splits.items()}
    warnings = []
    for lesser, held_out in PAIRS:
        seen = np.flatnonzero(np.isin(hashes[held_out], hashes[lesser]))
        if not len(seen):
            continue
        message = f"{len(seen)} {held_out} {kind.many} stand in {lesser} too (first: {kind.one} {seen[0]})"
        if len(seen) > MAX_SHARE * len(hashes[held_out]):
            raise DataError(
                f"data '{dataset.name}': {message}; at most {MAX_SHARE:.0%} is expected: "
                "remove them, or use --drop-duplicates (drop_duplicates=True from Python)"
            )
        warnings.append(message)
    return warnings


def as_split(where: str, x: Any, y: Any, kind: Kind, read: ReadLabels) -> Split:
    """Checked arrays in the types and shapes that a `Split` has.

    Args:
        where: Begins a message.
        x: Examples with the axes of the kind; 8-bit images stay uint8, all else becomes float32.
        y: Labels.
        kind: What the examples are.
        read: Checks labels and brings them into shape, see `edgenas.data.labels.Labels.read`.

    Raises:
        DataError: They are not what is expected.
    """
    try:
        examples, labels = (x if isinstance(x, np.memmap) else np.asarray(x)), np.asarray(y)
    except ValueError:
        raise DataError(f"{where}: {kind.many} of different shapes were given; expected one shape") from None
    check_examples(where, examples, kind)
    labels = read(where, labels, len(examples))
    if examples.dtype != np.float32 and not (examples.dtype == np.uint8 and kind is IMAGE):
        with np.errstate(over="ignore"):  # too large becomes infinity, which is refused next
            examples = examples.astype(np.float32)
        check_examples(f"{where} as float32", examples, kind)
    if examples.ndim < len(kind.axes):
        examples = examples[..., np.newaxis]
    return Split(examples, labels)
