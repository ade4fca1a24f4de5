"""Our training loop against a plain `model.fit` of the same network: images a second.

    python benchmarks/training_speed.py [--rounds N] [--json OUT]

Both train the same network with the same optimizer, schedule and batch size on the same random images of
28x28x1, in turn, so that other work on the machine hits both alike; each figure is the median over rounds.
`model.fit` gets whole arrays and no callback, and neither shifts nor softens labels nor averages, whatever
ours does. Ours has its walk over seeded permutations, clock, NaN check and validation after each epoch, which
`model.fit` is given as well. ``plain`` is a training as in a search; ``shift`` and ``everything`` are the
first epochs of a long one, which takes several steps at once. Goal: 95 % of `model.fit`. Processor time is
told beside wall time: where other work shares the machine it is the steadier of the two.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from contextlib import suppress
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from edgenas.arch.spec import ArchSpec, Block
from edgenas.environment import machine, versions
from edgenas.train.recipe import Recipe

IMAGES, VALIDATION = 6_400, 1_000
TIMED = 3
"""Epochs of each training; the first is not timed."""

RECIPE = Recipe(epochs=TIMED, images_per_epoch=IMAGES, batch_size=128)
LONG = replace(RECIPE, epochs=100)
GOAL = 0.95


def network(filters: int, depth: int) -> ArchSpec:
    blocks = [Block("stem", {"filters": 8, "kernel": 3, "stride": 2})]
    for position in range(depth):
        args = {"filters": filters, "kernel": 3, "stride": 2 if position == 1 else 1, "skip": True}
        blocks.append(Block("ds", args))
    blocks.append(Block("head", {"classes": 10}))
    return ArchSpec("by hand", (28, 28, 1), 10, tuple(blocks), {})


NETWORKS = {"small": network(8, 2), "middle": network(32, 4)}
WAYS = {
    "plain": RECIPE,
    "shift": replace(LONG, shift=1 / 12),
    "everything": replace(LONG, shift=1 / 12, ema=0.999, label_smoothing=0.1, patience=3),
}


def now() -> np.ndarray:
    """Wall and processor seconds, the latter of all threads."""
    return np.array([time.perf_counter(), time.process_time()])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, help="write the figures here")
    args = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    rng = np.random.default_rng(0)
    splits = tuple(
        (rng.random((number, 28, 28, 1), np.float32), rng.integers(0, 10, number))
        for number in (IMAGES, VALIDATION)
    )
    found = {name: compare(spec, splits, args.rounds) for name, spec in NETWORKS.items()}
    for name, entry in found.items():
        for kind in ("share_of_fit", "share_of_fit_in_processor_time"):
            shares = ", ".join(f"{way} {share:.1%}" for way, share in entry[kind].items())
            print(f"{name}: model.fit {entry['images_per_second']['fit']:,} images/s; {kind}: {shares}")
    document = {
        "benchmark": "training_speed",
        "date": date.today().isoformat(),
        "goal": GOAL,
        "reached": all(
            share >= GOAL
            for entry in found.values()
            for share in entry["share_of_fit_in_processor_time"].values()
        ),
        "rounds": args.rounds,
        "networks": found,
        "machine": machine(),
        "versions": versions(),
    }
    if args.json:
        args.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def compare(spec: ArchSpec, splits: Any, rounds: int) -> dict[str, Any]:
    """Images a second, wall and processor, of each way, and ours as a share of `model.fit`."""
    runners = {"fit": lambda: fit(spec, splits)}
    runners |= {way: lambda recipe=recipe: ours(spec, splits, recipe) for way, recipe in WAYS.items()}
    speeds: dict[str, list[np.ndarray]] = {way: [] for way in runners}
    for _ in range(rounds):
        for way, runner in runners.items():
            speeds[way].append(runner())
    shares = {
        way: np.median([a / b for a, b in zip(speeds[way], speeds["fit"], strict=True)], 0) for way in WAYS
    }
    return {
        "macs": spec.graph().macs,
        "images_per_second": {way: round(float(np.median(found, 0)[0])) for way, found in speeds.items()},
        "share_of_fit": {way: round(float(share[0]), 4) for way, share in shares.items()},
        "share_of_fit_in_processor_time": {way: round(float(share[1]), 4) for way, share in shares.items()},
    }


def fit(spec: ArchSpec, splits: Any) -> np.ndarray:
    """Images a second, wall and processor, of `model.fit` on arrays, after an epoch that traces the graph."""
    import keras

    from edgenas.build.builder import build_model
    from edgenas.train.trainer import compile_model

    keras.utils.set_random_seed(0)
    model = build_model(spec, keras)
    compile_model(model, RECIPE, IMAGES // RECIPE.batch_size)
    (images, labels), validation = splits
    times: list[np.ndarray] = []
    model.fit(
        images, labels, batch_size=RECIPE.batch_size, epochs=RECIPE.epochs, verbose=0,
        validation_data=validation, validation_batch_size=1000,
        callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: times.append(now()))],
    )  # fmt: skip
    return IMAGES * (RECIPE.epochs - 1) / (times[-1] - times[0])


def ours(spec: ArchSpec, splits: Any, recipe: Recipe) -> np.ndarray:
    """Images a second, wall and processor, of our loop, after its first epoch."""
    import keras

    from edgenas.build.builder import build_model
    from edgenas.train.trainer import train

    keras.utils.set_random_seed(0)
    model = build_model(spec, keras)
    times: list[np.ndarray] = []

    def on_epoch(entry: dict[str, Any]) -> None:
        times.append(now())
        if len(times) == TIMED:
            raise Enough

    with suppress(Enough):
        train(model, *splits, recipe, on_epoch)
    return IMAGES * (TIMED - 1) / (times[-1] - times[0])


class Enough(Exception):
    """The epochs that are timed are over."""


if __name__ == "__main__":
    main()
