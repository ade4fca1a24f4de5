"""A training that is killed goes on from its last epoch, and ends as if it had not been."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgenas.arch.spec import ArchSpec
from edgenas.data.dataset import Dataset
from edgenas.errors import StoreError, TrialError
from edgenas.train.checkpoint import Checkpoint, Standing
from edgenas.train.job import Job
from edgenas.train.process import TrainingProcess
from edgenas.train.recipe import Recipe
from edgenas.train.teacher import Teacher
from edgenas.train.trainer import TrainResult
from edgenas.train.weights import load_weights

EPOCHS = 5


@pytest.fixture(scope="module")
def process(digits: Dataset) -> Iterator[TrainingProcess]:
    """One thread, so that sums have one order."""
    with TrainingProcess(digits, threads=1) as process:
        yield process


class Killed(BaseException):
    pass


def killed_after(epoch: int) -> Any:
    def on_epoch(entry: dict[str, Any]) -> None:
        if entry["epoch"] == epoch:
            raise Killed

    return on_epoch


def timeless(result: TrainResult) -> TrainResult:
    return replace(result, seconds=0.0, images_per_second=0.0)


def test_a_killed_training_ends_as_an_undisturbed_one(
    process: TrainingProcess, small_spec: ArchSpec, tmp_path: Path
) -> None:
    """With everything on that has a state: weights and history are equal to the bit."""
    recipe = Recipe(
        EPOCHS, 512, 64, patience=EPOCHS, shift=0.1, seed=3, optimizer="adamw", ema=0.9, weight_decay=0.01,
        label_smoothing=0.1,
    )  # fmt: skip
    whole = Job(small_spec, recipe, tmp_path / "whole.npz")
    undisturbed = process.run(whole)
    broken = replace(whole, weights_path=tmp_path / "broken.npz", checkpoint_path=tmp_path / "standing.npz")
    with pytest.raises(Killed):
        process.run(broken, killed_after(2))
    seen: list[int] = []
    resumed = process.run(broken, lambda entry: seen.append(entry["epoch"]))
    assert seen[0] >= 3 and seen[-1] == EPOCHS  # it may have got further before it died
    assert timeless(resumed) == timeless(undisturbed)
    for one, other in zip(load_weights(whole.weights_path), load_weights(broken.weights_path), strict=True):
        assert np.array_equal(one, other)
    again = process.run(broken, killed_after(1))  # nothing is left to be trained
    assert timeless(again) == timeless(undisturbed)


def test_what_is_no_standing_of_this_training_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "standing.npz"
    Checkpoint(path, "one").save(Standing("one", {"history": [1]}, {"model": [np.arange(3)]}))
    found = Checkpoint(path, "one").load()
    assert found is not None and found.facts == {"history": [1]}
    assert np.array_equal(found.arrays["model"][0], np.arange(3))
    assert Checkpoint(path, "other").load() is None
    path.write_bytes(path.read_bytes()[:100])
    assert Checkpoint(path, "one").load() is None
    assert Checkpoint(tmp_path / "none.npz", "one").load() is None


def test_a_place_that_cannot_be_written_is_an_error_with_a_way_out(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(StoreError, match=r"cannot be written: .*; free space and resume"):
        Checkpoint(tmp_path / "file" / "standing.npz", "one").save(Standing("one"))


def test_a_teacher_that_cannot_teach_fails_the_training(
    process: TrainingProcess, small_spec: ArchSpec, short: Recipe, tmp_path: Path
) -> None:
    job = Job(small_spec, replace(short, distill=0.5), teachers=(Teacher(tmp_path / "no.keras"),))
    with pytest.raises(TrialError, match=r"teacher .*no.keras cannot be read"):
        process.run(job)
    with pytest.raises(TrialError, match=r"distill=0.5 was given without a teacher"):
        process.run(replace(job, teachers=()))


def test_a_student_learns_what_only_its_teachers_know(
    process: TrainingProcess, small_spec: ArchSpec, digits: Dataset, tmp_path: Path
) -> None:
    """The labels count nothing here; one teacher reads images of another shape than the student."""
    taught = Recipe(6, len(digits.train), 32, learning_rate=0.4)
    larger = replace(small_spec, input_shape=(16, 16, 1))
    teachers = []
    for position, spec in enumerate((small_spec, larger)):
        path = tmp_path / f"{position}.npz"
        assert process.run(Job(spec, taught, path)).val_accuracy > 0.5
        teachers.append(Teacher(path, spec))
    student = Job(small_spec, replace(taught, distill=1.0, seed=1), teachers=tuple(teachers))
    result = process.run(student)
    assert result.val_accuracy > 0.5
