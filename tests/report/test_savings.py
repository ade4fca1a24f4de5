"""What a search saved, in sentences."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edgenas.records import TrialRecord
from edgenas.report.run import Run
from edgenas.report.savings import savings
from edgenas.testing.searchers import TinySpace, toy_problem

PROBLEM = toy_problem(space=TinySpace((16, 16, 1), 4))


def trial(number: int, **changes: object) -> TrialRecord:
    spec = next(PROBLEM.space.enumerate())
    base = TrialRecord(
        f"{number:04d}", number, spec, PROBLEM.cost_of(spec), "completed",
        seconds=9.0, recipe={"epochs": 9}, result={"val_accuracy": 0.9, "epochs": 9},
    )  # fmt: skip
    return replace(base, **changes)  # type: ignore[arg-type]


def run_with(*trials: TrialRecord, **meta: object) -> Run:
    facts = dict.fromkeys(("config", "warm_start", "gained", "objectives", "status", "constraints"))
    return Run(Path("runs/x"), {**facts, **meta}, trials, {}, ())


def test_an_ordinary_run_says_nothing() -> None:
    assert savings(run_with(trial(0), trial(1))) == []


def test_short_and_stopped_trainings_are_counted_in_full_trainings_and_epochs() -> None:
    stopped = {"status": "stopped", "result": {"val_accuracy": 0.5, "epochs": 2}}
    run = run_with(
        *(trial(n, fidelity=1 / 3, seconds=3.0) for n in range(6)),
        trial(6), trial(7, **stopped), trial(8, **stopped),
        config={"halving": "epochs"},
    )  # fmt: skip
    halving, stops = savings(run)
    assert "6 shorter trainings" in halving and "as long as 5 full ones" in halving
    assert "2 trainings" in stops and "saved 14 epochs" in stops
    assert [entry.trial_id for entry in run.trained] == ["0006"]
    assert len(run.shorter) == 8


@pytest.mark.parametrize(("correlation", "words"), [(0.9, "alike"), (0.3, "only partly"), (-0.5, "not")])
def test_a_warm_start_says_what_it_brought(correlation: float, words: str) -> None:
    knowledge = {"run": "runs/earlier", "trials": [[{}, 0.1]] * 40}
    gained = {"seeds": 6, "share": 0.93, "needed": 21, "correlation": correlation}
    (sentence,) = savings(run_with(trial(0), warm_start=knowledge, gained=gained))
    assert "runs/earlier (40 trained networks)" in sentence
    assert "first 6 trainings" in sentence and "93.0 %" in sentence and "21 trainings" in sentence
    assert f"ranked {words}" in sentence
