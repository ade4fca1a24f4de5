"""Random shifts move pixels and nothing else."""

from __future__ import annotations

import numpy as np

from edgenas.train.augment_images import random_shift


def test_each_image_is_shifted_by_whole_pixels_with_repeated_edges() -> None:
    images = np.arange(20 * 12 * 12 * 2, dtype=np.float32).reshape(20, 12, 12, 2)
    shifted = random_shift(images, 1 / 12, np.random.default_rng(0))
    assert shifted.shape == images.shape and shifted.dtype == images.dtype
    seen = set()
    for before, after in zip(images, shifted, strict=True):
        padded = np.pad(before, ((1, 1), (1, 1), (0, 0)), mode="edge")
        fits = [
            (down, right)
            for down in range(3)
            for right in range(3)
            if np.array_equal(padded[down : down + 12, right : right + 12], after)
        ]
        assert len(fits) == 1
        seen.add(fits[0])
    assert len(seen) > 5


def test_a_share_below_half_a_pixel_changes_nothing() -> None:
    images = np.random.default_rng(0).random((3, 8, 8, 1), dtype=np.float32)
    assert random_shift(images, 0.05, np.random.default_rng(0)) is images
    assert random_shift(images, 0.0, np.random.default_rng(0)) is images


def test_one_seed_gives_one_shift() -> None:
    images = np.random.default_rng(0).random((9, 16, 16, 1), dtype=np.float32)
    first, second = (random_shift(images, 0.2, np.random.default_rng(7)) for _ in range(2))
    assert np.array_equal(first, second)
