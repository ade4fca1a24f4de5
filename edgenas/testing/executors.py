"""Contract of an executor: what every registered executor, and any of yours, must keep.

A third party writes one class and inherits the suite::

    class TestMyExecutor(ExecutorContract):
        def make(self, allotment: Allotment) -> Executor:
            return MyExecutor(allotment)

Trainings are those of a network of a few hundred parameters on scikit-learn's digits.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgenas.arch.spec import ArchSpec
from edgenas.data.dataset import Dataset
from edgenas.data.load import load_dataset
from edgenas.distribute.executor import Allotment, Executor
from edgenas.errors import ConfigError, StoreError, TrialError
from edgenas.train.job import Job
from edgenas.train.limits import Limits
from edgenas.train.pool import TrainingPool
from edgenas.train.recipe import Recipe
from edgenas.train.trainer import TrainResult
from edgenas.train.weights import load_weights

ENDLESS = Recipe(epochs=100_000, images_per_epoch=320, batch_size=32)
MOMENT = Recipe(epochs=2, images_per_epoch=320, batch_size=32)


def flat_build(hp: Any) -> Any:
    """A user's own build function: one dense layer."""
    import keras

    layers = [keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(10, activation="softmax")]
    return keras.Sequential(layers)


def at_epoch_end(what: str, *details: Any) -> Any:
    """A Keras callback that does something to its own process after the first epoch."""
    import keras

    class AtEpochEnd(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            if what == "die once" and not Path(details[0]).exists():
                Path(details[0]).touch()
                os.kill(os.getpid(), signal.SIGKILL)
            if what == "die":
                os.kill(os.getpid(), signal.SIGKILL)
            if what == "hang":
                time.sleep(600)
            if what == "swell":
                self.kept = [np.ones(2**25) for _ in range(40)]  # 10 GiB

    return AtEpochEnd()


def job(
    *callbacks: Any, recipe: Recipe = MOMENT, weights: Path | None = None, limits: Limits | None = None
) -> Job:
    """One short training."""
    spec = ArchSpec("hypermodel", (8, 8, 1), 10, (), {})
    return Job(spec, recipe, weights, flat_build, callbacks, limits=limits or Limits())


class ExecutorContract:
    """Tests that an executor passes; override `make`."""

    def make(self, allotment: Allotment) -> Executor:
        """A fresh executor."""
        raise NotImplementedError

    @pytest.fixture(scope="class")
    def dataset(self) -> Dataset:
        """What is trained on."""
        return load_dataset("digits")

    @pytest.fixture(scope="class")
    def executor(self) -> Iterator[Executor]:
        """One executor for all tests, entered."""
        with self.make(Allotment(cpus=1)) as executor:
            yield executor

    @pytest.fixture(scope="class")
    def pool(
        self, executor: Executor, dataset: Dataset, tmp_path_factory: pytest.TempPathFactory
    ) -> Iterator[TrainingPool]:
        """One place."""
        log = tmp_path_factory.mktemp("run") / "training.log"
        with TrainingPool(executor.places(dataset, log, 1)) as pool:
            yield pool

    def train(self, pool: TrainingPool, job: Job, epochs: list[int] | None = None) -> TrainResult:
        """Train one network; the numbers of its epochs go to a list."""
        told = [] if epochs is None else epochs
        with pool.baton:
            return pool.train(pool.places[0], job, lambda entry: told.append(int(entry["epoch"])))

    def test_epochs_stream_and_weights_come_back(self, pool: TrainingPool, tmp_path: Path) -> None:
        """Figures and weights of a training arrive here."""
        epochs: list[int] = []
        path = tmp_path / "weights" / "0000.npz"
        result = self.train(pool, job(weights=path), epochs)
        assert epochs == [1, 2] and result.epochs == 2
        assert [array.shape for array in load_weights(path)] == [(64, 10), (10,)]
        assert [file.name for file in path.parent.iterdir()] == ["0000.npz"]

    def test_a_killed_training_is_begun_again_with_the_same_result(
        self, pool: TrainingPool, tmp_path: Path
    ) -> None:
        """And what was told of the first attempt is not told twice."""
        epochs: list[int] = []
        broken = self.train(pool, job(at_epoch_end("die once", tmp_path / "died")), epochs)
        whole = self.train(pool, job())
        assert (tmp_path / "died").exists()
        assert epochs == [1, 2]
        assert broken.val_loss == pytest.approx(whole.val_loss, rel=1e-4)

    def test_a_training_that_is_always_killed_fails(self, pool: TrainingPool) -> None:
        """With the signal as its reason, and the next one goes on."""
        with pytest.raises(TrialError, match=r"SIGKILL.*lost 4 times"):
            self.train(pool, job(at_epoch_end("die")))
        assert self.train(pool, job()).epochs == 2

    def test_a_training_that_hangs_fails_alone(self, pool: TrainingPool) -> None:
        """At its limit of time."""
        with pytest.raises(TrialError, match="the limit of a trial"):
            self.train(pool, job(at_epoch_end("hang"), limits=Limits(minutes=0.1)))
        assert self.train(pool, job()).epochs == 2

    def test_a_training_out_of_memory_fails_alone(self, pool: TrainingPool) -> None:
        """At its limit of memory, long before the machine has none left."""
        with pytest.raises(TrialError, match=r"out of memory: the training used .* GiB"):
            self.train(pool, job(at_epoch_end("swell"), limits=Limits(memory_gib=1.5)))
        assert self.train(pool, job()).epochs == 2

    def test_an_error_here_ends_the_training(self, pool: TrainingPool) -> None:
        """And spoils no later answer."""

        def full(entry: dict[str, Any]) -> None:
            raise StoreError("the disk is full")

        with pytest.raises(StoreError, match="the disk is full"), pool.baton:
            pool.train(pool.places[0], job(recipe=ENDLESS), full)
        assert self.train(pool, job()).epochs == 2

    def test_one_worker_at_least(self, executor: Executor, dataset: Dataset, tmp_path: Path) -> None:
        """Fewer are refused in one line."""
        with pytest.raises(ConfigError, match="0 workers were asked for"):
            executor.places(dataset, tmp_path / "training.log", 0)
        assert executor.default_workers() >= 1
