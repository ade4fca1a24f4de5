"""Several trials at a time: the sequence is that of the seed, whatever each training takes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgenas.data.dataset import Dataset
from edgenas.errors import StoreError
from edgenas.records import TrialRecord
from edgenas.search.objective import Constraint
from edgenas.search.oracle import ParetoOracle
from edgenas.search.searchers import SEARCHERS
from edgenas.search.tuner import EdgeTuner
from edgenas.store import Store
from edgenas.testing.searchers import ExactSource, TinySpace, toy_error, toy_problem
from edgenas.train.recipe import Recipe

TRIALS = 36
WORKERS = 3


def open_oracle(folder: Path, searcher: str, workers: int = WORKERS) -> ParetoOracle:
    store = Store.open(folder) if (folder / "run.db").exists() else Store.create(folder)
    chosen = SEARCHERS.get(searcher)(toy_problem(Constraint("macs", 60_000)), 0)
    return ParetoOracle(chosen, store, max_trials=TRIALS, workers=workers)


def finish(oracle: ParetoOracle, running: dict[str, Any], trial_id: str) -> None:
    """End a trial with the made-up error of its architecture; every seventh fails."""
    record = oracle.store.trial(trial_id)
    if record.position % 7 == 6:
        oracle.store.fail_trial(trial_id, "made up")
        status = "FAILED"
    else:
        result = {"val_accuracy": 1 - toy_error(record.spec)}
        oracle.store.finish_trial(trial_id, {}, result)
        oracle.update_trial(trial_id, {"val_error": toy_error(record.spec)})
        status = "COMPLETED"
    trial = running.pop(trial_id)
    trial.status = status
    oracle.end_trial(trial)


def play(
    folder: Path, searcher: str, seed: int, kill_after: int = TRIALS, workers: int = WORKERS
) -> list[object]:
    """Run trials that end in an order drawn by a seed; architectures in the order of their trials.

    A run that came to its end has the numbers of refused candidates as its last entry.
    """
    rng = np.random.default_rng(seed)
    oracle = open_oracle(folder, searcher, workers)
    running: dict[str, Any] = {}
    ended = 0
    while ended < kill_after:
        begun = len(oracle.trials)
        oldest = min((int(trial_id) for trial_id in running), default=begun)
        if begun < TRIALS and len(running) < workers and oldest >= begun - workers:
            worker = next(f"w{k}" for k in range(workers) if f"w{k}" not in oracle.ongoing_trials)
            trial = oracle.create_trial(worker)
            running[trial.trial_id] = trial
        elif running:
            finish(oracle, running, str(rng.choice(sorted(running))))
            ended += 1
        else:
            break
    found: list[object] = [record.spec.arch_id for record in oracle.store.trials()]
    if kill_after == TRIALS:
        found.append(oracle.store.refusals())
    oracle.store.close()
    return found


SEARCHES = [("front", WORKERS), ("nsga2", WORKERS), ("regularized-evolution", WORKERS), ("front", 9)]
"""Methods, and how many trainings go on at a time; from five on, ``front`` plans for several proposals."""


@pytest.mark.parametrize(("searcher", "workers"), SEARCHES)
def test_one_seed_gives_one_sequence_in_whatever_order_trials_end(
    tmp_path: Path, searcher: str, workers: int
) -> None:
    sequences = [play(tmp_path / str(seed), searcher, seed, workers=workers) for seed in range(3)]
    assert sequences[0] == sequences[1] == sequences[2]
    *architectures, refusals = sequences[0]
    assert len(set(architectures)) == TRIALS
    assert refusals["macs"] > 0


@pytest.mark.parametrize(("searcher", "workers"), SEARCHES)
@pytest.mark.parametrize("kill_after", [3, 14, 22])
def test_a_killed_run_goes_on_with_the_same_sequence(
    tmp_path: Path, searcher: str, workers: int, kill_after: int
) -> None:
    whole = play(tmp_path / "whole", searcher, 0, workers=workers)
    begun = play(tmp_path / "broken", searcher, 1, kill_after, workers)
    assert begun == whole[: len(begun)]
    assert len(begun) < TRIALS
    assert play(tmp_path / "broken", searcher, 2, workers=workers) == whole


@pytest.mark.parametrize(("workers", "step"), [(1, 1), (4, 1), (5, 2), (9, 4)])
def test_plans_are_made_after_so_many_results(tmp_path: Path, workers: int, step: int) -> None:
    """Runs with up to four trainings at a time plan anew for each proposal."""
    oracle = open_oracle(tmp_path, "front", workers)
    running: dict[str, Any] = {}
    planned = set()
    while len(oracle.trials) < TRIALS:
        while len(running) < workers:
            trial = oracle.create_trial(f"w{len(oracle.trials) % workers}")
            running[trial.trial_id] = trial
        if (plan := oracle.searcher._plan) is not None:
            planned.add(plan.results)
        finish(oracle, running, min(running))
    oracle.store.close()
    assert len(planned) > 1 and planned == set(range(min(planned), max(planned) + 1, step))


class Recorder:
    """A listener that counts the trainings under way, and can interrupt or fail at an epoch."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error
        self.under_way = self.most = 0

    def trial_began(self, record: TrialRecord) -> None:
        self.under_way += 1
        self.most = max(self.most, self.under_way)

    def epoch_ended(self, entry: Mapping[str, Any]) -> None:
        if self.error is not None and self.most == 2:
            error, self.error = self.error, None
            raise error

    def trial_ended(self, record: TrialRecord, refused: int) -> None:
        self.under_way -= 1


def make_tuner(folder: Path, listener: Recorder, trials: int = 5) -> EdgeTuner:
    return EdgeTuner(
        TinySpace((8, 8, 1), 10),
        cost_source=ExactSource(),
        searcher="random",
        max_trials=trials,
        directory=folder.parent,
        project_name=folder.name,
        listener=listener,
        workers=2,
    )


def test_two_trainings_run_at_a_time_and_an_error_stops_both(
    tmp_path: Path, digits: Dataset, moment: Recipe
) -> None:
    broken = make_tuner(tmp_path / "run", Recorder(StoreError("the disk is full")))
    with pytest.raises(StoreError, match="the disk is full"):
        broken.search(digits, recipe=moment)
    cut_off = [record for record in broken.store.trials() if record.status == "running"]
    assert cut_off and not [record for record in broken.store.trials() if record.status == "failed"]
    broken.store.close()

    recorder = Recorder()
    tuner = make_tuner(tmp_path / "run", recorder)
    tuner.search(digits, recipe=moment)
    assert recorder.most == 2 and recorder.under_way == 0
    trials = tuner.store.trials()
    assert [record.status for record in trials] == ["completed"] * 5
    assert [record.trial_id for record in trials] == [f"{number:04d}" for number in range(5)]
    assert len({record.spec.arch_id for record in trials}) == 5
    assert not (tmp_path / "run" / "training_data").exists()
