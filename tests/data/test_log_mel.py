"""The log-mel front end does what its docstring says, in plain loops too."""

from __future__ import annotations

import json
from dataclasses import replace
from math import cos, log, log10, pi

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgenas.data import LogMel
from edgenas.errors import DataError

SMALL = LogMel(1000, 24, 10, 32, 6, 40.0, 480.0, 1e-4, 100)


def by_hand(front_end: LogMel, audio: np.ndarray) -> np.ndarray:
    """The formulas of the module's docstring in double precision, one number after the other."""

    def mel(hz: float) -> float:
        return 2595 * log10(1 + hz / 700)

    f, size = front_end, front_end.fft_size
    step = (mel(f.high_hz) - mel(f.low_hz)) / (f.mel_bands + 1)
    out = np.empty((f.frames, f.mel_bands))
    for t in range(f.frames):
        window = [0.5 - 0.5 * cos(2 * pi * i / f.window_samples) for i in range(f.window_samples)]
        frame = [float(audio[t * f.hop_samples + i]) * w for i, w in enumerate(window)]
        spectrum = [
            sum(value * np.exp(-2j * pi * k * i / size) for i, value in enumerate(frame))
            for k in range(size // 2 + 1)
        ]
        for b in range(f.mel_bands):
            left = mel(f.low_hz) + b * step
            total = 0.0
            for k, value in enumerate(spectrum):
                at = mel(k * f.sample_rate_hz / size)
                total += abs(value) ** 2 * max(0.0, min((at - left) / step, (left + 2 * step - at) / step))
            out[t, b] = log(max(total, f.log_floor))
    return out


def test_it_is_the_formula() -> None:
    audio = np.random.default_rng(0).uniform(-0.5, 0.5, 100).astype(np.float32)
    found = SMALL(audio)
    assert found.shape == SMALL.shape == (8, 6, 1) and found.dtype == np.float32
    assert np.abs(found[..., 0] - by_hand(SMALL, audio)).max() < 1e-4


def test_several_clips_are_each_as_alone_and_lengths_are_made_to_fit() -> None:
    audio = np.random.default_rng(1).uniform(-1, 1, (3, 130)).astype(np.float32)
    together = SMALL(audio)
    assert together.shape == (3, 8, 6, 1)
    for one, clip in zip(together, audio, strict=True):
        assert np.allclose(one, SMALL(clip[:100]), atol=1e-4)
    short = SMALL(audio[0, :50])
    assert np.array_equal(short, SMALL(np.pad(audio[0, :50], (0, 50))))
    assert short[-1].max() == pytest.approx(log(SMALL.log_floor))


def test_a_tone_is_loudest_in_its_band() -> None:
    front_end = LogMel()
    times = np.arange(front_end.clip_samples) / front_end.sample_rate_hz
    loudest = [
        int(front_end(np.sin(2 * np.pi * hz * times)).mean(axis=0).argmax()) for hz in (300, 1000, 5000)
    ]
    peaks = front_end.mel_weights().argmax(axis=0) * front_end.sample_rate_hz / front_end.fft_size
    assert np.abs(peaks[loudest] - [300, 1000, 5000]).max() < 160


def test_json_keeps_every_number() -> None:
    front_end = LogMel.for_clips(22_050, 30_000)
    assert LogMel.from_json(json.loads(json.dumps(front_end.to_json()))) == front_end
    with pytest.raises(DataError, match="schema 2"):
        LogMel.from_json({**front_end.to_json(), "schema": 2})
    with pytest.raises(DataError, match="kind 'mfcc'"):
        LogMel.from_json({**front_end.to_json(), "kind": "mfcc"})
    with pytest.raises(DataError, match="without 'mel_bands'"):
        LogMel.from_json({k: v for k, v in front_end.to_json().items() if k != "mel_bands"})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fft_size": 500}, "power of two of at least that: 512"),
        ({"fft_size": 256}, "power of two"),
        ({"high_hz": 9000.0}, "8000, half the sample rate"),
        ({"low_hz": 7700.0}, "low_hz < high_hz"),
        ({"log_floor": 0.0}, "log_floor 0"),
        ({"hop_samples": 0}, "hop_samples 0"),
        ({"clip_samples": 511}, "at least one window"),
        ({"mel_bands": 200}, "hold no point"),
    ],
)
def test_senseless_numbers_are_refused(change: dict, message: str) -> None:
    with pytest.raises(DataError, match=message):
        replace(LogMel(), **change)


@settings(max_examples=30, deadline=None)
@given(st.sampled_from([1000, 4000, 8000, 16_000, 22_050, 44_100, 48_000]), st.integers(20, 100_000))
def test_any_rate_and_length_has_a_front_end(rate: int, samples: int) -> None:
    front_end = LogMel.for_clips(rate, samples)
    out = front_end(np.zeros(samples, np.float32))
    assert out.shape == front_end.shape and np.isfinite(out).all()
