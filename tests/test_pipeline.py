"""How the time left is shared among the final trainings."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgenas.arch import MicroSpace
from edgenas.config import RunConfig
from edgenas.cost.static import StaticSource
from edgenas.data.dataset import Dataset
from edgenas.pipeline import Clock, free_folder
from edgenas.records import TrialRecord
from edgenas.task import CLASSIFICATION
from edgenas.train.recipe import MOST_EPOCHS, search_recipe
from edgenas.winners.recipes import EXPORT_SECONDS, FinalRecipes, makespan

IMAGES = 54_000


def record_of(speed: float) -> TrialRecord:
    spec = next(MicroSpace((28, 28, 1), 10).enumerate())
    cost = StaticSource().estimate(spec.graph())
    return TrialRecord("0000", 0, spec, cost, "completed", result={"images_per_second": speed})


def recipes(speeds: list[float], used: float = 0.0, **settings: Any) -> list[Any]:
    config = RunConfig(data="digits", **settings)
    dataset = cast(Dataset, SimpleNamespace(train=range(IMAGES), kind="image", task=CLASSIFICATION))
    found = FinalRecipes(config, dataset, search_recipe(IMAGES), lambda: Clock(used).elapsed)
    return found([record_of(speed) for speed in speeds])


@given(st.lists(st.floats(0.1, 100), min_size=1, max_size=12), st.integers(1, 5))
@settings(max_examples=200, deadline=None)
def test_jobs_end_no_earlier_than_they_can_and_within_the_bound(lengths: list[float], workers: int) -> None:
    """Graham 1969: a list schedule is at most a share of the longest job behind an even one."""
    even, longest = sum(lengths) / workers, max(lengths)
    found = makespan(lengths, workers)
    assert max(longest, even) * (1 - 1e-9) <= found
    assert found <= (even + (1 - 1 / workers) * longest) * (1 + 1e-9)


def test_winners_get_the_same_epochs_and_end_in_time() -> None:
    speeds = [900.0, 1_400.0, 2_000.0, 3_300.0, 9_700.0]
    found = recipes(speeds, minutes=30, workers=2, used=720.0)
    assert len({recipe.epochs for recipe in found}) == 1
    left = 30 * 60 - 720 - 5 * EXPORT_SECONDS
    seconds = makespan([recipe.images / speed for recipe, speed in zip(found, speeds, strict=True)], 2)
    assert 0.75 * left < seconds <= left


def test_no_time_left_still_trains_a_little() -> None:
    assert [recipe.epochs for recipe in recipes([2_000.0], minutes=1, used=3_600.0)] == [3]


def test_without_a_limit_the_epochs_asked_for_or_ten_searches_are_trained() -> None:
    assert [recipe.epochs for recipe in recipes([2_000.0], final_epochs=7)] == [7]
    search = search_recipe(IMAGES)
    assert [recipe.epochs for recipe in recipes([2_000.0])] == [round(10 * search.images / IMAGES)]
    assert search_recipe(100).epochs * 10 > MOST_EPOCHS


def test_images_are_shifted_unless_their_place_matters() -> None:
    assert recipes([1.0])[0].shift > 0
    assert recipes([1.0], shift=0.0)[0].shift == 0


def test_a_new_run_gets_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config = RunConfig(data="some/where/own.npz")
    assert free_folder(config) == Path("runs/own-micro")
    (tmp_path / "runs" / "own-micro").mkdir(parents=True)
    assert free_folder(config) == Path("runs/own-micro-2")
    assert free_folder(replace(config, data="cifar10:/some/folder")) == Path("runs/cifar10-micro")
