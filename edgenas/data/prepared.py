"""Network inputs that are prepared as they are asked for, for examples that stay on disk."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from edgenas.arch.graph import Shape
from edgenas.data.dataset import Normalization
from edgenas.data.disk import Array
from edgenas.data.resize import prepare


class Prepared:
    """Looks like the array that `prepare` gives, and holds only what was last asked for.

    Args:
        x: Raw examples, an array or ``np.memmap``.
        normalization: Of the data set they come from.
        shape: What the network reads.
        positions: Which examples, int64 of shape (m,), or None for all.

    Attributes:
        shape: (m, *shape).
        dtype: float32.
    """

    dtype = np.dtype(np.float32)

    def __init__(
        self, x: Array, normalization: Normalization, shape: Shape, positions: Array | None = None
    ) -> None:
        self._x, self._normalization, self._read = x, normalization, shape
        self._positions = np.arange(len(x)) if positions is None else positions
        self.shape = (len(self._positions), *shape)
        self.ndim = len(self.shape)

    def __len__(self) -> int:
        return len(self._positions)

    def __getitem__(self, which: Any) -> Array:
        """Prepared examples by number, slice, mask or positions, as an array has them."""
        chosen = self._positions[which]
        found = prepare(self._x[np.atleast_1d(chosen)], self._normalization, self._read)
        one: Array = found[0] if np.ndim(chosen) == 0 else found
        return one

    def __iter__(self) -> Iterator[Array]:
        return (self[at] for at in range(len(self)))

    def take(self, positions: Array) -> Prepared:
        """Some of them, still not prepared."""
        return Prepared(self._x, self._normalization, self._read, self._positions[positions])
