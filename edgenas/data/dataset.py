"""What a data set is: raw examples and labels in three splits, and how raw values become network input.

A `Dataset` is `TrainingData` plus a test split. Whatever trains asks for `TrainingData`, so that a
type checker sees when code that trains reaches for the test images.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from math import isfinite, prod
from typing import Any

import numpy as np

from edgenas.arch.graph import Shape
from edgenas.data.disk import Array, chunks, taken
from edgenas.data.kinds import IMAGE, KINDS, Kind
from edgenas.data.log_mel import LogMel
from edgenas.errors import DataError
from edgenas.task import CLASSIFICATION, Task

Factor = float | tuple[float, ...]
"""One number for all values, or one for each entry of the last axis."""


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Examples and labels of one part of a data set.

    Attributes:
        x: Raw values as loaded, uint8 or float32, with the axes that the kind of data names, for
            example (n, height, width, channels) for images. An ``np.memmap`` where they are larger
            than memory should hold.
        y: Labels, int64 of shape (n,), from 0; targets of a regression, float32 of shape (n, k).
    """

    x: Array
    y: Array

    def __len__(self) -> int:
        return len(self.x)

    def take(self, positions: Array) -> Split:
        """The examples at these positions, int64 of shape (m,), in that order; on disk where ``x`` is."""
        return Split(taken(self.x, positions), self.y[positions])


@dataclass(frozen=True, slots=True)
class Normalization:
    """How raw values become network input: ``raw * scale + offset``.

    Images and spectrograms have one scale and one offset for all values, made so that they lie in
    [0, 1]; with the scale 1/255 of 8-bit images, the int8 input of a quantized network is
    ``pixel - 128``. Series and rows of features have one of each for every entry of the last axis,
    made so that the training split has mean 0 and standard deviation 1.

    Raises:
        DataError: A scale is not a positive number, an offset is not finite, or there are not as many
            of the one as of the other.
    """

    scale: Factor = 1 / 255
    offset: Factor = 0.0

    def __post_init__(self) -> None:
        scales, offsets = (value if isinstance(value, tuple) else (value,) for value in self._both)
        fine = all(isfinite(scale) and scale > 0 for scale in scales) and all(map(isfinite, offsets))
        if not fine or len(scales) != len(offsets) or not scales:
            raise DataError(
                f"normalization with scale {self.scale} and offset {self.offset} was given; "
                "expected a positive scale and a finite offset, as many of the one as of the other"
            )

    @property
    def _both(self) -> tuple[Factor, Factor]:
        return self.scale, self.offset

    @classmethod
    def of(cls, x: Array, kind: Kind = IMAGE) -> Normalization:
        """What suits a kind of data.

        - Series and features: mean 0 and standard deviation 1 for each entry of the last axis; one
          that never changes is only moved to 0.
        - Images of 8 bits: 1/255. All else: the smallest value becomes 0 and the largest 1.

        Args:
            x: Examples of the training split only, so that nothing of the test split leaks in.
            kind: What they are.

        Raises:
            DataError: All values are equal.
        """
        if x.dtype == np.uint8:
            return cls()
        low, high = float(x.min()), float(x.max())
        if low == high:
            raise DataError(
                f"all values of the training {kind.many} are {low}; expected {kind.many} that differ"
            )
        if not kind.per_channel:
            return cls(1 / (high - low), -low / (high - low))
        flat = x.reshape(-1, x.shape[-1]).astype(np.float64)
        mean, deviation = flat.mean(axis=0), flat.std(axis=0)
        still = deviation <= 1e-6 * np.maximum(1e-30, np.abs(mean))
        scale = 1 / np.where(still, 1.0, deviation)
        return cls(tuple(scale.tolist()), tuple((-mean * scale).tolist()))

    def apply(self, x: Array) -> Array:
        """Network input, float32 of the shape of ``x``."""
        out: Array = np.array(x, np.float32)
        out *= np.asarray(self.scale, np.float32)
        out += np.asarray(self.offset, np.float32)
        return out

    def to_json(self) -> dict[str, Any]:
        """A plain document: two numbers, or two lists of them."""
        names = ("scale", "offset")
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in zip(names, self._both, strict=True)
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Normalization:
        """What `to_json` wrote."""
        scale, offset = document["scale"], document["offset"]
        return cls(
            tuple(map(float, scale)) if isinstance(scale, list) else scale,
            tuple(map(float, offset)) if isinstance(offset, list) else offset,
        )


