"""Real searches side by side: edgenas' searchers and keras-tuner's own tuners, for the same minutes.

    python benchmarks/searches.py [--minutes 6 --seeds 3 --methods NAME... --runs DIR]
        [--json OUT] [--chart OUT.svg]

Fashion-MNIST, space `micro`, at most 32 KiB of RAM and 64 KiB of flash, validation error against
predicted latency on the host. Every method trains the same way (recipe below), in one process on one
processor core, the first that this process may use. keras-tuner knows no budgets: its build function
refuses a network over budget before it is built, which costs a training nothing. Its objective is its
own sum of several objectives, error and latency.

A run that is in the folder already is not made again, so the benchmark can be stopped and resumed.
Score: hypervolume of what a method trained within so many minutes over that of everything that any
method trained, in the unit square of error (best to 90th percentile) and latency (least to largest).
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from searches_chart import chart

from edgenas.environment import machine, versions
from edgenas.search.pareto import hypervolume

METHODS = ("front", "random", "nsga2", "kt-random", "kt-bayesian")
BUDGETS = {"peak_ram_bytes": 32 * 1024, "flash_bytes": 64 * 1024}
OBJECTIVES = ("val_error", "latency_ms")
IMAGES_PER_EPOCH, EPOCHS = 4000, 3
WORST_ERROR_PERCENTILE = 90


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=6)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=METHODS)
    parser.add_argument("--runs", type=Path, help="folder that keeps the runs (default: a temporary one)")
    parser.add_argument("--json", type=Path, metavar="OUT")
    parser.add_argument("--chart", type=Path, metavar="OUT.svg")
    parser.add_argument("--one", nargs=2, metavar=("METHOD", "SEED"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    folder = args.runs or Path(tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    if args.one:
        one_run(args.one[0], int(args.one[1]), args.minutes, folder)
        return
    runs: dict[str, list[Any]] = {method: [] for method in args.methods}
    for seed in range(args.seeds):
        for method in args.methods:
            runs[method].append(run_of(method, seed, args, folder))
    document = compared(runs, args.minutes)
    show(document)
    if args.json:
        args.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    if args.chart:
        args.chart.write_text(chart(document), encoding="utf-8")


def run_of(method: str, seed: int, args: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """The result of one run in a process of its own; read if it was made before."""
    result = folder / f"{method}-{seed}-{args.minutes:g}.json"
    if not result.exists():
        own = [sys.executable, __file__, "--one", method, str(seed)]
        subprocess.run([*own, "--minutes", str(args.minutes), "--runs", str(folder)], check=True)
    document: dict[str, Any] = json.loads(result.read_text())
    return document


def one_run(method: str, seed: int, minutes: float, folder: Path) -> None:
    """Search on one core and write every training with the minute in which it ended."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    from edgenas.data.load import load_dataset
    from edgenas.train.recipe import Recipe

    dataset = load_dataset("fashion-mnist", seed=0)  # the same split for all
    recipe = Recipe(EPOCHS, IMAGES_PER_EPOCH, seed=seed)
    problem = make_problem(dataset)
    work = Path(tempfile.mkdtemp(dir=folder))
    search = keras_tuner_search if method.startswith("kt-") else edgenas_search
    started = time.perf_counter()
    trainings = search(method, problem, dataset, recipe, minutes * 60, work)
    document = {
        "method": method,
        "seed": seed,
        "minutes": minutes,
        "seconds": round(time.perf_counter() - started, 1),
        "load": os.getloadavg(),
        "trainings": trainings,
    }
    unfinished = folder / f"{method}-{seed}.tmp"
    unfinished.write_text(json.dumps(document) + "\n")
    unfinished.replace(folder / f"{method}-{seed}-{minutes:g}.json")


def make_problem(dataset: Any) -> Any:
    """Space, costs, budgets and objectives that all methods have in common."""
    from edgenas.arch.space import SPACES
    from edgenas.profile.device import load_device
    from edgenas.profile.sources import cost_source
    from edgenas.search.objective import Constraint
    from edgenas.search.problem import Problem

    space = SPACES.get("micro")(dataset.input_shape, dataset.classes)
    limits = [Constraint(metric, limit) for metric, limit in BUDGETS.items()]
    return Problem(space, cost_source(load_device("host")), limits, OBJECTIVES)


class Trainings(list[dict[str, Any]]):
    """Every training so far: the minute in which it ended, its validation error and its latency."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._started = time.perf_counter()
        self._seconds = seconds

    @property
    def seconds_left(self) -> float:
        """Of the run."""
        return self._seconds - (time.perf_counter() - self._started)

    def note(self, val_error: float, cost: Any) -> None:
        """One more, unless time was up before it ended."""
        if self.seconds_left >= 0:
            minute = (self._seconds - self.seconds_left) / 60
            self.append({"minute": round(minute, 3), "val_error": val_error, "latency_ms": cost.latency_ms})


def edgenas_search(
    method: str, problem: Any, dataset: Any, recipe: Any, seconds: float, work: Path
) -> list[dict[str, Any]]:
    """`EdgeTuner` with one of edgenas' searchers and one worker."""
    from edgenas.search.tuner import EdgeTuner

    trainings = Trainings(seconds)

    class Listener:
        def trial_began(self, record: Any) -> None: ...

        def epoch_ended(self, entry: Any) -> None: ...

        def trial_ended(self, record: Any, refused: int) -> None:
            if record.val_error is not None:
                trainings.note(record.val_error, record.cost)

    tuner = EdgeTuner(
        problem.space, cost_source=problem.cost_source, constraints=problem.constraints,
        objectives=problem.objectives, searcher=method, seed=recipe.seed, max_trials=None,
        seconds_left=lambda: trainings.seconds_left, directory=work, project_name="run",
        listener=Listener(), workers=1,
    )  # fmt: skip
    tuner.search(dataset, recipe=recipe)
    return trainings


