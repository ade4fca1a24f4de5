"""Faults of data, found before any training; every message is one line and says how to mend it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from edgenas.data.dataset import Array, Dataset, Split
from edgenas.data.duplicates import MAX_SHARE, PAIRS, image_hashes
from edgenas.errors import DataError

ReadLabels = Callable[[str, Array, int], Array]
"""Checks labels for (where, labels, inputs); gives them in the type and shape that a `Split` has."""

DARK = 0.25
"""Largest network input of 8-bit images that is taken for a sign of data of another range."""


def check_images(where: str, x: Array) -> None:
    """Refuse images of a wrong type, shape or with values that are not finite.

    Args:
        where: Begins the message, for example ``data 'mine', test``.
        x: Expected of shape (n, height, width) or (n, height, width, channels), numbers.

    Raises:
        DataError: They are not.
    """
    if x.dtype.kind not in "uifb":
        raise DataError(f"{where}: images of type {x.dtype} were given; expected numbers, uint8 or float32")
    if x.ndim not in (3, 4):
        raise DataError(
            f"{where}: images of shape {x.shape} were given; expected (n, height, width) "
            "or (n, height, width, channels): reshape them"
        )
    if len(x) == 0:
        raise DataError(f"{where}: there are no images; give at least a few per class")
    if 0 in x.shape:
        raise DataError(f"{where}: images of shape {x.shape} were given; expected no axis of length 0")
    if x.dtype.kind == "f" and not np.isfinite(x).all():
        bad = np.flatnonzero(~np.isfinite(x).reshape(len(x), -1).all(axis=1))
        raise DataError(
            f"{where}: {len(bad)} images hold NaN or infinity, the first is image {bad[0]}; "
            "expected finite numbers: mend or remove them"
        )


def check_labels(where: str, y: Array, images: int) -> None:
    """Refuse labels that are not one integer from 0 per image.

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
    if len(y) != images:
        raise DataError(f"{where}: {images} images but {len(y)} labels were given; expected one per image")
    if y.dtype.kind not in "ui":
        raise DataError(
            f"{where}: labels of type {y.dtype} were given; expected integers from 0: "
            "use y.astype(int), or np.unique(y, return_inverse=True) for names"
        )
    if y.min() < 0:
        raise DataError(f"{where}: label {y.min()} of image {y.argmin()} is negative; expected 0 or more")


def check_classes(name: str, class_names: tuple[str, ...], splits: dict[str, Any]) -> None:
    """Refuse a single class, labels beyond the classes and a class that cannot be learnt.

    Args:
        name: Name of the data, for messages.
        class_names: One per class.
        splits: Labels, integers of shape (n,), by split; ``train`` among them.

    Raises:
        DataError: One of these faults.
    """
    classes = len(class_names)
    for part, y in splits.items():
        if len(y) and y.max() >= classes:
            raise DataError(
                f"data '{name}', {part}: label {y.max()} of image {y.argmax()} is out of range; expected "
                f"0 to {classes - 1}, as train and the class names have {classes} classes"
            )
    if classes < 2:
        raise DataError(f"data '{name}': all images have one class; expected at least 2 classes")
    missing = np.flatnonzero(np.bincount(splits["train"], minlength=classes) == 0)
    if len(missing):
        label = int(missing[0])
        raise DataError(
            f"data '{name}': class {label} ('{class_names[label]}') has no training images "
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
    for part, split in dataset.splits.items():
        where = f"data '{dataset.name}', {part}"
        check_images(where, split.x)
        if dataset.task.head == "softmax":
            check_labels(where, split.y, len(split.x))
        _check_alike(where, split, dataset.train)
    if dataset.task.head != "softmax":
        return [*_odd_range(dataset), *_overlaps(dataset)]
    check_classes(dataset.name, dataset.class_names, {part: s.y for part, s in dataset.splits.items()})
    return [*_absent_classes(dataset), *_odd_range(dataset), *_overlaps(dataset)]


def _check_alike(where: str, split: Split, train: Split) -> None:
    if split.x.ndim != 4 or split.x.dtype not in (np.uint8, np.float32) or split.y.dtype != train.y.dtype:
        raise DataError(
            f"{where}: {split.x.dtype} images of shape {split.x.shape} and {split.y.dtype} labels were "
            "given; expected uint8 or float32, 4 axes and int64: build the data set with from_arrays"
        )
    if split.x.shape[1:] != train.x.shape[1:]:
        raise DataError(
            f"{where}: images of shape {split.x.shape[1:]} were given; "
            f"expected {train.x.shape[1:]} as in train: resize them"
        )
    if split.x.dtype != train.x.dtype:
        raise DataError(
            f"{where}: images of type {split.x.dtype} were given; "
            f"expected {train.x.dtype} as in train: store both in one type and range"
        )


def _absent_classes(dataset: Dataset) -> list[str]:
    warnings = []
    for part, split in (("validation", dataset.validation), ("test", dataset.test)):
        absent = np.flatnonzero(np.bincount(split.y, minlength=dataset.classes) == 0)
        if len(absent):
            names = ", ".join(f"'{dataset.class_names[label]}'" for label in absent[:3])
            warnings.append(f"{part} holds no image of {len(absent)} classes (first: {names})")
    return warnings


def _odd_range(dataset: Dataset) -> list[str]:
    x = dataset.train.x
    low, high = x.min(), x.max()
    if low == high:
        raise DataError(
            f"data '{dataset.name}': all values of the training images are {low}; expected images that differ"
        )
    top = dataset.normalization.scale * float(high) + dataset.normalization.offset
    if x.dtype == np.uint8 and top < DARK:
        return [
            f"the largest pixel of train is {high}, so network inputs reach only {top:.2f} of 1; "
            "give a normalization, or float images, whose range is found from train"
        ]
    return []


def _overlaps(dataset: Dataset) -> list[str]:
    hashes = {part: image_hashes(split.x) for part, split in dataset.splits.items()}
    warnings = []
    for lesser, held_out in PAIRS:
        seen = np.flatnonzero(np.isin(hashes[held_out], hashes[lesser]))
        if not len(seen):
            continue
        message = f"{len(seen)} {held_out} images stand in {lesser} too (first: image {seen[0]})"
        if len(seen) > MAX_SHARE * len(hashes[held_out]):
            raise DataError(
                f"data '{dataset.name}': {message}; at most {MAX_SHARE:.0%} is expected: "
                "remove them, or use --drop-duplicates (drop_duplicates=True from Python)"
            )
        warnings.append(message)
    return warnings


def as_split(where: str, x: Any, y: Any, read: ReadLabels) -> Split:
    """Checked arrays in the types and shapes that a `Split` has.

    Args:
        where: Begins a message.
        x: Images of shape (n, height, width[, channels]); uint8 stays, all else becomes float32.
        y: Labels.
        read: Checks labels and brings them into shape, see `edgenas.data.labels.Labels.read`.

    Raises:
        DataError: They are not what is expected.
    """
    try:
        images, labels = np.asarray(x), np.asarray(y)
    except ValueError:
        raise DataError(f"{where}: images of different shapes were given; expected one shape") from None
    check_images(where, images)
    labels = read(where, labels, len(images))
    if images.dtype != np.uint8 and images.dtype != np.float32:
        with np.errstate(over="ignore"):  # too large becomes infinity, which is refused next
            images = images.astype(np.float32)
        check_images(f"{where} as float32", images)
    if images.ndim == 3:
        images = images[..., np.newaxis]
    return Split(images, labels)
