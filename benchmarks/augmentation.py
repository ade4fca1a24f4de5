"""What augmentation costs beside the training step that it feeds, on one thread.

    export OMP_NUM_THREADS=1 TF_NUM_INTRAOP_THREADS=1 TF_NUM_INTEROP_THREADS=1
    python benchmarks/augmentation.py [--json OUT]

Processor time of one batch of 128, the median of many, against that of a training step of a network of
the `micro` space that reads examples of the same shape (series: two convolutions of 16 and 32 filters in
front of a dense layer of 64; rows: that layer alone).
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from edgenas.arch.space import SPACES
from edgenas.build.builder import build_model
from edgenas.environment import machine, versions
from edgenas.train.augment import AUGMENTATIONS, MIXUP, Augmenter
from edgenas.train.recipe import Recipe
from edgenas.train.trainer import compile_model

BATCH, CLASSES, REPEATS = 128, 10, 30
SHAPES = {"image": (32, 32, 3), "audio": (49, 40, 1), "series": (128, 9), "features": (64,)}


def cpu_ms(call: Callable[[], Any], repeats: int) -> float:
    """Processor time of a call in milliseconds, the median; the first two are warm-up."""
    times = []
    for _ in range(repeats + 2):
        started = time.process_time()
        call()
        times.append((time.process_time() - started) * 1e3)
    return median(times[2:])


def network(kind: str) -> Any:
    """A compiled network for a kind of data, with about a million MACs where it is a convolutional one."""
    import keras

    shape = SHAPES[kind]
    if len(shape) == 3:
        space = SPACES.get("micro")(shape, CLASSES)
        sampled = [space.sample(np.random.default_rng(seed)) for seed in range(400)]
        specs = [spec for spec in sampled if spec.input_shape == shape]
        spec = min(specs, key=lambda spec: abs(spec.graph().macs - 1e6))
        model = build_model(spec, keras)
    else:
        layers = keras.layers
        convolutions = [
            layers.Conv1D(16, 5, 2, activation="relu"),
            layers.Conv1D(32, 5, 2, activation="relu"),
        ]
        inner = [*convolutions, layers.GlobalAveragePooling1D()] if len(shape) == 2 else []
        hidden = [*inner, layers.Dense(64, "relu"), layers.Dense(CLASSES, "softmax")]
        model = keras.Sequential([layers.Input(shape), *hidden])
    compile_model(model, Recipe(1, BATCH), 1)
    return model


def measure(kind: str) -> dict[str, Any]:
    """Step and augmentations of one kind."""
    rng = np.random.default_rng(0)
    x = rng.random((BATCH, *SHAPES[kind]), np.float32)
    y = rng.integers(0, CLASSES, BATCH)
    shares = np.eye(CLASSES, dtype=np.float32)[y]
    model = network(kind)
    step = cpu_ms(lambda: model.train_on_batch(x, y), 15)
    costs = {}
    for name in AUGMENTATIONS.names():
        if kind not in AUGMENTATIONS.get(name).kinds:
            continue
        augmenter = Augmenter((name,))
        mixes = name == MIXUP
        costs[name] = cpu_ms(
            lambda a=augmenter, m=mixes: a.mixed([x, shares], rng) if m else a(x, rng), REPEATS
        )
    return {"shape": SHAPES[kind], "step_ms": step, "augmentation_ms": costs}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, metavar="OUT")
    args = parser.parse_args()
    found = {kind: measure(kind) for kind in SHAPES}
    for kind, one in found.items():
        print(f"{kind} {'x'.join(map(str, one['shape']))}: step {one['step_ms']:.1f} ms")
        for name, cost in one["augmentation_ms"].items():
            print(f"  {name:12} {cost:6.2f} ms  {cost / one['step_ms']:6.1%} of the step")
    if args.json:
        document = {
            "benchmark": "augmentation", "date": date.today().isoformat(), "batch": BATCH, "kinds": found,
            "versions": versions(), "machine": machine(),
        }  # fmt: skip
        args.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
