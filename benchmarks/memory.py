"""Does the memory of a search grow with its trials?

200 short trials through EdgeTuner: space `micro` on scikit-learn's digits, one epoch of a few images.
The resident memory of the search process and of the training process that stays is read after each
trial; each training itself runs in a child that ends with it. Goal: at most 300 MB of growth
from trial 10 to trial 200.

    python benchmarks/memory.py [--json OUT] [--trials N]
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import psutil

from edgenas.arch.spaces.micro import MicroSpace
from edgenas.data.load import load_dataset
from edgenas.environment import machine, versions
from edgenas.records import TrialRecord
from edgenas.search import searchers  # noqa: F401  registers them
from edgenas.search.tuner import EdgeTuner
from edgenas.train.recipe import Recipe

SEED = 11
FIRST = 10
GOAL_MB = 300
RECIPE = Recipe(epochs=1, images_per_epoch=64, batch_size=32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--json", type=Path, metavar="OUT")
    args = parser.parse_args()
    gauge = Gauge()
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        tuner = EdgeTuner(
            MicroSpace((8, 8, 1), 10),
            seed=SEED,
            max_trials=args.trials,
            directory=folder,
            project_name="memory",
            listener=gauge,
        )
        tuner.search(load_dataset("digits"), recipe=RECIPE)
        failed = sum(record.status == "failed" for record in tuner.store.trials())
        tuner.store.close()
    document = {
        "benchmark": "memory",
        "date": date.today().isoformat(),
        "seed": SEED,
        "trials": args.trials,
        "failed": failed,
        "recipe": RECIPE.to_json(),
        "seconds": round(time.perf_counter() - started, 1),
        "goal_growth_mb": GOAL_MB,
        **summary(gauge.rows),
        "machine": {**machine(), "load_1_min": os.getloadavg()[0]},
        "versions": versions(),
        "rows": gauge.rows,
    }
    show(document)
    if args.json:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


class Gauge:
    """A listener that reads the resident memory after every trial, in MB of 1,000,000 bytes."""

    def __init__(self) -> None:
        self.rows: list[dict[str, float]] = []
        self.search = psutil.Process()

    def trial_began(self, record: TrialRecord) -> None:
        """Nothing yet."""

    def epoch_ended(self, entry: Mapping[str, Any]) -> None:
        """Nothing yet."""

    def trial_ended(self, record: TrialRecord, refused: int) -> None:
        """Read both processes."""
        workers = [child for child in self.search.children() if "edgenas.train.worker" in child.cmdline()]
        training = sum(worker.memory_info().rss for worker in workers)
        megabytes = {"search": self.search.memory_info().rss / 1e6, "training": training / 1e6}
        self.rows.append({"trial": record.position + 1, **megabytes})
        if len(self.rows) % 20 == 0:
            print(f"trial {len(self.rows)}: {megabytes}", flush=True)


def summary(rows: list[dict[str, float]]) -> dict[str, Any]:
    """Megabytes of each process after trial 10 and after the last one, and the growth."""
    early, late = rows[min(FIRST, len(rows)) - 1], rows[-1]
    return {
        name: {
            f"after_trial_{int(early['trial'])}_mb": round(early[name], 1),
            f"after_trial_{int(late['trial'])}_mb": round(late[name], 1),
            "growth_mb": round(late[name] - early[name], 1),
            "largest_mb": round(max(row[name] for row in rows), 1),
        }
        for name in ("search", "training")
    }


def show(document: dict[str, Any]) -> None:
    """Print the summary."""
    for name in ("search", "training"):
        print(f"{name} process: {document[name]}")
    trials, failed, seconds = (document[name] for name in ("trials", "failed", "seconds"))
    print(f"{trials} trials, {failed} failed, {seconds} s; goal: at most {GOAL_MB} MB of growth")


if __name__ == "__main__":
    main()
