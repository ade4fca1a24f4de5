"""What does it cost to search for an Ethos-U, and what do random weights do to Vela's estimates?

Three things are printed: networks a second that Vela judges, and the seconds that a check of a whole
space takes; how many networks each searcher asks for in 30 trials, and how long that takes (no training:
errors are made up); and, for the int8 files named, the latency of the file itself over that of the same
operations with random weights, which is what a search sees.

    python benchmarks/vela.py [--device ID ...] [--searchers NAME ...] [--json OUT] [MODEL.tflite ...]
"""

from __future__ import annotations

import argparse
import json
import os
import time
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

import edgenas.search.searchers  # noqa: F401 - registers them
from edgenas.arch.spaces.micro import MicroSpace
from edgenas.build.read_tflite import graph_from_tflite
from edgenas.environment import machine, versions
from edgenas.errors import EdgenasError
from edgenas.profile.device import load_device
from edgenas.profile.vela import VelaSource
from edgenas.search.problem import Problem
from edgenas.search.searcher import SEARCHERS, Observation

SEED = 5_500
NETWORKS = 300
TRIALS = 30
SPACES = [MicroSpace((8, 8, 1), 10), MicroSpace((28, 28, 1), 10), MicroSpace((96, 96, 3), 2)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", type=Path, metavar="MODEL.tflite")
    parser.add_argument("--device", nargs="+", default=["ethos-u55-128", "ethos-u65-512", "ethos-u85-512"])
    parser.add_argument("--searchers", nargs="+", default=["front", "random", "regularized-evolution"])
    parser.add_argument("--json", type=Path, metavar="OUT")
    args = parser.parse_args()
    document: dict[str, Any] = {
        "benchmark": "vela",
        "date": date.today().isoformat(),
        "seed": SEED,
        "speed": [speed(name, space) for name in args.device for space in SPACES],
        "searches": [search(args.device[0], name) for name in args.searchers],
        "weights": [row for path in args.models for name in args.device if (row := weights(name, path))],
        "machine": {**machine(), "load_1_min": os.getloadavg()[0]},
        "versions": versions(),
    }
    print(f"load {document['machine']['load_1_min']:.1f} on {document['machine']['cores']} cores")
    if args.json:
        args.json.write_text(json.dumps(document, indent=1) + "\n")


def speed(device: str, space: MicroSpace) -> dict[str, Any]:
    """Networks a second, and seconds to check a space."""
    source = VelaSource(load_device(device))
    rng = np.random.default_rng(SEED)
    graphs = [space.graph(space.sample(rng)) for _ in range(NETWORKS)]
    source.estimate(graphs.pop())  # starts the compiler
    start = time.perf_counter()
    latencies = [source.estimate(graph).latency_ms for graph in graphs]
    elapsed = time.perf_counter() - start
    start = time.perf_counter()
    source.check_covers(space)
    row = {
        "device": device,
        "space": f"{space.name} {'x'.join(map(str, space.input_shape))}",
        "networks_a_second": len(graphs) / elapsed,
        "check_s": time.perf_counter() - start,
        "median_ms": float(np.median([value for value in latencies if value is not None])),
    }
    print(
        f"{device:15} {row['space']:16} {row['networks_a_second']:5.0f} networks a second, space checked in "
        f"{row['check_s']:.1f} s, median latency {row['median_ms']:.3g} ms"
    )
    return row


def search(device: str, name: str) -> dict[str, Any]:
    """Networks that a searcher has judged in `TRIALS` trials, and the seconds that it takes."""
    source = VelaSource(load_device(device))
    problem = Problem(SPACES[1], source, (), ("val_error", "latency_ms"))
    searcher = SEARCHERS.get(name)(problem, SEED)
    rng = np.random.default_rng(SEED)
    start = time.perf_counter()
    for _ in range(TRIALS):
        candidate = searcher.ask()
        searcher.tell(Observation(candidate, problem.point(candidate, float(rng.uniform(0.1, 0.9)))))
    row = {
        "searcher": name,
        "device": device,
        "trials": TRIALS,
        "networks": len(source._known),
        "seconds": time.perf_counter() - start,
    }
    print(
        f"{name} on {device}: {row['networks']} networks compiled for {TRIALS} trials in "
        f"{row['seconds']:.0f} s, the searcher's own time included"
    )
    return row


def weights(device: str, path: Path) -> dict[str, Any] | None:
    """Latency and flash of a file over those of its operations with random weights."""
    source = VelaSource(load_device(device))
    model = path.read_bytes()
    try:
        graph = graph_from_tflite(model)
        real, random = source.estimate_file(model, graph), source.estimate(graph)
    except EdgenasError as error:
        print(f"{path.name}: {error}")
        return None
    assert real.latency_ms is not None and random.latency_ms is not None
    row = {
        "model": path.name,
        "device": device,
        "latency_ms": real.latency_ms,
        "latency_random_weights_ms": random.latency_ms,
        "flash_bytes": real.flash_bytes,
        "flash_random_weights_bytes": random.flash_bytes,
    }
    print(
        f"{path.name:35} {device:15} {real.latency_ms:.4g} ms, with random weights "
        f"{random.latency_ms / real.latency_ms:.3f} of it; flash {real.flash_bytes / 1024:.1f} KiB, "
        f"{random.flash_bytes / real.flash_bytes:.3f}"
    )
    return row


if __name__ == "__main__":
    main()
