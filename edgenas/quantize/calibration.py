"""Checks of calibration images: a wrong one gives wrong ranges and a file that is silently bad."""

from __future__ import annotations

import numpy as np

from edgenas.arch.graph import Shape
from edgenas.errors import DataError

FEWEST_IMAGES = 16
"""Fewer images say too little about the range of an activation; 100 to 500 are usual."""


def check_calibration(calibration: np.ndarray, input_shape: Shape) -> None:
    """Refuse images that cannot tell the ranges of activations.

    Args:
        calibration: What was given.
        input_shape: What the network reads, batch axis left out.

    Raises:
        DataError: Another shape or type than float32 (n, *input_shape), fewer than
            `FEWEST_IMAGES`, values that are not finite, or images that are all one value.
    """
    expected = f"expected float32 of shape (n, {', '.join(map(str, input_shape))})"
    if not isinstance(calibration, np.ndarray) or calibration.dtype != np.float32:
        given = getattr(calibration, "dtype", type(calibration).__name__)
        raise DataError(
            f"calibration images of type {given} were given; {expected}, prepared like training images"
        )
    if calibration.shape[1:] != tuple(input_shape):
        raise DataError(f"calibration images of shape {calibration.shape} were given; {expected}")
    if len(calibration) < FEWEST_IMAGES:
        raise DataError(
            f"{len(calibration)} calibration images were given; expected at least {FEWEST_IMAGES} "
            "of the training split (100 to 500 are usual)"
        )
    bad = int(np.sum(~np.isfinite(calibration).all(axis=tuple(range(1, calibration.ndim)))))
    if bad:
        raise DataError(
            f"{bad} of {len(calibration)} calibration images hold NaN or infinite values; "
            "expected finite ones: leave those out"
        )
    if calibration.min() == calibration.max():
        raise DataError(
            f"all values of the calibration images are {calibration.flat[0]}; expected images that differ"
        )
