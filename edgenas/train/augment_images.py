"""Augmentation of images: shift, flip, cutout."""

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
    tops = rng.integers(0, 2 * down + 1, count).tolist()
    lefts = rng.integers(0, 2 * right + 1, count).tolist()
    shifted = np.empty_like(images)
    for number, (top, left) in enumerate(zip(tops, lefts, strict=True)):  # twice as fast as one index for all
        shifted[number] = padded[number, top : top + height, left : left + width]
    return shifted


def flip(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Mirror each image (n, height, width, channels), left to right, with a probability of a half."""
    out = images.copy()
    chosen = rng.random(len(images)) < 0.5
    out[chosen] = images[chosen, :, ::-1]
    return out


def cutout(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Cover a square of half the side of each image with the image's mean (DeVries and Taylor 2017).

    The middle of the square lies anywhere in the image (n, height, width, channels), so a part of it may
    lie outside.
    """
    count, height, width, _ = images.shape
    rows = _covered(height, height / 2, rng, count)
    columns = _covered(width, width / 2, rng, count)
    covered = (rows[:, :, None] & columns[:, None, :])[..., None]
    return np.where(covered, images.mean(axis=(1, 2), keepdims=True), images)


def _covered(length: int, size: float, rng: np.random.Generator, count: int) -> np.ndarray:
    """Which places of an axis lie in a stretch around a random middle, bool of shape (count, length)."""
    middle = rng.integers(0, length, (count, 1))
    covered: np.ndarray = np.abs(np.arange(length) - middle) < size / 2
    return covered
