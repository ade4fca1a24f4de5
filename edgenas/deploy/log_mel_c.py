"""Tables and a test for ``log_mel.c``: the log-mel front end of an audio network in plain C."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edgenas.data.disk import Array
from edgenas.data.log_mel import LogMel
from edgenas.deploy import literals

TEST_FRAMES = 2
TOLERANCE = 1e-3
"""Largest difference between C's float32 transform and numpy's, in units of the logarithm."""


def log_mel_values(front_end: LogMel) -> Mapping[str, str]:
    """What the templates of ``log_mel`` ask for."""
    turns = 2 * np.pi * np.arange(front_end.fft_size // 2) / front_end.fft_size
    first, count, weights = sparse_triangles(front_end.mel_weights())
    sound = test_sound(front_end)
    return {
        "audio_rate_hz": str(front_end.sample_rate_hz),
        "audio_samples": str(front_end.clip_samples),
        "audio_window": str(front_end.window_samples),
        "audio_hop": str(front_end.hop_samples),
        "audio_fft": str(front_end.fft_size),
        "audio_frames": str(front_end.frames),
        "audio_bands": str(front_end.mel_bands),
        "audio_floor": literals.float_literal(front_end.log_floor),
        "audio_window_table": literals.table(front_end.window()),
        "audio_cosine": literals.table(np.cos(turns).astype(np.float32)),
        "audio_sine": literals.table(np.sin(turns).astype(np.float32)),
        "audio_first": literals.table(first),
        "audio_points": literals.table(count),
        "audio_weights": literals.table(weights),
        "audio_tolerance": literals.float_literal(TOLERANCE),
        "audio_test_frames": str(TEST_FRAMES),
        "audio_test_sound": literals.rows(sound),
        "audio_test_bands": literals.rows(expected_bands(front_end, sound)),
    }


def sparse_triangles(weights: Array) -> tuple[Array, Array, Array]:
    """Mel triangles without their zeros.

    Args:
        weights: float32 of shape (points, bands), each column with something above 0.

    Returns:
        The first point of each band and how many it covers, int64 of shape (bands,), and all weights
        one after the other, float32.
    """
    covered = [np.flatnonzero(column) for column in weights.T]
    first = np.array([points[0] for points in covered])
    count = np.array([points[-1] - points[0] + 1 for points in covered])
    parts = [
        weights[start : start + size, band]
        for band, (start, size) in enumerate(zip(first, count, strict=True))
    ]
    return first, count, np.concatenate(parts)


def test_sound(front_end: LogMel) -> Array:
    """A rising tone with noise, int16 of shape (`TEST_FRAMES`, window samples); the same every time."""
    n = TEST_FRAMES * front_end.window_samples
    time_s = np.arange(n) / front_end.sample_rate_hz
    rise = (front_end.high_hz - front_end.low_hz) / (n / front_end.sample_rate_hz)
    tone = np.sin(2 * np.pi * (front_end.low_hz + 0.5 * rise * time_s) * time_s)
    noise = np.random.default_rng(0).standard_normal(n)
    return (8000 * tone + 500 * noise).astype(np.int16).reshape(TEST_FRAMES, -1)


def expected_bands(front_end: LogMel, sound: Array) -> Array:
    """What Python computes for each frame of `test_sound`, float32 of shape (frames, bands)."""
    clips = sound.astype(np.float32) / np.float32(32768)
    return front_end(clips)[:, 0, :, 0]