def keras_tuner_search(
    method: str, problem: Any, dataset: Any, recipe: Any, seconds: float, work: Path
) -> list[dict[str, Any]]:
    """keras-tuner's own tuner around a build function of the same space, trained by the same loop."""
    import keras
    import keras_tuner
    from keras_tuner.errors import FailedTrialError

    from edgenas.build.builder import build_model
    from edgenas.data.resize import prepare
    from edgenas.search.hypermodel import HpChooser
    from edgenas.train.trainer import train

    trainings = Trainings(seconds)
    arrays: dict[Any, Any] = {}

    def data_for(shape: Any) -> Any:
        if shape not in arrays:
            splits = (dataset.train, dataset.validation)
            arrays[shape] = [(prepare(split.x, dataset.normalization, shape), split.y) for split in splits]
        return arrays[shape]

    class Micro(keras_tuner.HyperModel):  # type: ignore[misc]
        def build(self, hp: Any) -> Any:
            spec = problem.space.decide(HpChooser(hp))
            if trainings_began and problem.violated(problem.cost_of(spec)):
                raise FailedTrialError("over budget")
            return build_model(spec, keras)

    kind = keras_tuner.RandomSearch if method == "kt-random" else keras_tuner.BayesianOptimization

    class Tuner(kind):  # type: ignore[misc, valid-type]
        def run_trial(self, trial: Any, *args: Any, **kwargs: Any) -> dict[str, float]:
            if trainings.seconds_left <= 0:
                raise TimeIsUp
            model = self.hypermodel.build(trial.hyperparameters)
            spec = problem.space.decide(HpChooser(trial.hyperparameters))
            keras.utils.set_random_seed(recipe.seed * 100_003 + len(trainings))
            result = train(model, *data_for(spec.input_shape), recipe, lambda entry: None)
            cost = problem.cost_of(spec)
            trainings.note(1 - result.val_accuracy, cost)
            metrics = {"val_error": 1 - result.val_accuracy, "latency_ms": cost.latency_ms}
            return {**metrics, self.oracle.objective.name: sum(metrics.values())}  # as keras-tuner adds it up

    trainings_began = False
    tuner = Tuner(
        Micro(), objective=[keras_tuner.Objective(name, "min") for name in OBJECTIVES],
        max_trials=10**6, max_consecutive_failed_trials=10**6, seed=recipe.seed,
        directory=str(work), project_name="run",
    )  # fmt: skip
    trainings_began = True
    with contextlib.suppress(TimeIsUp):
        tuner.search(verbose=0)
    return trainings


class TimeIsUp(BaseException):
    """Ends a keras-tuner search, which has no time limit of its own and swallows every Exception."""


def compared(runs: dict[str, list[Any]], minutes: float) -> dict[str, Any]:
    """Score over the minutes, mean and every seed's, of all methods."""
    points = np.vstack([points_of(run, minutes) for seeds in runs.values() for run in seeds])
    low = points.min(axis=0)
    high = np.array([np.percentile(points[:, 0], WORST_ERROR_PERCENTILE), points[:, 1].max()])
    best = hypervolume((points - low) / (high - low), np.ones(2))
    grid = [minutes * step / 60 for step in range(1, 61)]

    def share(run: Any, until: float) -> float:
        trained = points_of(run, until)
        return hypervolume((trained - low) / (high - low), np.ones(2)) / best if len(trained) else 0.0

    methods = {}
    for method, seeds in runs.items():
        curves = np.array([[share(run, until) for until in grid] for run in seeds])
        methods[method] = {
            "trainings": [len(run["trainings"]) for run in seeds],
            "final": [round(float(value), 4) for value in curves[:, -1]],
            "mean": [round(float(value), 4) for value in curves.mean(axis=0)],
            "least": [round(float(value), 4) for value in curves.min(axis=0)],
            "most": [round(float(value), 4) for value in curves.max(axis=0)],
            "best_val_error": [
                round(min((t["val_error"] for t in run["trainings"]), default=1.0), 4) for run in seeds
            ],
            "load": [run["load"][0] for run in seeds],
        }
    return {
        "benchmark": "searches",
        "date": date.today().isoformat(),
        "data": "fashion-mnist",
        "minutes": grid,
        "budgets": BUDGETS,
        "recipe": {"epochs": EPOCHS, "images_per_epoch": IMAGES_PER_EPOCH},
        "methods": methods,
        "runs": {method: [run["trainings"] for run in seeds] for method, seeds in runs.items()},
        "machine": machine(),
        "versions": {**versions()},
    }


def points_of(run: Any, until: float) -> np.ndarray:
    """Error and latency of what had ended by a minute, shape (n, 2)."""
    done = [[t["val_error"], t["latency_ms"]] for t in run["trainings"] if t["minute"] <= until]
    return np.array(done, dtype=float).reshape(-1, 2)


def show(document: dict[str, Any]) -> None:
    """A table at a third, two thirds and the end."""
    grid = document["minutes"]
    places = [len(grid) // 3 - 1, 2 * len(grid) // 3 - 1, len(grid) - 1]
    print(f"{'hypervolume after':14}" + "".join(f"{grid[place]:>8.1f} min" for place in places))
    for method, entry in sorted(document["methods"].items(), key=lambda item: -item[1]["mean"][-1]):
        cells = "".join(f"{entry['mean'][place]:>12.3f}" for place in places)
        print(f"{method:17}{cells}   trainings {entry['trainings']}  final {entry['final']}")


if __name__ == "__main__":
    main()
