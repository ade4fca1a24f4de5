"""How far a search scales: many workers, many trials, and what the search itself costs.

Trainings are simulated: each sleeps for a second, so cores do not bind; all else is real (searcher,
budgets, costs, store on disk, order of results). Last, the same small search on digits with executors
``processes`` and ``ray`` in turn, on all cores of this machine, from nothing to its files.

    python benchmarks/scale.py [--only workers|store|executors] [--out benchmarks/results/scale.json]
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

from scale_store import BUDGET, OBJECTIVES, fill, make_problem

from edgenas.data.dataset import Dataset
from edgenas.data.load import load_dataset
from edgenas.distribute import Executor
from edgenas.environment import machine, versions
from edgenas.train.job import Job
from edgenas.train.trainer import Progress, TrainResult

WORKERS = (1, 2, 4, 8, 64)
TRIAL_SECONDS = 1.0
TRIALS_PER_WORKER = 10
MANY = 100_000


class SleepingPlace:
    """Sleeps instead of training; the accuracy is made up."""

    def __enter__(self) -> SleepingPlace:
        """Nothing."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Nothing."""

    def interrupt(self) -> None:
        """Nothing: it wakes soon."""

    def run(self, job: Job, on_epoch: Progress) -> TrainResult:
        """Sleep."""
        time.sleep(TRIAL_SECONDS)
        accuracy = 0.5 + int(job.spec.arch_id, 16) % 1000 / 2500
        on_epoch({"epoch": 1, "epochs": 1, "val_accuracy": accuracy})
        return TrainResult(
            accuracy, 1.0, accuracy, 1, False, TRIAL_SECONDS, 1000.0, [{"val_accuracy": accuracy}]
        )


class SleepingExecutor(Executor):
    """Places that sleep."""

    def __enter__(self) -> SleepingExecutor:
        """Nothing."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Nothing."""

    def default_workers(self) -> int:
        """One."""
        return 1

    def places(self, dataset: Dataset, log_path: Path, workers: int) -> Sequence[SleepingPlace]:
        """As many as are asked for."""
        return [SleepingPlace() for _ in range(workers)]


class Quiet:
    """Says nothing."""

    def __getattr__(self, name: str) -> Any:
        return lambda *words: None


def search(workers: int, searcher: str) -> dict[str, Any]:
    """Ten trials a worker: how long that took against what it should, and the search's own time."""
    from edgenas.search.tuner import EdgeTuner

    problem, trials = make_problem(), TRIALS_PER_WORKER * workers
    with tempfile.TemporaryDirectory() as folder:
        tuner = EdgeTuner(
            problem.space, cost_source=problem.cost_source, constraints=(BUDGET,), objectives=OBJECTIVES,
            searcher=searcher, max_trials=trials, directory=folder, workers=workers, listener=Quiet(),
            executor=SleepingExecutor(),
        )  # fmt: skip
        dataset = load_dataset("digits")
        started, cpu = time.monotonic(), time.process_time()
        tuner.search(dataset, epochs=1)
        seconds, cpu = time.monotonic() - started, time.process_time() - cpu
        assert len(tuner.store.outcomes()) == trials
        tuner.store.close()
    return {
        "workers": workers,
        "searcher": searcher,
        "trials": trials,
        "seconds": round(seconds, 2),
        "efficiency": round(TRIALS_PER_WORKER * TRIAL_SECONDS / seconds, 3),
        "own processor ms per trial": round(1e3 * cpu / trials, 2),
    }


def in_own_process(what: str, *words: str) -> dict[str, Any]:
    """One measurement in a fresh process, with the most memory that it took."""
    done = subprocess.run(
        [sys.executable, __file__, "--measure", what, *words], capture_output=True, text=True, check=True
    )
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def measure(what: str, folder: Path) -> dict[str, Any]:
    """Report or resume of a large run: seconds of wall and of processor time, and memory."""
    from edgenas.captured import captured
    from edgenas.report import write_report
    from edgenas.search.searchers import SEARCHERS
    from edgenas.store import Store

    if what == "resume":
        with captured():
            from edgenas.search.oracle import ParetoOracle
        problem = make_problem()
    started, cpu = time.monotonic(), time.process_time()
    if what == "report":
        write_report(folder)
    else:
        ParetoOracle(SEARCHERS.get("front")(problem, 0), Store.open(folder), workers=4)
    return {
        "what": what,
        "seconds": round(time.monotonic() - started, 2),
        "processor seconds": round(time.process_time() - cpu, 2),
        "most memory GiB": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--run", type=Path, help="a run folder that scale_store.py made")
    parser.add_argument("--only", choices=("workers", "store", "executors"), help="one part")
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.measure[0], Path(options.measure[1]))))
        return
    document: dict[str, Any] = {}
    if options.only and options.out and options.out.exists():  # the other parts stay as they are
        document = json.loads(options.out.read_text())
    if options.only in (None, "workers"):
        document["workers"] = scaled()
    if options.only in (None, "store"):
        document[f"{MANY} trials"] = stored(options.run)
    if options.only in (None, "executors"):
        document["executors"] = executors()
    document |= {"date": date.today().isoformat(), "machine": machine(), "versions": versions()}
    if options.out:
        options.out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def scaled() -> list[dict[str, Any]]:
    """Searches of 1 to 64 workers."""
    found = []
    for searcher in ("random", "front"):
        for workers in WORKERS:
            found.append(search(workers, searcher))
            print(found[-1], flush=True)
    return found


def stored(run: Path | None) -> list[dict[str, Any]]:
    """Report and resume of a large run."""
    with tempfile.TemporaryDirectory() as name:
        folder = run or Path(name) / "run"
        if not run:
            fill(folder, MANY)
        large = [in_own_process(what, str(folder)) for what in ("report", "resume")]
    print(*large, sep="\n")
    return large


SEARCH = (
    "search", "--data", "digits", "--ram-kib", "32", "--flash-kib", "32", "--trials", "16", "--workers", "2",
    "--winners", "2", "--seeds", "1", "--final-epochs", "10",
)  # fmt: skip
ROUNDS = 2


def executors() -> dict[str, Any]:
    """Seconds of a whole search by executor, in turn."""
    seconds: dict[str, list[float]] = {"processes": [], "ray": []}
    for _ in range(ROUNDS):
        for name, times in seconds.items():
            with tempfile.TemporaryDirectory() as folder:
                words = [*SEARCH, "--executor", name, "--out", f"{folder}/run"]
                started = time.monotonic()
                subprocess.run([sys.executable, "-m", "edgenas", *words], capture_output=True, check=True)
                times.append(round(time.monotonic() - started, 1))
            print(f"{name}: {times[-1]} s", flush=True)
    ratio = sum(seconds["ray"]) / sum(seconds["processes"])
    print(f"ray took {ratio:.0%} of the time of processes")
    return {"seconds": seconds, "ray over processes": round(ratio, 3)}


if __name__ == "__main__":
    main()