@dataclass(frozen=True, slots=True)
class Duplicates:
    """How many examples were dropped because the same values stand in a split that is held out.

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
        train: (x, y) arrays of any numeric type; x with the axes of its kind, see `edgenas.data.kinds`.
        validation: The same, or None where the data bring none.
        test: The same, or None where the data bring none.
        class_names: One per class, or None to name the classes 0, 1, 2 ...
        normalization: Set where the raw range is known; else found from the training split.
        warnings: What was noticed while reading, one line each.
        task: Name of the task that the data are for, where they say so.
        anomalous: Names of the classes that count as anomalous, for anomaly detection.
        kind: ``image``, ``series``, ``features`` or ``audio``; None tells by the number of axes.
        front_end: What made the spectrograms of audio, else None.
        sample_rate_hz: Rate of audio whose ``x`` holds samples, not spectrograms yet.
        skipped: Files that could not be read and were left out, as asked.
        columns: Names of the features, where the data have them.
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
    kind: str | None = None
    front_end: LogMel | None = None
    sample_rate_hz: int | None = None
    skipped: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False, kw_only=True)
class TrainingData:
    """What a training may see: everything of a data set but its test split.

    Attributes:
        name: What messages and reports call the data.
        train: Examples that weights are fitted to.
        validation: Examples that architectures are chosen by.
        class_names: One per class, in the order of the labels; none for a regression.
        normalization: How raw values become network input.
        kind: What one example is: ``image``, ``series``, ``features`` or ``audio``.
        front_end: What made the spectrograms of audio, else None; a device must compute the same.
        task: What a network is to do with them.
    """

    name: str
    train: Split
    validation: Split
    class_names: tuple[str, ...]
    normalization: Normalization
    kind: str = IMAGE.name
    front_end: LogMel | None = None
    task: Task = CLASSIFICATION

    @property
    def input_shape(self) -> Shape:
        """Shape of one raw example, for example (height, width, channels) of an image."""
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

    @property
    def kind_of(self) -> Kind:
        """The kind as a value, with its words for messages."""
        return KINDS.get(self.kind)

    @property
    def on_disk(self) -> bool:
        """Whether the examples stay on disk and are read as they are used."""
        return isinstance(self.train.x, np.memmap)


@dataclass(frozen=True, eq=False, kw_only=True)
class Dataset(TrainingData):
    """A checked data set in three splits.

    Attributes:
        test: Examples that only the winners see, once, after quantization.
        duplicates: What was dropped to keep the held-out splits honest.
        warnings: What a report should show, one line each.
        skipped: Files that could not be read and were left out, as asked.
        columns: Names of the features, where the data have them.
    """

    test: Split
    duplicates: Duplicates = field(default_factory=Duplicates)
    warnings: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()

    @property
    def splits(self) -> dict[str, Split]:
        """The three splits by name."""
        return {"train": self.train, "validation": self.validation, "test": self.test}

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 (64 hexadecimal digits) over all examples, labels, their split, classes and scaling.

        A resumed run compares it to tell whether it sees the same data; the name does not count.
        """
        digest = hashlib.sha256(repr((self.class_names, self.normalization)).encode())
        if self.kind != IMAGE.name:  # images are counted as they were before there were other kinds
            digest.update(repr((self.kind, self.front_end)).encode())
        if self.task != CLASSIFICATION:
            digest.update(repr(self.task).encode())
        for name, split in self.splits.items():
            for array in (split.x, split.y):
                digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
                for part in chunks(array):
                    digest.update(np.ascontiguousarray(part).data)
        return digest.hexdigest()
