"""Search by shared weights on Fashion-MNIST: rank correlation, cost of a search, a second budget, memory.

    python benchmarks/one_shot.py --work DIR [--only kendall search second memory] [--networks 30]
        [--front-trials 30] [--trials 200] [--seed 0] [--workers 1] [--supernet-epochs N] [--json OUT]

Space `micro`, 32 KiB of RAM and 64 KiB of flash, one training at a time (``--workers``). CPU seconds are
those of this process and all its children. Each piece of work is a file in ``--work``, so a stopped benchmark
goes on.

`search`: a search by `one-shot`, its supernet's training included, and one by `front`, which trains every
candidate. The networks of both fronts are then trained alone by one recipe, with another seed than the
search's; compared is the hypervolume of those accuracies against MACs (`hypervolume_share`: one-shot over
front).
`kendall`: networks evenly spread over the MACs (logarithmic) of the supernet's pool, scored by it and
trained alone; Kendall's correlation of the score, and of MACs and parameters, with the accuracies alone, and
how far scores are off (root mean square).
`second`: wall and CPU seconds of a search within 16 KiB on the same supernet.
`memory`: peak resident memory of steps of a supernet of `mobile` at 96x96x3, in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from edgenas.arch.space import SPACES
from edgenas.arch.spec import ArchSpec
from edgenas.cost.static import StaticSource
from edgenas.data.load import load_dataset
from edgenas.environment import machine, versions
from edgenas.oneshot.score import ScoreJob
from edgenas.oneshot.trust import agreement, spread_over
from edgenas.search.objective import Constraint
from edgenas.search.pareto import hypervolume
from edgenas.search.problem import Problem
from edgenas.search.searchers import FrontSearcher
from edgenas.search.supernet import OnSupernet
from edgenas.search.supernet_plan import SupernetPlan, facts_of, weights_path
from edgenas.search.tuner import EdgeTuner
from edgenas.store import Store
from edgenas.train.job import Job
from edgenas.train.process import TrainingProcess
from edgenas.train.recipe import search_recipe

BUDGETS = (Constraint("peak_ram_bytes", 32 * 1024), Constraint("flash_bytes", 64 * 1024))
SECOND = (Constraint("peak_ram_bytes", 16 * 1024), Constraint("flash_bytes", 64 * 1024))
PARTS = ("search", "kendall", "second", "memory")
ALONE_SEED = 555_001
"""Seeds of trainings alone, away from those of the searches."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--networks", type=int, default=30)
    parser.add_argument("--front-trials", type=int, default=30)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1, help="trainings at the same time")
    parser.add_argument("--supernet-epochs", type=int)
    parser.add_argument("--steps", type=int, default=3, help="steps of the supernet of `mobile`")
    parser.add_argument("--json", type=Path, metavar="OUT")
    parser.add_argument("--memory-steps", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.memory_steps:
        print(json.dumps(mobile_steps(args.memory_steps)))
        return
    args.work.mkdir(parents=True, exist_ok=True)
    bench = Bench(args)
    found = {part: getattr(bench, part)() for part in PARTS if part in args.only}
    document = {
        "date": date.today().isoformat(), "machine": machine(), "versions": versions(),
        "data": "fashion-mnist", "space": "micro", "seed": args.seed, **found,
    }  # fmt: skip
    print(json.dumps(found, indent=1))
    if args.json:
        args.json.write_text(json.dumps(document, indent=1) + "\n")


def cpu_seconds() -> float:
    """CPU time of this process and of its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


class Bench:
    """The pieces of work; each is done once."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args, self.work = args, args.work
        self.dataset = load_dataset("fashion-mnist", seed=args.seed)
        self.space = SPACES.get("micro")(self.dataset.input_shape, self.dataset.outputs)
        self.recipe = search_recipe(len(self.dataset.train), seed=args.seed)

    def search(self) -> dict[str, Any]:
        """Cost and front of both searches."""
        one = self._one_shot()
        two = self._once("front", lambda: self._searched("front", self.args.front_trials, BUDGETS, None))
        fronts = {"one_shot": self._front("one_shot"), "front": self._front("front")}
        points = {
            name: np.array([[1.0 - self._alone(spec), np.log10(spec.graph().macs)] for spec in specs])
            for name, specs in fronts.items()
        }
        joined = np.concatenate(list(points.values()))
        reference = joined.max(axis=0) + 0.1 * np.ptp(joined, axis=0)
        volumes = {name: hypervolume(found, reference) for name, found in points.items()}
        return {
            "one_shot": one, "front": two, "cpu_share": one["cpu_seconds"] / two["cpu_seconds"],
            "alone": {name: found.tolist() for name, found in points.items()},
            "hypervolume_share": volumes["one_shot"] / volumes["front"],
        }  # fmt: skip

    def _one_shot(self) -> dict[str, Any]:
        plan = SupernetPlan(epochs=self.args.supernet_epochs)
        return self._once("one_shot", lambda: self._searched("one_shot", self.args.trials, BUDGETS, plan))

    def kendall(self) -> dict[str, Any]:
        """How scores, MACs and parameters rank networks that are trained alone."""
        self._one_shot()
        problem = Problem(self.space, StaticSource(), BUDGETS)
        searcher = OnSupernet(problem, self.args.seed + 1, kind=FrontSearcher)
        folder = self.work / "one_shot"
        searcher._use(facts_of(folder), weights_path(folder))
        pool = searcher.maker.pool()
        rows = spread_over([float(np.log(macs)) for macs, _ in pool], self.args.networks)
        networks = [pool[row][1] for row in rows]
        alone = [self._alone(spec) for spec in networks]
        scores = [self._score(searcher, spec) for spec in networks]
        rivals = {
            "supernet": scores,
            "macs": [float(spec.graph().macs) for spec in networks],
            "params": [float(spec.graph().params) for spec in networks],
        }
        found = {name: agreement(values, alone) for name, values in rivals.items()}
        off = float(np.sqrt(np.mean(np.subtract(scores, alone) ** 2)))
        return {
            "networks": len(networks),
            "alone": alone,
            "scores": scores,
            "agreement": found,
            "rms_error": off,
        }

    def second(self) -> dict[str, Any]:
        """Another budget on the same supernet."""
        plan = SupernetPlan(run=str(self.work / "one_shot"))
        return self._once("second", lambda: self._searched("second", self.args.trials, SECOND, plan))

    def memory(self) -> dict[str, Any]:
        """Peak memory of a supernet of `mobile`."""

        def measure() -> dict[str, Any]:
            words = [
                sys.executable,
                __file__,
                "--work",
                str(self.work),
                "--memory-steps",
                str(self.args.steps),
            ]
            done = subprocess.run(words, capture_output=True, text=True, check=True)
            return dict(json.loads(done.stdout.splitlines()[-1]))

        return self._once("memory", measure)

    def _searched(
        self, name: str, trials: int, budgets: Sequence[Constraint], plan: SupernetPlan | None
    ) -> dict[str, Any]:
        before, started = cpu_seconds(), time.monotonic()
        tuner = EdgeTuner(
            self.space, constraints=budgets, searcher="front", seed=self.args.seed, max_trials=trials,
            directory=self.work, project_name=name, overwrite=True, supernet=plan, workers=self.args.workers,
        )  # fmt: skip
        tuner.search(self.dataset, recipe=self.recipe)
        supernet, kept = tuner.store.meta("supernet"), ("networks", "least_macs", "most_macs", "recipe")
        return {
            "trials": trials, "workers": self.args.workers,
            "cpu_seconds": cpu_seconds() - before, "seconds": time.monotonic() - started,
            "own_seconds": tuner.oracle.own_seconds,
            "supernet": supernet and {name: supernet[name] for name in kept},
            "front": [[trial.trial_id, 1 - (trial.val_error or 0)] for trial in tuner.pareto_front()],
        }  # fmt: skip

    def _front(self, name: str) -> list[ArchSpec]:
        with Store.read(self.work / name) as store:
            found = json.loads((self.work / f"{name}.json").read_text())["front"]
            return [store.trial(trial_id).spec for trial_id, _ in found]

    def _alone(self, spec: ArchSpec) -> float:
        """Validation accuracy of a network trained alone, by the search's recipe with a seed of its own."""

        def train() -> dict[str, Any]:
            job = Job(spec, replace(self.recipe, seed=ALONE_SEED + self.args.seed))
            with TrainingProcess(self.dataset, threads=1) as process:
                return {"accuracy": process.run(job).val_accuracy}

        return float(self._once(f"alone-{spec.arch_id}", train)["accuracy"])

    def _score(self, searcher: OnSupernet, spec: ArchSpec) -> float:
        job = searcher.evaluation(Job(spec, self.recipe))
        assert isinstance(job, ScoreJob)

        def score() -> dict[str, Any]:
            with TrainingProcess(self.dataset, threads=1) as process:
                return {"accuracy": process.run(job).val_accuracy}

        return float(self._once(f"score-{spec.arch_id}", score)["accuracy"])

    def _once(self, name: str, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """What a piece of work gave, now or earlier."""
        path = self.work / f"{name}.json"
        if not path.exists():
            path.write_text(json.dumps(work()))
            print(name, "done", flush=True)
        return dict(json.loads(path.read_text()))


def mobile_steps(steps: int) -> dict[str, Any]:
    """Train a supernet of `mobile` at 96x96x3 for some steps of 128 random images."""
    from edgenas.oneshot.supernet import Supernet, SupernetJob
    from edgenas.train.recipe import Recipe

    space = SPACES.get("mobile")((96, 96, 3), 10)
    searcher = OnSupernet(Problem(space, StaticSource()), 0, kind=FrontSearcher)
    pool = searcher.maker.pool()
    specs = tuple(spec for _, spec in pool)
    rng = np.random.default_rng(0)

    def data_for(shape: tuple[int, ...]) -> Any:
        split = (rng.standard_normal((256, *shape)).astype(np.float32), rng.integers(10, size=256))
        return split, split

    job = SupernetJob(specs[-1], Recipe(1, 128 * steps, 128), space=space, pools=(specs,))
    course = Supernet(job, data_for)
    started = time.process_time()
    course.run(lambda entry: None)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {
        "steps": steps, "batch": 128, "networks": len(specs), "most_macs": pool[-1][0],
        "shared_params": course.weights.params, "peak_rss_bytes": peak,
        "cpu_seconds": time.process_time() - started,
    }  # fmt: skip


if __name__ == "__main__":
    main()
