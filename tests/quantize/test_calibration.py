"""What calibration images must be."""

from __future__ import annotations

import numpy as np
import pytest

from edgenas.errors import DataError
from edgenas.quantize.calibration import FEWEST_IMAGES, check_calibration

SHAPE = (6, 5, 2)


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).random((40, *SHAPE), dtype=np.float32)


def test_good_images_pass(images: np.ndarray) -> None:
    check_calibration(images, SHAPE)
    check_calibration(images[:FEWEST_IMAGES], SHAPE)


def test_too_few_images_are_refused(images: np.ndarray) -> None:
    with pytest.raises(DataError, match="15 calibration images were given; expected at least 16"):
        check_calibration(images[:15], SHAPE)
    with pytest.raises(DataError, match="0 calibration images"):
        check_calibration(images[:0], SHAPE)


def test_raw_pixels_are_refused(images: np.ndarray) -> None:
    raw = (255 * images).astype(np.uint8)
    with pytest.raises(DataError, match=r"of type uint8 .* expected float32 of shape \(n, 6, 5, 2\)"):
        check_calibration(raw, SHAPE)
    with pytest.raises(DataError, match="of type list"):
        check_calibration(images.tolist(), SHAPE)


def test_images_of_another_shape_are_refused(images: np.ndarray) -> None:
    with pytest.raises(DataError, match=r"shape \(40, 5, 6, 2\) .* expected float32 of shape \(n, 6, 5, 2\)"):
        check_calibration(images.swapaxes(1, 2), SHAPE)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_counted_and_refused(images: np.ndarray, value: float) -> None:
    images[3, 1, 1, 1] = images[7, 0, 0, 0] = value
    with pytest.raises(DataError, match="2 of 40 calibration images hold NaN or infinite values"):
        check_calibration(images, SHAPE)


def test_images_without_any_contrast_are_refused(images: np.ndarray) -> None:
    with pytest.raises(DataError, match=r"all values of the calibration images are 0\.5"):
        check_calibration(np.full_like(images, 0.5), SHAPE)
