"""The same network, recipe and seeds on Keras's backends: do they agree, and how fast is each?

    python benchmarks/backends.py [--python PYTHON] [--seeds N] [--json OUT]

Each backend trains in a process of its own (`KERAS_BACKEND`). Weights begin with the same values, taken from
one seed by numpy, and images come in the same order, so what differs is arithmetic: accuracies should agree
within the spread of seeds. PYTHON must have jax and torch beside edgenas; a backend that it lacks is named.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from datetime import date
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np
from gpu import gpu_name

from edgenas.environment import machine, versions

BACKENDS = ("tensorflow", "jax", "torch")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--python", default=sys.executable, help="interpreter that has the backends")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--one", choices=BACKENDS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        print(json.dumps(trained(args.seeds, args.epochs)))
        return
    found = {backend: asked(backend, args) for backend in BACKENDS}
    for backend, entry in found.items():
        print(f"{backend}: {entry['words']}")
    known = {backend: entry for backend, entry in found.items() if "mean" in entry}
    spread = max(entry["std"] for entry in known.values())
    apart = max(entry["mean"] for entry in known.values()) - min(entry["mean"] for entry in known.values())
    print(f"means lie {100 * apart:.2f} points apart; largest standard deviation of seeds {100 * spread:.2f}")
    document = {
        "benchmark": "backends", "date": date.today().isoformat(), "gpu": gpu_name(), "apart": apart,
        "spread": spread, "backends": found, "machine": machine(), "versions": versions(),
    }  # fmt: skip
    if args.json:
        args.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def asked(backend: str, args: argparse.Namespace) -> dict[str, Any]:
    """What a process of its own finds for a backend."""
    words = [
        args.python,
        __file__,
        "--one",
        backend,
        "--seeds",
        str(args.seeds),
        "--epochs",
        str(args.epochs),
    ]
    environment = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        return {"words": f"failed: {(done.stderr.strip().splitlines() or ['no output'])[-1]}"}
    runs = json.loads(done.stdout.strip().splitlines()[-1])
    accuracies = [run["val_accuracy"] for run in runs]
    mean, deviation = fmean(accuracies), stdev(accuracies)
    speed = max(run["images_per_second"] for run in runs)
    words = f"{100 * mean:.2f} ± {100 * deviation:.2f} % validation, {speed:,.0f} images/s"
    return {"words": words, "mean": mean, "std": deviation, "images_per_second": speed, "runs": runs}


def trained(seeds: int, epochs: int) -> list[dict[str, Any]]:
    """Accuracy and speed of each seed on the backend of this process."""
    import keras

    from edgenas.arch.spec import ArchSpec, Block
    from edgenas.build.builder import build_model
    from edgenas.data.load import load_dataset
    from edgenas.data.resize import prepare
    from edgenas.train.recipe import Recipe
    from edgenas.train.trainer import train

    blocks = (
        Block("stem", {"filters": 8, "kernel": 3, "stride": 1}),
        Block("ds", {"filters": 24, "kernel": 3, "stride": 2, "skip": False}),
        Block("mbconv", {"filters": 24, "kernel": 3, "stride": 1, "expansion": 2, "skip": True}),
        Block("head", {"classes": 10}),
    )
    spec = ArchSpec("by hand", (8, 8, 1), 10, blocks, {})
    data = load_dataset("digits")
    splits = [
        (prepare(split.x, data.normalization, spec.input_shape), split.y)
        for split in (data.train, data.validation)
    ]
    found = []
    for seed in range(seeds):
        keras.utils.set_random_seed(seed)
        model = build_model(spec, keras)
        model.set_weights(same_weights(model.get_weights(), seed))
        recipe = Recipe(epochs, len(data.train), 64, shift=0.1, seed=seed, ema=0.99, label_smoothing=0.05)
        result = train(model, *splits, recipe)
        found.append({"val_accuracy": result.val_accuracy, "images_per_second": result.images_per_second})
    return found


def same_weights(fresh: list[np.ndarray], seed: int) -> list[np.ndarray]:
    """Kernels of He's scale from numpy, so that all backends begin alike; the rest as Keras has it."""
    rng = np.random.default_rng(seed)
    return [
        array if array.ndim < 2
        else rng.normal(0, (2 / np.prod(array.shape[:-1])) ** 0.5, array.shape).astype(np.float32)
        for array in fresh
    ]  # fmt: skip


if __name__ == "__main__":
    main()
