"""What does inheritance save? Regularized evolution with it at half the epochs, and without.

    python benchmarks/inheritance.py --work DIR [--data fashion-mnist --seeds 3 --trials 40 --epochs 6
        --images 4000 --share 0.5 --json OUT]

Both arms search space `micro` for validation error and MACs with the same recipe and one worker. Without
inheritance every candidate gets all epochs; with it, children get ``--share`` of them, some of them both
ways (docs/inheritance.md). The arm that inherits has as many trials as use up the share ``--budget`` of the
epochs of the other arm. Its front is then trained anew from random weights in full, with seeds of its own,
so that both arms are scored on fresh trainings alone.

Score: hypervolume in the unit square of error (best to worst of a seed's fresh results) and log10 of MACs.
A run that is in ``--work`` already is gone on with, so the benchmark can be stopped and resumed. Seconds
are processor seconds of an arm with its children; what was done in an earlier attempt is left out.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict
from datetime import date
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np

from edgenas.arch.space import SPACES
from edgenas.data.load import load_dataset
from edgenas.environment import machine, versions
from edgenas.records import TrialRecord
from edgenas.search.pareto import front_mask, hypervolume
from edgenas.search.tuner import EdgeTuner
from edgenas.store import Store
from edgenas.train.job import Job
from edgenas.train.process import TrainingProcess
from edgenas.train.recipe import Recipe, batch_for

SEARCHER = "regularized-evolution"
OBJECTIVES = ("val_error", "macs")


def main() -> None:
    args = parse()
    args.work.mkdir(parents=True, exist_ok=True)
    if args.one:
        one_arm(args, args.one[0], int(args.one[1]))
        return
    if args.so_far:
        unfinished(args)
        return
    seeds = {}
    for seed in range(args.seeds):
        for arm in ("fresh", "inherit"):
            if not (args.work / f"{arm}-{seed}.json").exists():
                command = [sys.executable, __file__, *sys.argv[1:], "--one", arm, str(seed)]
                subprocess.run(command, check=True)
        both = [json.loads((args.work / f"{arm}-{seed}.json").read_text()) for arm in ("fresh", "inherit")]
        seeds[str(seed)] = compared(*both)
    document = {
        "benchmark": "inheritance",
        "date": date.today().isoformat(),
        "data": args.data, "space": "micro", "searcher": SEARCHER, "objectives": OBJECTIVES,
        "recipe": asdict(recipe(args, 10_000, 0)),
        "trials_fresh": args.trials, "share": args.share, "epoch_budget": args.budget,
        "hypervolume_ratio": mean(found["hypervolume_ratio"] for found in seeds.values()),
        "seeds": seeds,
        "machine": machine(),
        "versions": versions(),
    }  # fmt: skip
    show(document)
    if args.json:
        args.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, required=True, help="keeps the runs")
    parser.add_argument("--data", default="fashion-mnist")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--trials", type=int, default=40, help="of the arm without inheritance")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--images", type=int, default=4000, help="per epoch")
    parser.add_argument("--share", type=float, default=0.5)
    parser.add_argument("--budget", type=float, default=0.5, help="epochs of the other arm, as a share")
    parser.add_argument("--json", type=Path, metavar="OUT")
    parser.add_argument("--so-far", action="store_true", help="train nothing, say what is there")
    parser.add_argument("--one", nargs=2, metavar=("ARM", "SEED"), help=argparse.SUPPRESS)
    return parser.parse_args()


def recipe(args: argparse.Namespace, train_images: int, seed: int) -> Recipe:
    images = min(args.images, train_images)
    return Recipe(args.epochs, images, min(batch_for(train_images), images), seed=seed)


def one_arm(args: argparse.Namespace, arm: str, seed: int) -> None:
    """Search, train the front anew where weights were inherited, and write down what came of it."""
    dataset = load_dataset(args.data, seed=seed)
    plan = recipe(args, len(dataset.train), seed)
    space = SPACES.get("micro")(dataset.input_shape, dataset.outputs)
    folder = args.work / f"run-{arm}-{seed}"
    begun = (folder / "run.db").exists()

    def epochs_left() -> float:
        with Store.read(folder) as store:
            used = sum((trial.recipe or {}).get("epochs", 0) for trial in store.trials())
        return args.budget * args.trials * args.epochs - used

    inherits = arm == "inherit"
    tuner = EdgeTuner(
        space, objectives=OBJECTIVES, searcher=SEARCHER, seed=seed, directory=args.work,
        project_name=folder.name, workers=1, inherit=args.share if inherits else None,
        max_trials=None if inherits else args.trials, seconds_left=epochs_left if inherits else None,
    )  # fmt: skip
    tuner.search(dataset, recipe=plan)
    points = {trial.trial_id: point(trial) for trial in tuner.store.trials() if trial.status == "completed"}
    again = {}
    if inherits:
        children = [trial for trial in tuner.pareto_front() if trial.parent]
        with TrainingProcess(dataset, args.work / "again.log", threads=1) as process:
            for trial in children:
                job = Job(trial.spec, Recipe(**{**asdict(plan), "seed": 7 + trial.position}))
                again[trial.trial_id] = process.run(job).error
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    document = {
        "arm": arm, "seed": seed, "epochs": args.epochs, "points": points, "again": again,
        "front": [trial.trial_id for trial in tuner.pareto_front()],
        "calibration": tuner.store.meta("inheritance"),
        "cpu_seconds": round(sum(one.ru_utime + one.ru_stime for one in usage), 1),
        "cpu_seconds_whole": not begun,
    }  # fmt: skip
    (args.work / f"{arm}-{seed}.json").write_text(json.dumps(document, indent=1), encoding="utf-8")


def unfinished(args: argparse.Namespace) -> None:
    """What runs that were stopped have shown so far; no hypervolumes, which need both arms whole."""
    arms = {}
    for folder in sorted(args.work.glob("run-*")):
        with Store.read(folder) as store:
            done = [trial for trial in store.trials() if trial.status == "completed"]
            calibration = store.meta("inheritance")
        points = [point(trial) for trial in done]
        children = [one["inherited"] for one in points if one["inherited"]]
        fresh = {trial.spec.arch_id: trial.val_error for trial in done if trial.fidelity == 1}
        arms[folder.name] = {
            "trainings": len(points),
            "epochs": sum(one["epochs"] for one in points),
            "children": len(children),
            "share_of_weights_inherited": mean(one["share"] for one in children) if children else None,
            "children_that_computed_the_same": sum(one["preserved"] for one in children),
            "inherited_and_fresh_error_of_pairs": [
                [trial.measured_error, fresh[trial.spec.arch_id]]
                for trial in done
                if trial.parent and trial.spec.arch_id in fresh
            ],
            "calibration": calibration,
        }
    document = {
        "benchmark": "inheritance, not finished",
        "date": date.today().isoformat(),
        "data": args.data, "space": "micro", "searcher": SEARCHER, "objectives": OBJECTIVES,
        "recipe": asdict(recipe(args, 10_000, 0)), "share": args.share, "arms": arms,
        "machine": machine(), "versions": versions(),
    }  # fmt: skip
    print(json.dumps(arms, indent=1))
    if args.json:
        args.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def point(trial: TrialRecord) -> dict[str, Any]:
    """What a trial came to and what it took."""
    result = trial.result or {}
    return {
        "error": trial.val_error, "measured": trial.measured_error, "macs": trial.cost.macs,
        "epochs": (trial.recipe or {}).get("epochs"), "parent": trial.parent,
        "inherited": result.get("inherited"), "fidelity": trial.fidelity,
    }  # fmt: skip


def compared(fresh: Mapping[str, Any], inherit: Mapping[str, Any]) -> dict[str, Any]:
    """Both arms of a seed by the hypervolume of their fresh results."""
    ours = fresh_points(inherit)
    theirs = np.array([(one["error"], np.log10(one["macs"])) for one in fresh["points"].values()])
    low, high = np.vstack([ours, theirs]).min(axis=0), np.vstack([ours, theirs]).max(axis=0)

    def volume(points: np.ndarray) -> float:
        return hypervolume((points - low) / (high - low), np.full(2, 1.1)) if len(points) else 0.0

    counts = {arm: [0.0, 0.0, 0.0] for arm in ("fresh", "inherit")}
    for arm, document in (("fresh", fresh), ("inherit", inherit)):
        epochs = [one["epochs"] for one in document["points"].values()]
        counts[arm] = [len(epochs), sum(epochs), document["cpu_seconds"]]
    half = [
        (one["error"], np.log10(one["macs"]))
        for one in list(fresh["points"].values())[: int(counts["inherit"][1] / fresh["epochs"])]
    ]
    volumes = {
        "fresh": volume(theirs), "fresh_same_epochs": volume(np.array(half)), "inherit": volume(ours),
    }  # fmt: skip
    children = [one for one in inherit["points"].values() if one["inherited"]]
    return {
        "hypervolume": volumes,
        "hypervolume_ratio": volumes["inherit"] / volumes["fresh"],
        "trainings_epochs_cpu_seconds": counts,
        "children": len(children),
        "share_of_weights_inherited": mean(one["inherited"]["share"] for one in children)
        if children
        else None,
        "children_that_computed_the_same": sum(one["inherited"]["preserved"] for one in children),
        "calibration": inherit["calibration"],
        "error_of_the_corrected_scores": [
            inherit["points"][name]["error"] - error for name, error in inherit["again"].items()
        ],
    }


def fresh_points(document: Mapping[str, Any]) -> np.ndarray:
    """The front of an arm that inherits, by fresh trainings only: its own, and those made again."""
    known = {name: one["error"] for name, one in document["points"].items() if one["fidelity"] == 1}
    known |= document["again"]
    points = np.array([(error, np.log10(document["points"][name]["macs"])) for name, error in known.items()])
    return points[front_mask(points)]


def show(document: Mapping[str, Any]) -> None:
    for seed, found in document["seeds"].items():
        volumes, counts = found["hypervolume"], found["trainings_epochs_cpu_seconds"]
        print(
            f"seed {seed}: hypervolume {volumes['inherit']:.3f} with inheritance "
            f"({counts['inherit'][1]:.0f} epochs, {counts['inherit'][2]:.0f} CPU s), {volumes['fresh']:.3f} "
            f"without ({counts['fresh'][1]:.0f} epochs, {counts['fresh'][2]:.0f} CPU s), "
            f"{volumes['fresh_same_epochs']:.3f} without after as many epochs; calibration "
            f"{found['calibration'] and found['calibration']['ratio']}"
        )
    print(f"with inheritance over without: {document['hypervolume_ratio']:.3f}")


if __name__ == "__main__":
    main()
