"""Augmentation of what runs in time along the axis after the first: sensor series and spectrograms."""

from __future__ import annotations

from math import prod

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

SHIFT_SHARE = 0.1
MASK_SHARE = 0.2
NOISE, JITTER = 0.02, 0.03
SCALING, WARPING = 0.1, 0.2
KNOTS = 5
"""Points in time whose speed is drawn by `time_warp`."""


def time_shift(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Move each example (n, time, ...) in time by up to a tenth of its length; its ends are repeated."""
    count, length = x.shape[:2]
    most = max(1, round(SHIFT_SHARE * length))
    moved = np.arange(length) + rng.integers(-most, most + 1, (count, 1))
    shifted: np.ndarray = x[np.arange(count)[:, None], np.clip(moved, 0, length - 1)]
    return shifted


def masks(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Cover one stretch of frames and one of bands of each spectrogram with its mean.

    SpecAugment (Park et al. 2019) without its time warp; each stretch is up to a fifth of its axis.

    Args:
        x: Shape (n, frames, bands, 1).
        rng: Draws lengths and places.
    """
    frames, bands = (_stretch(size, rng, len(x)) for size in x.shape[1:3])
    covered = (frames[:, :, None] | bands[:, None, :])[..., None]
    return np.where(covered, x.mean(axis=(1, 2), keepdims=True), x)


def _stretch(length: int, rng: np.random.Generator, count: int) -> np.ndarray:
    """Which places of an axis are covered, bool of shape (count, length)."""
    sizes = rng.integers(0, max(1, round(MASK_SHARE * length)) + 1, (count, 1))
    starts = (rng.random((count, 1)) * (length - sizes + 1)).astype(np.int64)
    places = np.arange(length)
    covered: np.ndarray = (places >= starts) & (places < starts + sizes)
    return covered


def noise(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Add Gaussian noise of 2 % of the full range to spectrograms, which lie in [0, 1]."""
    return _with_gaussian(x, NOISE, rng)


def jitter(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Add Gaussian noise of 3 % of a standard deviation to standardised values (Um et al. 2017)."""
    return _with_gaussian(x, JITTER, rng)


def _with_gaussian(x: np.ndarray, deviation: float, rng: np.random.Generator) -> np.ndarray:
    """A batch with Gaussian noise, added in place: new memory costs more than the sums."""
    noisy = _gaussian(x.shape, rng)
    noisy *= np.float32(deviation)
    noisy += x
    return noisy


def _gaussian(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Normal numbers, float32 of a shape.

    To draw them takes longer than all else, so the examples of a large batch read from random places of one
    sequence, a few times as long as an example: each has its own noise, of the same distribution.
    """
    size = prod(shape[1:])
    drawn = 4 * size + 4096
    if drawn >= shape[0] * size:
        return rng.standard_normal(shape, np.float32)
    sequence = rng.standard_normal(drawn, np.float32)
    starts = rng.integers(0, drawn - size + 1, shape[0])
    return sliding_window_view(sequence, size)[starts].reshape(shape)


def scaling(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Scale each channel of each series (n, time, channels) by a factor around 1 (Um et al. 2017)."""
    factors = 1 + np.float32(SCALING) * rng.standard_normal((len(x), 1, x.shape[2]), np.float32)
    scaled: np.ndarray = x * factors
    return scaled


def time_warp(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Run the time of each series (n, time, channels) faster and slower in turn (Um et al. 2017).

    The speed is drawn at a few points and linear in between; beginning and end stay where they are, and
    values between two samples are interpolated.
    """
    count, length = x.shape[:2]
    if length < 3:
        return x
    knots = np.clip(1 + WARPING * rng.standard_normal((count, KNOTS)), 0.2, None)
    at = np.linspace(0, KNOTS - 1, length - 1)
    left = np.minimum(at.astype(np.int64), KNOTS - 2)
    speeds = knots[:, left] * (left + 1 - at) + knots[:, left + 1] * (at - left)
    times = np.concatenate([np.zeros((count, 1)), np.cumsum(speeds, axis=1)], axis=1)
    times *= (length - 1) / times[:, -1:]
    before = np.minimum(times.astype(np.int64), length - 2)
    part = (times - before)[..., None].astype(np.float32)
    flat, places = x.reshape(count * length, -1), before + length * np.arange(count)[:, None]
    low, high = flat.take(places, axis=0), flat.take(places + 1, axis=0)
    high -= low
    high *= part
    low += high
    warped: np.ndarray = low.reshape(x.shape)
    return warped
