"""A sensor series: what is somebody doing, told from an accelerometer, in 32 KiB of flash.

    python examples/sensor_series.py              # with a made-up data set
    python examples/sensor_series.py mine.npz     # with yours: x (n, time, channels), y, kind="series"

The made-up data are a stand-in with the structure of real recordings, not a benchmark: an accelerometer at
50 Hz in the pocket of 20 persons, windows of 2.56 s (128 steps, 3 axes, in g), four classes. Each person
holds it at an angle of their own and walks, runs and climbs with a frequency and strength of their own; those
of the classes overlap. A step is a fundamental, its harmonics and a shock at the heel. The sensor adds noise
and an offset.

Persons, not windows, are split: nobody in the test set was trained on.
"""

import sys
from pathlib import Path

import numpy as np
from steps import ONE, SHORT, best_winner, fresh, run, say

RUN = Path("runs") / "sensor-series"
CLASSES = ("still", "walk", "stairs", "run")
RATE_HZ, STEPS = 50, 128
GRAVITY = np.array([0, 0, 1])
FULL = ("--trials", 10, "--winners", 2, "--seeds", 2)
FEW = (*ONE, "--epochs", 6, "--final-epochs", 12, "--ram-kib", 8)

# class: steps a second, strength in g, share of the heel's shock, sideways share
GAITS = {"walk": (1.8, 0.30, 0.5, 0.35), "stairs": (1.5, 0.27, 0.25, 0.5), "run": (2.6, 0.8, 0.9, 0.3)}


def window(activity, person, rng):
    """One window (128, 3) in g."""
    time = np.arange(STEPS) / RATE_HZ
    motion = np.zeros((STEPS, 3))
    if activity in GAITS:
        rate, strength, shock, sideways = GAITS[activity]
        rate, strength = rate * person["pace"] * rng.normal(1, 0.05), strength * person["force"]
        turn = 2 * np.pi * (rate * time + rng.uniform())
        motion[:, 2] = strength * (np.sin(turn) + 0.4 * np.sin(2 * turn + 0.8))
        motion[:, 2] += strength * shock * np.maximum(0, np.sin(turn)) ** 8
        motion[:, 0] = strength * sideways * np.sin(turn / 2 + 0.5)
        motion[:, 1] = strength * 0.5 * np.sin(turn + 1.2)
    else:
        motion += 0.02 * np.sin(2 * np.pi * 0.25 * time + rng.uniform(0, 6))[:, None]  # breathing
    turned = (motion + GRAVITY) @ person["angle"]
    return turned + person["offset"] + rng.normal(0, 0.04, (STEPS, 3))


def persons(number, windows, rng):
    """(x, y) of so many persons, with so many windows of each class."""
    x, y = [], []
    for _ in range(number):
        tilt = rng.normal(0, 0.35, (3, 3))
        person = {
            "pace": rng.normal(1, 0.1), "force": rng.normal(1, 0.2), "offset": rng.normal(0, 0.03, 3),
            "angle": np.linalg.qr(np.eye(3) + tilt)[0],
        }  # fmt: skip
        for label, activity in enumerate(CLASSES):
            x += [window(activity, person, rng) for _ in range(windows)]
            y += [label] * windows
    return np.array(x, np.float32), np.array(y)


def write_data(path):
    """Write the made-up data: 12 persons to train on, 3 to validate on, 5 to test on."""
    rng = np.random.default_rng(0)
    windows = 10 if SHORT else 40
    parts = {name: persons(number, windows, rng) for name, number in (("train", 12), ("val", 3), ("test", 5))}
    arrays = {
        f"{axis}_{name}": part[place] for name, part in parts.items() for place, axis in enumerate("xy")
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **arrays, class_names=CLASSES, kind="series")
    return path


def main():
    if len(sys.argv) > 1:
        data = Path(sys.argv[1])
    else:
        data = write_data(Path("runs") / "data" / "motion.npz")
        say(f"1. Made-up accelerometer windows of 20 persons are in {data}: {', '.join(CLASSES)}.")
    say(
        "2. Search networks for series (convolutions over time, TCN, LSTM, GRU) that take at most 32 KiB of",
        "   flash on a NUCLEO-L4R5ZI, a Cortex-M4 at 120 MHz.",
    )
    fresh(RUN)
    limits = FEW if SHORT else FULL
    run(
        "search", "--data", data, "--space", "sequence", "--device", "nucleo-l4r5zi", "--flash-kib", 32,
        *limits, "--out", RUN,
    )  # fmt: skip
    bundle = best_winner(RUN)
    say("3. What would the winner's int8 file cost on a smaller board?")
    run("estimate", bundle / "model.int8.tflite", "--device", "arduino-nano-33-ble")
    say("4. Prove the winner again, on the test persons.")
    run("verify", bundle, "--data", data)
    say(
        f"Done. The files: {bundle}",
        f"Mean and deviation of each axis, which the C and the samples apply: {bundle}/manifest.json",
        f"The whole search: {RUN}/report.html",
    )


if __name__ == "__main__":
    main()
