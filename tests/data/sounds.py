"""WAV files for tests: chirps that rise or fall, a real class apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.io import wavfile


def chirp(rng: np.random.Generator, rising: bool, rate: int = 4000, samples: int = 1600) -> np.ndarray:
    """One clip in [-1, 1], float32."""
    times = np.arange(samples) / rate
    low, width = rng.uniform(200, 400), rng.uniform(600, 900)
    phase = low * times + width / times[-1] * times**2 / 2
    clip = rng.uniform(0.2, 0.6) * np.sin(2 * np.pi * phase) + 0.05 * rng.standard_normal(samples)
    return np.clip(clip if rising else clip[::-1], -1, 1).astype(np.float32)


def write_sounds(root: Path, number: int, rate: int = 4000, samples: int = 1600, seed: int = 0) -> None:
    """So many clips of each of two classes, as 16-bit WAVs."""
    rng = np.random.default_rng(seed)
    for name in ("falling", "rising"):
        (root / name).mkdir(parents=True, exist_ok=True)
        for at in range(number):
            clip = chirp(rng, name == "rising", rate, samples)
            wavfile.write(root / name / f"{at:03}.wav", rate, (clip * 32767).astype(np.int16))
