"""Which images are for training, validation and test: stratified, and the same for the same seed.

- A test or validation set that comes with the data is kept as it is.
- Data with a test set: 10 % of train, at most 10,000 images, become the validation set.
- Data without one: 60 % train, 20 % validation, 20 % test.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgenas.data.disk import Array
from edgenas.errors import DataError

VALIDATION_SHARE = 0.1
VALIDATION_MAX = 10_000
HELD_OUT_SHARE = 0.2


@dataclass(frozen=True, slots=True)
class Cut:
    """Positions, int64 and ascending, of the given images that go to each split; no two overlap."""

    train: Array
    validation: Array
    test: Array


def class_counts(y: Array, count: int) -> Array:
    """How many images of each class make a stratified part of ``count`` images.

    Every class gets its share rounded down or up (largest remainder first), but one image of it
    always stays behind, so the sum is below ``count`` where classes are very small.

    Returns:
        int64 of shape (max(y) + 1,).
    """
    sizes = np.bincount(y)
    exact = sizes * (min(count, len(y)) / len(y))
    counts = np.floor(exact).astype(np.int64)
    extra = min(count, len(y)) - int(counts.sum())
    counts[np.argsort(counts - exact, kind="stable")[:extra]] += 1
    bounded: Array = np.minimum(counts, np.maximum(sizes - 1, 0))
    return bounded


def take_part(y: Array, count: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Positions that stay and positions of a stratified part of ``count`` images, both ascending."""
    taken = [
        rng.permutation(np.flatnonzero(y == label))[:number]
        for label, number in enumerate(class_counts(y, count))
    ]
    mask = np.zeros(len(y), bool)
    mask[np.concatenate(taken)] = True
    return np.flatnonzero(~mask), np.flatnonzero(mask)


def cut(y: Array, *, has_validation: bool, has_test: bool, seed: int) -> Cut:
    """Cut what the data do not bring from their training images.

    Args:
        y: Labels of the training images as given, integers from 0 of shape (n,).
        has_validation: The data bring a validation set; none is cut.
        has_test: The data bring a test set; none is cut.
        seed: 0 or more; the same seed gives the same cut.

    Returns:
        Positions among the training images as given; empty for a split that the data bring.

    Raises:
        DataError: The seed is negative.
    """
    if seed < 0:
        raise DataError(f"split seed {seed} was given; expected 0 or more")
    rng = np.random.default_rng(seed)
    train, none = np.arange(len(y)), np.arange(0)
    test = validation = none
    if not has_test:
        train, test = take_part(y, round(HELD_OUT_SHARE * len(y)), rng)
    if not has_validation:
        count = round(HELD_OUT_SHARE * len(y))
        if has_test:
            count = min(max(1, round(VALIDATION_SHARE * len(y))), VALIDATION_MAX)
        stay, part = take_part(y[train], count, rng)
        train, validation = train[stay], train[part]
    return Cut(train, validation, test)
