"""Trainings of small networks on one GPU: how many at a time keep it busy, on which backend?

    python benchmarks/gpu.py [--backends NAME ...] [--workers N ...] [--epochs N] [--mixed] [--json OUT]

A network of some 5 million MACs for 32x32x3 images trains as `edgenas train` does it (shifted and mirrored
images, averaged weights), 1, 2, 4 ... times at once, each in a training process of its own. Images are noise,
as their content does not matter to the speed. For each number at a time: images a second of all together
after each one's first epoch, the seconds before that (imports, compilation, first epoch), and the utilisation
that ``nvidia-smi`` tells while all of them train, as the mean of samples twice a second. It is the share of
time in which any kernel ran, so 100 % does not mean that the GPU could do no more; images a second say that.
Without a GPU the same runs on the processor, and the document says so.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from edgenas.arch.spec import ArchSpec, Block
from edgenas.data.dataset import Dataset, Normalization, Split
from edgenas.data.storage import save_arrays
from edgenas.environment import machine, versions
from edgenas.train.job import Job
from edgenas.train.precision import gpu_here
from edgenas.train.process import TrainingProcess
from edgenas.train.recipe import Recipe

IMAGES, VALIDATION, EPOCHS = 20_480, 2_000, 5


def network() -> ArchSpec:
    """Stem and seven MBConv blocks, as space `micro` builds them."""
    blocks = [Block("stem", {"filters": 16, "kernel": 3, "stride": 1})]
    for filters, stride, depth in ((16, 2, 1), (24, 1, 2), (48, 2, 2), (64, 1, 2)):
        for position in range(depth):
            args = {"filters": filters, "kernel": 3, "stride": 1 if position else stride, "expansion": 3,
                    "skip": True}  # fmt: skip
            blocks.append(Block("mbconv", args))
    blocks.append(Block("head", {"classes": 10}))
    return ArchSpec("by hand", (32, 32, 3), 10, tuple(blocks), {})


def images() -> Dataset:
    rng = np.random.default_rng(0)
    splits = {
        name: Split(rng.integers(0, 256, (number, 32, 32, 3), np.uint8), rng.integers(0, 10, number))
        for name, number in (("train", IMAGES), ("validation", VALIDATION), ("test", 100))
    }
    names = tuple(map(str, range(10)))
    return Dataset(name="random", class_names=names, normalization=Normalization(1 / 127.5, -1.0), **splits)


class Utilisation:
    """Samples of ``nvidia-smi``: percent of time in which a kernel ran, and MiB of memory in use."""

    def __init__(self) -> None:
        self.samples: list[tuple[float, float, float]] = []
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Utilisation:
        if shutil.which("nvidia-smi"):
            self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._done.set()

    def _watch(self) -> None:
        query = ["nvidia-smi", "--query-gpu=utilization.gpu,memory.used", "--format=csv,noheader,nounits"]
        while not self._done.wait(0.5):
            done = subprocess.run(query, capture_output=True, text=True, check=False)
            try:
                busy, memory = (float(part) for part in done.stdout.strip().splitlines()[0].split(","))
            except (ValueError, IndexError):
                continue
            self.samples.append((time.monotonic(), busy, memory))

    def between(self, start: float, end: float) -> dict[str, float | None]:
        """Mean utilisation and most memory in a stretch of time."""
        chosen = [sample for sample in self.samples if start <= sample[0] <= end]
        return {
            "utilisation": fmean(one[1] for one in chosen) / 100 if chosen else None,
            "memory_mib": max(one[2] for one in chosen) if chosen else None,
        }


def measured(backend: str, workers: int, data_folder: Path, mixed: bool, epochs: int) -> dict[str, Any]:
    """So many trainings at once on a backend."""
    os.environ["KERAS_BACKEND"] = backend
    ends: list[list[float]] = [[] for _ in range(workers)]

    def work(number: int) -> float:
        recipe = Recipe(
            epochs, IMAGES, 128, augment=("shift", "flip"), ema=0.999, seed=number, mixed_precision=mixed
        )
        with TrainingProcess(None, data_folder / f"log{number}", threads=1, data_folder=data_folder) as place:
            return place.run(
                Job(network(), recipe), lambda entry: ends[number].append(time.monotonic())
            ).seconds

    start = time.monotonic()
    with Utilisation() as utilisation, ThreadPoolExecutor(workers) as threads:
        list(threads.map(work, range(workers)))
    speeds = [IMAGES * (len(mine) - 1) / (mine[-1] - mine[0]) for mine in ends]
    return {
        "backend": backend, "workers": workers, "mixed_precision": mixed,
        "images_per_second": round(sum(speeds)),
        "seconds_to_first_epoch": round(max(mine[0] for mine in ends) - start, 1),
        **utilisation.between(max(mine[0] for mine in ends), min(mine[-1] for mine in ends)),
    }  # fmt: skip


def words(entry: dict[str, Any]) -> str:
    busy = entry["utilisation"]
    return (
        f"{entry['backend']:10} {'mixed' if entry['mixed_precision'] else 'float32'} "
        f"{entry['workers']:2} at a time: {entry['images_per_second']:8,} images/s, first epoch after "
        f"{entry['seconds_to_first_epoch']:5.1f} s"
        + ("" if busy is None else f", GPU {100 * busy:.0f} % busy, {entry['memory_mib']:,.0f} MiB")
    )


def gpu_name() -> str | None:
    """What ``nvidia-smi`` calls the GPU, or None without one."""
    if not shutil.which("nvidia-smi"):
        return None
    asked = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    return subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip() or None


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--backends", nargs="+", default=["tensorflow"])
    parser.add_argument("--workers", nargs="+", type=int, default=[1, 2, 4])
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--mixed", action="store_true", help="float16 too, for the last number of workers")
    parser.add_argument("--json", type=Path, help="write the figures here")
    args = parser.parse_args()
    found = []
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        save_arrays(images(), data)
        for backend in args.backends:
            runs = [(workers, False) for workers in args.workers]
            for workers, mixed in [*runs, *([(args.workers[-1], True)] if args.mixed and gpu_here() else [])]:
                found.append(measured(backend, workers, data, mixed, args.epochs))
                print(words(found[-1]), flush=True)
                document = {
                    "benchmark": "gpu", "date": date.today().isoformat(), "gpu": gpu_name(), "runs": found,
                    "machine": machine(), "versions": versions(),
                }  # fmt: skip
                if args.json:
                    args.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
