"""A gradient search as a job, as a searcher and on the command line; digits, a few seconds each."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import numpy as np
import pytest

from edgenas.arch.graph import Shape
from edgenas.data.dataset import Dataset
from edgenas.data.resize import prepare
from edgenas.distribute import LocalExecutor
from edgenas.errors import TrialError
from edgenas.oneshot.gradient import EPOCHS, WARM, GradientJob, splits
from edgenas.oneshot.gradient_goal import Goal
from edgenas.oneshot.gradient_result import named_weights, read_outcome
from edgenas.search.listener import PrintingListener
from edgenas.search.problem import Problem
from edgenas.search.searchers import SEARCHERS
from edgenas.search.targets import skeletons_for, within
from edgenas.search.workshop import Workshop
from edgenas.store import Store
from edgenas.train.job import Arrays
from edgenas.train.recipe import Recipe
from edgenas.train.weights import save_weights

SHORT = Recipe(2, 480, 32)
"""Three steps an epoch of ten."""


@pytest.fixture(scope="module")
def data_for(digits: Dataset) -> Callable[[Shape], tuple[Arrays, Arrays]]:
    @lru_cache
    def found(shape: Shape) -> tuple[Arrays, Arrays]:
        train, validation = (
            (prepare(split.x, digits.normalization, shape), split.y)
            for split in (digits.train, digits.validation)
        )
        return train, validation

    return found


@pytest.fixture(scope="module")
def small_job(on_host: Problem) -> GradientJob:
    """One skeleton of two stages with two options a decision."""
    goal = Goal("latency_ms", 0.006)
    several = skeletons_for(on_host, goal, 0, 8)
    relaxed = min(several, key=lambda one: (len(one.skeleton.strides), one.skeleton.networks))
    spec = relaxed.skeleton.spec(on_host.space, relaxed.skeleton.smallest)
    return GradientJob(spec, SHORT, relaxed=(relaxed,), goal=goal)


class Killed(Exception):
    """Stands for a kill after an epoch was kept."""


def test_the_splits_share_nothing_and_leave_nothing_out() -> None:
    x, y = np.arange(103), np.arange(103) % 7
    (mine, my_labels), (theirs, their_labels) = splits((x, y), 5)
    assert not set(mine) & set(theirs)
    assert sorted([*mine, *theirs]) == list(range(103))
    assert len(mine) == 82
    assert np.array_equal(my_labels, mine % 7)
    assert np.array_equal(their_labels, theirs % 7)
    assert not np.array_equal(splits((x, y), 6)[0][0], mine)


def test_a_search_learns_and_goes_on_after_a_kill(
    small_job: GradientJob, data_for: Any, tmp_path: Path
) -> None:
    """The distribution of a search that was cut off is that of one that was not."""
    entries: list[dict[str, Any]] = []
    result, whole = small_job.perform(data_for, entries.append)
    assert [entry["epoch"] for entry in entries] == list(range(1, EPOCHS + 1))
    assert entries[0]["entropy"] == entries[1]["entropy"]  # warm-up: weights only
    assert entries[-1]["entropy"] < entries[int(WARM * EPOCHS) - 1]["entropy"]
    assert entries[-1]["temperature"] < entries[0]["temperature"]
    assert entries[-1]["loss"] < entries[0]["loss"]
    assert result.epochs == EPOCHS
    assert 0 <= (result.val_accuracy or -1) <= 1

    def kill(entry: dict[str, Any]) -> None:
        if entry["epoch"] == 5:
            raise Killed

    kept = replace(small_job, checkpoint_path=tmp_path / "standing.npz")
    with pytest.raises(Killed):
        kept.perform(data_for, kill)
    seen: list[int] = []
    _, resumed = kept.perform(data_for, lambda entry: seen.append(entry["epoch"]))
    assert seen == [6, 7, 8, 9, 10]
    for mine, other in zip(whole[1:], resumed[1:], strict=True):
        assert mine == pytest.approx(other, abs=1e-4)
    save_weights(tmp_path / "done.npz", whole)
    outcome, skeleton = read_outcome(tmp_path / "done.npz"), small_job.relaxed[0].skeleton
    assert [len(part) for part in outcome.logits] == [
        len(decision.options) for decision in skeleton.decisions
    ]
    assert named_weights(tmp_path / "done.npz")["stem"].shape[-1] == skeleton.stem.args["filters"]
    for entry in outcome.probabilities(skeleton):
        assert sum(entry["shares"]) == pytest.approx(1, abs=1e-3)


def test_binary_gates_learn_too_and_a_race_picks_a_skeleton(
    on_host: Problem, small_job: GradientJob, data_for: Any, tmp_path: Path
) -> None:
    twice = (small_job.relaxed[0], small_job.relaxed[0])
    job = replace(small_job, mode="binary", relaxed=twice, recipe=replace(SHORT, epochs=1))
    result, arrays = job.perform(data_for, lambda entry: None)
    assert result.history[-1]["entropy"] < result.history[0]["entropy"]
    save_weights(tmp_path / "done.npz", arrays)
    assert read_outcome(tmp_path / "done.npz").number == 0


def test_the_clock_ends_a_search_early(small_job: GradientJob, data_for: Any) -> None:
    job = replace(small_job, seconds=1e-6, recipe=replace(SHORT, epochs=1))
    result, arrays = job.perform(data_for, lambda entry: None)
    assert result.epochs == 1 and result.stopped_early
    assert len(arrays) == 3  # what networks are derived from


def test_nan_stops_with_step_and_width(small_job: GradientJob, data_for: Any) -> None:
    (x, y), validation = data_for((8, 8, 1))
    broken = (np.full_like(x, np.nan), y)
    with pytest.raises(
        TrialError, match=r"became nan in step 1 of epoch 1 \(weights; mode gumbel, widest path \d+-"
    ):
        small_job.perform(lambda shape: (broken, validation), lambda entry: None)


@pytest.mark.parametrize("share", [0.7, 1.6])
def test_a_latency_target_is_reached(
    share: float, small_job: GradientJob, on_host: Problem, digits: Dataset, tmp_path: Path
) -> None:
    """The derived network is what is asked first; a second preparation, as on a resume, trains nothing."""
    target = share * small_job.goal.target
    asked = within(on_host, Goal("latency_ms", target))
    told: list[dict[str, Any]] = []
    listener = PrintingListener()
    listener.epoch_ended = told.append  # type: ignore[method-assign, assignment]
    with Store.create(tmp_path / "run") as store:
        workshop = Workshop(store, digits, replace(SHORT, epochs=1), listener, LocalExecutor())
        searchers = [SEARCHERS.get("gradient")(asked, 0) for _ in range(2)]
        for searcher in searchers:
            searcher.skeletons = 1  # type: ignore[attr-defined]
            searcher.prepare(workshop)
        learned = store.meta("gradient")["targets"]
    assert [entry["epoch"] for entry in told] == list(range(1, EPOCHS + 1))
    first, resumed = ([searcher.ask() for _ in range(4)] for searcher in searchers)
    assert first == resumed
    assert 0.95 * target <= (first[0].cost.latency_ms or 0.0) <= target
    assert all((candidate.cost.latency_ms or 1.0) <= target for candidate in first)
    assert [entry["target"] for entry in learned] == [target]
    assert learned[0]["reached"] == pytest.approx(first[0].cost.latency_ms)
    assert learned[0]["spec"]["choices"] == dict(first[0].spec.choices)
    assert not list((tmp_path / "run" / "gradient").glob("*.checkpoint.npz"))


def test_unprepared_it_begins_uniform(on_host: Problem) -> None:
    searcher = SEARCHERS.get("gradient")(on_host, 0)
    drawn = [searcher.ask().spec.choices["s1_kernel"] for _ in range(60)]
    assert {drawn.count(kernel) > 8 for kernel in (3, 5, 7)} == {True}


def test_the_command_line_searches_and_reports(
    edgenas: Callable[..., CompletedProcess[str]], tmp_path: Path
) -> None:
    """Two trials and one winner by gradient, files and report included."""
    out = tmp_path / "run"
    done = edgenas(
        "search", "--data", "digits", "--searcher", "gradient-binary", "--latency-ms", "0.008",
        "--trials", "2", "--epochs", "1", "--images", "320", "--winners", "1", "--seeds", "1",
        "--final-epochs", "1", "--workers", "1", "--out", out, "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["status"] == "done"
    assert document["trials"]["completed"] == 2
    learned = json.loads((out / "gradient" / "0.json").read_text())
    assert 0.95 * 0.008 <= learned["reached"] <= 0.008
    page = (out / "report.html").read_text()
    assert "training the network with gates" in page
    assert "What the gradients learned" in page
    assert learned["decisions"][0]["name"] in page
    rigid = ("--space", "cell", "--device", "raspberry-pi-pico")
    refused = edgenas(
        "search", "--data", "digits", *rigid, "--searcher", "gradient", "--out", tmp_path / "no"
    )
    assert refused.returncode == 2
    assert "cannot be searched by gradient" in refused.stderr
    assert not (tmp_path / "no").exists()
