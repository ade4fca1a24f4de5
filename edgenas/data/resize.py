"""Resizing by area averaging, written as two matrix products that a device can repeat.

Along an axis of ``m`` pixels made into ``k``, output pixel ``o`` covers the stretch from ``o * m / k``
to ``(o + 1) * m / k`` of the input, and its value is the mean of the input over that stretch::

    A[o, i] = max(0, min((o + 1) * m / k, i + 1) - max(o * m / k, i)) * k / m        (k x m matrix)
    out[n, p, q, c] = sum over i, j of  A_rows[p, i] * A_columns[q, j] * x[n, i, j, c]

Every row of A adds up to 1 and every column to k / m. So a smaller image is free of aliasing, the
mean of an image is kept, no value leaves the range of the input, and the same size changes nothing.
The weights are computed in float64 and rounded to float32 and the sums are taken in float32, so the
first two hold to about one part in a million.
"""

from __future__ import annotations

import numpy as np

from edgenas.arch.graph import Shape
from edgenas.data.dataset import Normalization
from edgenas.data.disk import Array
from edgenas.errors import DataError

BATCH = 1024
"""Images that are resized at once, to bound the memory."""


def area_weights(old: int, new: int) -> Array:
    """The matrix A above, float32 of shape (new, old)."""
    edges = np.arange(new + 1) * (old / new)
    pixels = np.arange(old)
    overlap = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    weights = np.maximum(overlap, 0.0)
    rounded: Array = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    return rounded


def resize(x: Array, size: tuple[int, int]) -> Array:
    """Resize images by area averaging; the formula is in the module's docstring.

    Args:
        x: Images of shape (n, height, width, channels), any numeric type.
        size: New (height, width), in pixels.

    Returns:
        float32 images of shape (n, *size, channels), in the range of ``x``.

    Raises:
        DataError: ``x`` has not four axes or a size is below 1.
    """
    if x.ndim != 4 or min(size) < 1:
        raise DataError(
            f"images of shape {x.shape} to be resized to {size} were given; "
            "expected (n, height, width, channels) and a size of at least (1, 1)"
        )
    out = np.empty((len(x), *size, x.shape[3]), np.float32)
    rows, columns = area_weights(x.shape[1], size[0]), area_weights(x.shape[2], size[1])
    for start in range(0, len(x), BATCH):
        part = x[start : start + BATCH].astype(np.float32)
        if part.shape[1] != size[0]:
            part = np.einsum("pi,nijc->npjc", rows, part, optimize=True)
        if part.shape[2] != size[1]:
            part = np.einsum("qj,npjc->npqc", columns, part, optimize=True)
        out[start : start + BATCH] = part
    return out


def prepare(x: Array, normalization: Normalization, shape: Shape) -> Array:
    """Network input: raw examples normalized; images of another size than a network reads are resized first.

    Args:
        x: Raw examples, for example images of shape (n, height, width, channels).
        normalization: Of the data set the examples come from.
        shape: What the network reads, for example (height, width, channels).

    Returns:
        float32 array of shape (n, *shape).

    Raises:
        DataError: The images have another number of channels than the network, or other examples
            another shape.
    """
    if x.shape[1:] == tuple(shape):
        return normalization.apply(x)
    if len(shape) != 3 and x.ndim == len(shape) + 1:
        raise DataError(
            f"examples of shape {x.shape[1:]} were given to a network that reads {tuple(shape)}; "
            "expected the same shape"
        )
    if x.ndim != 4 or len(shape) != 3 or x.shape[3] != shape[2]:
        raise DataError(
            f"images of shape {x.shape} were given to a network that reads {tuple(shape)}; "
            "expected (n, height, width, channels) with the same number of channels"
        )
    return normalization.apply(resize(x, (shape[0], shape[1])))
