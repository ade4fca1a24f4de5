"""Search by gradients against random search with the same CPU time, on Fashion-MNIST in space `micro`.

For each seed: one gradient search for a latency target and the stand-alone training of the network that it
derives and of those drawn after it, 12 in all as on the command line; then random search within the same
budgets until it has used as many CPU seconds, trainings of the same length. Printed and written: CPU seconds;
of the derived network and of the best trial within 5 % of the target, latency as a share of the target,
validation accuracy, and that of the most accurate network of random search that is no slower; and the
hypervolume of both fronts, error over logarithmic latency, behind the worst of both.

CPU seconds are those of this process and all its children, so other work on the machine changes them little.
One file a piece of work lies in --work; what is done already is not done again.

    python benchmarks/gradient.py --json benchmarks/results/gradient.json
    python benchmarks/gradient.py --seeds 3 --searcher gradient-binary
    python benchmarks/gradient.py --seeds 3 --device nucleo-l4r5zi --target-ms 300
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from edgenas.config import RunConfig
from edgenas.data.dataset import Dataset
from edgenas.data.load import load_dataset
from edgenas.environment import machine, versions
from edgenas.oneshot.gradient_derive import CLOSE
from edgenas.problem_of import make_problem
from edgenas.records import comparable
from edgenas.search.pareto import hypervolume
from edgenas.search.problem import Problem
from edgenas.search.tuner import EdgeTuner
from edgenas.train.recipe import Recipe, search_recipe


def cpu_seconds() -> float:
    """CPU seconds of this process and its children, those that ended included."""
    processes = [psutil.Process(), *psutil.Process().children(recursive=True)]
    total = 0.0
    for process in processes:
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total


def search(
    name: str, searcher: str, problem: Problem, dataset: Dataset, recipe: Recipe, folder: Path, seed: int,
    trials: int | None, budget: float | None,
) -> dict[str, Any]:  # fmt: skip
    """One search: CPU seconds, and latency and accuracy of each trial."""
    began, started = cpu_seconds(), time.perf_counter()
    tuner = EdgeTuner(
        problem.space, cost_source=problem.cost_source, constraints=problem.constraints,
        objectives=problem.objectives, searcher=searcher, seed=seed, max_trials=trials, workers=1,
        seconds_left=(lambda: budget - (cpu_seconds() - began)) if budget else None,
        directory=folder, project_name=name, overwrite=True,
    )  # fmt: skip
    tuner.search(dataset, recipe=recipe)
    return {
        "searcher": searcher,
        "seed": seed,
        "cpu_seconds": cpu_seconds() - began,
        "wall_seconds": time.perf_counter() - started,
        "trials": [
            {"latency_ms": trial.cost.latency_ms, "val_accuracy": 1.0 - (trial.val_error or 0.0)}
            for trial in comparable(tuner.store.trials())
        ],
        "targets": [
            {key: entry[key] for key in ("target", "reached", "seconds")}
            for entry in (tuner.store.meta("gradient") or {"targets": []})["targets"]
        ],
    }


def kept(path: Path, make: Any) -> dict[str, Any]:
    """What a file holds, or what is made and written to it."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(make(), indent=1))
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def compared(gradient: dict[str, Any], random: dict[str, Any], target: float) -> dict[str, Any]:
    """One seed's figures."""
    trials = gradient["trials"]
    derived = [one for one in trials if one["latency_ms"] == gradient["targets"][0]["reached"]]
    near = [one for one in trials if CLOSE * target <= one["latency_ms"] <= target]

    def beside_random(one: dict[str, float]) -> dict[str, float | None]:
        no_slower = [
            other["val_accuracy"] for other in random["trials"] if other["latency_ms"] <= one["latency_ms"]
        ]
        return {
            "latency_share_of_target": one["latency_ms"] / target,
            "val_accuracy": one["val_accuracy"],
            "random_front_val_accuracy": max(no_slower, default=None),
        }

    return {
        "seed": gradient["seed"],
        "gradient_cpu_seconds": gradient["cpu_seconds"],
        "random_cpu_seconds": random["cpu_seconds"],
        "gradient_trials": len(trials),
        "random_trials": len(random["trials"]),
        "derived": beside_random(derived[0]) if derived else None,
        "best_near_target": beside_random(max(near, key=lambda one: one["val_accuracy"])) if near else None,
        "hypervolume_over_random": volume_ratio(trials, random["trials"]),
    }


def volume_ratio(one: list[dict[str, float]], other: list[dict[str, float]]) -> float | None:
    """Hypervolume of some trials, as a multiple of that of others; None where those have none."""
    points = [
        np.array([[1 - trial["val_accuracy"], np.log(trial["latency_ms"])] for trial in trials]).reshape(
            -1, 2
        )
        for trials in (one, other)
    ]
    worst = np.concatenate(points).max(axis=0)
    volumes = [hypervolume(found, worst) for found in points]
    return float(volumes[0] / volumes[1]) if volumes[1] else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--trials", type=int, default=12, help="networks that gradients propose")
    parser.add_argument("--device", default="host")
    parser.add_argument("--target-ms", type=float, default=0.05)
    parser.add_argument("--images", type=int, default=36_000, help="images of one training")
    parser.add_argument("--searcher", default="gradient", help="gradient or gradient-binary")
    parser.add_argument("--work", type=Path, default=Path("runs/benchmark-gradient"))
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    dataset = load_dataset("fashion-mnist", seed=0)
    config = RunConfig(data="fashion-mnist", device=args.device, latency_ms=args.target_ms)
    problem, _ = make_problem(config, dataset)
    rows = []
    for seed in range(args.seeds):
        recipe = search_recipe(len(dataset.train), epochs=3, images=args.images // 3, seed=seed)
        one = (problem, dataset, recipe, args.work, seed)
        asked = f"{args.searcher}-{args.trials}-{args.device}-{args.target_ms:g}-{args.images}-{seed}"
        gradient = kept(
            args.work / f"{asked}.json",
            lambda one=one, asked=asked: search(asked, args.searcher, *one, args.trials, None),
        )
        budget = gradient["cpu_seconds"]
        random = kept(
            args.work / f"random-beside-{asked}.json",
            lambda one=one, asked=asked, budget=budget: search(
                f"random-beside-{asked}", "random", *one, None, budget
            ),
        )
        rows.append(compared(gradient, random, args.target_ms))
        print(json.dumps(rows[-1]), flush=True)
    document = {
        "benchmark": "gradient", "data": "fashion-mnist", "space": "micro", "device": args.device,
        "searcher": args.searcher, "trials": args.trials, "target_ms": args.target_ms,
        "images_per_training": args.images,
        "machine": machine(), "versions": versions(), "seeds": rows,
    }  # fmt: skip
    if args.json:
        args.json.write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
