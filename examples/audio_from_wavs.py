"""Audio from a folder of WAVs: the log-mel front end in Python and in C, and a network behind it.

    python examples/audio_from_wavs.py                # with made-up sounds
    python examples/audio_from_wavs.py MY_SOUNDS      # with yours: one folder of WAVs for each class

The made-up sounds are synthetic: clips of half a second at 8 kHz in noise. `rising` and `falling` are
chirps over an octave or two, `steady` a tone with a few harmonics, `bursts` two to five short bursts of
noise, `silence` the noise alone. Pitch, length, start and loudness are random.
"""

import sys
import wave
from pathlib import Path

import numpy as np
from steps import ONE, SHORT, best_winner, fresh, run, say

RUN = Path("runs") / "audio-from-wavs"
CLASSES = ("bursts", "falling", "rising", "silence", "steady")
RATE_HZ, SAMPLES = 8000, 4000
FULL = ("--trials", 10, "--winners", 2, "--seeds", 1)
FEW = (*ONE, "--epochs", 8, "--final-epochs", 20, "--latency-ms", 60)


def sound(name, rng):
    """One clip of half a second in [-1, 1]."""
    clip = np.zeros(SAMPLES)
    length = int(rng.uniform(0.4, 0.8) * SAMPLES)
    start = rng.integers(0, SAMPLES - length)
    share = np.arange(length) / length
    if name in ("rising", "falling"):
        low, octaves = rng.uniform(200, 600), rng.uniform(0.8, 2)
        pitch = low * 2 ** (octaves * (share if name == "rising" else 1 - share))
        clip[start : start + length] = np.sin(2 * np.pi * np.cumsum(pitch) / RATE_HZ)
    elif name == "steady":
        pitch = rng.uniform(200, 1000)
        for harmonic in (1, 2, 3):
            turns = harmonic * pitch * share * length / RATE_HZ
            clip[start : start + length] += np.sin(2 * np.pi * turns) / harmonic
    elif name == "bursts":
        for _ in range(rng.integers(2, 6)):
            at, width = rng.integers(0, SAMPLES - 600), rng.integers(150, 600)
            clip[at : at + width] += rng.standard_normal(width) * np.exp(-3 * np.arange(width) / width)
    return np.clip(rng.uniform(0.1, 0.4) * clip + 0.02 * rng.standard_normal(SAMPLES), -1, 1)


def write_sounds(root):
    """Write 80 clips of each class as 16-bit WAVs."""
    rng = np.random.default_rng(0)
    for name in CLASSES:
        (root / name).mkdir(parents=True, exist_ok=True)
        for number in range(30 if SHORT else 80):
            with wave.open(str(root / name / f"{number:03}.wav"), "wb") as file:
                file.setparams((1, 2, RATE_HZ, RATE_HZ, "NONE", ""))
                file.writeframes((sound(name, rng) * 32767).astype("<i2").tobytes())
    return root


def main():
    if len(sys.argv) > 1:
        data = Path(sys.argv[1])
    else:
        data = write_sounds(fresh(Path("runs") / "data" / "sounds"))
        say(f"1. Made-up sounds are in {data}, one folder for each class: {', '.join(CLASSES)}.")
    say(
        "2. Search networks on their log-mel spectrograms, for a NUCLEO-L4R5ZI (Cortex-M4 at 120 MHz) with",
        "   at most 32 KiB of RAM and 48 KiB of flash, both of the network; the front end comes on top.",
    )
    fresh(RUN)
    limits = FEW if SHORT else FULL
    run(
        "search", "--data", data, "--device", "nucleo-l4r5zi", "--ram-kib", 32, "--flash-kib", 48,
        *limits, "--out", RUN,
    )  # fmt: skip
    bundle = best_winner(RUN)
    say(
        "3. Prove the winner again. Its test vectors are whole clips: the C computes window, FFT, mel bands",
        "   and logarithm of each and must give the very bytes that the Python pipeline gives.",
    )
    run("verify", bundle, "--data", data)
    say(
        f"Done. The front end and the network in C: {bundle}/c (log_mel.c, model_data.c)",
        f"All numbers of the front end: {bundle}/manifest.json, under description.preprocessing",
        f"The whole search: {RUN}/report.html",
    )


if __name__ == "__main__":
    main()
