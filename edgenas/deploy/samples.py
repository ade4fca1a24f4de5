"""A few real inputs as an engineer meets them: raw, before normalization."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgenas.arch.graph import Shape
from edgenas.data.dataset import Dataset, Normalization
from edgenas.data.disk import Array
from edgenas.data.log_mel import LogMel
from edgenas.data.resize import resize
from edgenas.errors import DataError

MOST_VECTORS = 5
"""Inputs that a bundle brings along as test vectors."""

SAMPLES = 30
"""Inputs that interpreters are compared on; the first of them become test vectors."""


@dataclass(frozen=True, eq=False)
class RawSamples:
    """Inputs of the validation split, and how raw values become what the network reads.

    Attributes:
        values: uint8 or float32 of shape (n, *input shape), in the size of the network.
        labels: Their classes, int of shape (n,).
        normalization: Of the data set.
        class_names: One a class.
        resized_from: Size (height, width) of the data where it is another than the network's, else None.
        front_end: How audio becomes ``values``, or None for data that are no audio.

    Raises:
        DataError: No sample, or values of another type.
    """

    values: Array
    labels: Array
    normalization: Normalization
    class_names: tuple[str, ...]
    resized_from: tuple[int, ...] | None = None
    front_end: LogMel | None = None

    def __post_init__(self) -> None:
        if self.values.dtype not in (np.uint8, np.float32) or not len(self.values):
            raise DataError(
                f"{len(self.values)} raw samples of type {self.values.dtype} were given for the test "
                "vectors; expected at least one, uint8 or float32"
            )

    @classmethod
    def of_validation(
        cls, data: Dataset, shape: Shape, normalization: Normalization | None = None
    ) -> RawSamples:
        """Some validation examples as they come, in the size of the network; the same ones every time.

        Args:
            data: The data set.
            shape: What the network reads.
            normalization: Another one than that of the data, or None.
        """
        chosen = np.random.default_rng(0).permutation(len(data.validation))[:SAMPLES]
        x = np.asarray(data.validation.x[chosen])
        size = tuple(int(axis) for axis in x.shape[1:3])
        is_resized = x.shape[1:] != tuple(shape)
        values = resize(x, (shape[0], shape[1])) if is_resized else x
        return cls(
            values if values.dtype == np.uint8 else values.astype(np.float32),
            data.validation.y[chosen],
            normalization or data.normalization,
            data.class_names,
            resized_from=size if is_resized else None,
            front_end=data.front_end,
        )

    @classmethod
    def of_prepared(cls, images: Array, labels: Array, *, classes: int) -> RawSamples:
        """Samples of data whose raw form is not known: what the network reads, as it is."""
        names = tuple(str(number) for number in range(classes))
        return cls(images[:SAMPLES].astype(np.float32), labels[:SAMPLES], Normalization(1.0, 0.0), names)

    @property
    def scale(self) -> Array:
        """float32 of shape (1,) or (channels,)."""
        return np.atleast_1d(np.asarray(self.normalization.scale, np.float32))

    @property
    def offset(self) -> Array:
        """float32 of the shape of `scale`."""
        return np.broadcast_to(
            np.atleast_1d(np.asarray(self.normalization.offset, np.float32)), self.scale.shape
        )

    def names(self, outputs: int) -> tuple[str, ...]:
        """A name for each output: of the classes, or numbers where the outputs are no classes."""
        if len(self.class_names) == outputs:
            return self.class_names
        return tuple(str(number) for number in range(outputs))

    def prepared(self, values: Array | None = None) -> Array:
        """What the network reads for raw values, by default for these samples: float32."""
        raw = self.values if values is None else values
        return self.normalization.apply(raw)
