"""Augmentation: changes to training images that leave their class alone."""

from __future__ import annotations

import numpy as np


def random_shift(images: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """Shift each image by whole pixels, up and down, left and right; edges are repeated.

    Args:
        images: Shape (n, height, width, channels).
        share: Largest shift as a share of the side, rounded to pixels; 0 changes nothing.
        rng: Draws the shifts, uniform for each image and axis.

    Returns:
        Images of the same shape and type.
    """
    if not share:
        return images
    count, height, width, _ = images.shape
    down, right = round(share * height), round(share * width)
    if not down and not right:
        return images
    padded = np.pad(images, ((0, 0), (down, down), (right, right), (0, 0)), mode="edge")
    rows = rng.integers(0, 2 * down + 1, count)[:, None] + np.arange(height)
    columns = rng.integers(0, 2 * right + 1, count)[:, None] + np.arange(width)
    shifted: np.ndarray = padded[np.arange(count)[:, None, None], rows[:, :, None], columns[:, None, :]]
    return shifted
