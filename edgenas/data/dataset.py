"""What a data set is: raw images and labels in three splits, and how raw values become network input.

A `Dataset` is `TrainingData` plus a test split. Whatever trains asks for `TrainingData`, so that a
type checker sees when code that trains reaches for the test images.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from math import isfinite, prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgenas.arch.graph import Shape
from edgenas.errors import DataError
from edgenas.task import CLASSIFICATION, Task

Array = NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Images and labels of one part of a data set.

    Attributes:
        x: Raw images, uint8 or float32 of shape (n, height, width, channels), as loaded.
        y: Labels, int64 of shape (n,), from 0; targets of a regression, float32 of shape (n, k).
    """

    x: Array
    y: Array

    def __len__(self) -> int:
        return len(self.x)

    def take(self, positions: Array) -> Split:
        """The images at these positions, int64 of shape (m,), in that order."""
        return Split(self.x[positions], self.y[positions])


@dataclass(frozen=True, slots=True)
class Normalization:
    """How raw values become network input: ``raw * scale + offset``, made to lie in [0, 1].

    With the scale 1/255 of 8-bit images, the int8 input of a quantized network is ``pixel - 128``.

    Raises:
        DataError: The scale is not a positive number or the offset is not finite.
    """

    scale: float = 1 / 255
    offset: float = 0.0

    def __post_init__(self) -> None:
        if not (isfinite(self.scale) and self.scale > 0 and isfinite(self.offset)):
            raise DataError(
                f"normalization with scale {self.scale} and offset {self.offset} was given; "
                "expected a positive scale and a finite offset"
            )

    @classmethod
    def of(cls, x: Array) -> Normalization:
        """1/255 for uint8; else what maps the smallest value of ``x`` to 0 and the largest to 1.

        Args:
            x: Images of the training split only, so that nothing of the test split leaks in.

        Raises:
            DataError: All values are equal.
        """
        if x.dtype == np.uint8:
            return cls()
        low, high = float(x.min()), float(x.max())
        if low == high:
            raise DataError(f"all values of the training images are {low}; expected images that differ")
        return cls(1 / (high - low), -low / (high - low))

    def apply(self, x: Array) -> Array:
        """Network input, float32 of the shape of ``x``."""
        return x.astype(np.float32) * np.float32(self.scale) + np.float32(self.offset)


@dataclass(frozen=True, slots=True)
class Duplicates:
    """How many images were dropped because the same pixels stand in a split that is held out.

    Attributes:
        train: Dropped from train, as they also stand in validation or test.
        validation: Dropped from validation, as they also stand in test.
    """

    train: int = 0
    validation: int = 0


@dataclass(frozen=True, slots=True)
class Source:
    """Data as a file, folder or package holds them, before checks and split.

    Attributes:
        name: What messages and reports call the data.
        train: (x, y) arrays of any numeric type; x of shape (n, height, width[, channels]).
        validation: The same, or None where the data bring none.
        test: The same, or None where the data bring none.
        class_names: One per class, or None to name the classes 0, 1, 2 ...
        normalization: Set where the raw range is known; else found from the training split.
        warnings: What was noticed while reading, one line each.
        task: Name of the task that the data are for, where they say so.
        anomalous: Names of the classes that count as anomalous, for anomaly detection.
    """

    name: str
    train: tuple[Array, Array]
    validation: tuple[Array, Array] | None = None
    test: tuple[Array, Array] | None = None
    class_names: tuple[str, ...] | None = None
    normalization: Normalization | None = None
    warnings: tuple[str, ...] = ()
    task: str | None = None
    anomalous: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False, kw_only=True)
class TrainingData:
    """What a training may see: everything of a data set but its test split.

    Attributes:
        name: What messages and reports call the data.
        train: Images that weights are fitted to.
        validation: Images that architectures are chosen by.
        class_names: One per class, in the order of the labels; none for a regression.
        normalization: How raw values become network input.
        task: What a network is to do with them.
    """

    name: str
    train: Split
    validation: Split
    class_names: tuple[str, ...]
    normalization: Normalization
    task: Task = CLASSIFICATION

    @property
    def input_shape(self) -> Shape:
        """(height, width, channels) of the raw images."""
        return tuple(int(size) for size in self.train.x.shape[1:])

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.class_names)

    @property
    def outputs(self) -> int:
        """How many numbers a network for the task gives: one a class, a target or an input value."""
        if self.task.head == "reconstruction":
            return prod(self.input_shape)
        return self.classes if self.task.head == "softmax" else int(self.train.y.shape[1])


@dataclass(frozen=True, eq=False, kw_only=True)
class Dataset(TrainingData):
    """A checked data set in three splits.

    Attributes:
        test: Images that only the winners see, once, after quantization.
        duplicates: What was dropped to keep the held-out splits honest.
        warnings: What a report should show, one line each.
    """

    test: Split
    duplicates: Duplicates = field(default_factory=Duplicates)
    warnings: tuple[str, ...] = ()

    @property
    def splits(self) -> dict[str, Split]:
        """The three splits by name."""
        return {"train": self.train, "validation": self.validation, "test": self.test}

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 (64 hexadecimal digits) over all images, labels, their split, classes and scaling.

        A resumed run compares it to tell whether it sees the same data; the name does not count.
        """
        digest = hashlib.sha256(repr((self.class_names, self.normalization)).encode())
        if self.task != CLASSIFICATION:
            digest.update(repr(self.task).encode())
        for name, split in self.splits.items():
            for array in (split.x, split.y):
                digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
                digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()
