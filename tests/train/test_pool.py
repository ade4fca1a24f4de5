"""Several training processes at once: one passes the baton while it trains, one failure stops all."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgenas.arch import MicroSpace
from edgenas.arch.space import SearchSpace
from edgenas.data.dataset import Dataset
from edgenas.distribute import LocalExecutor
from edgenas.errors import StoreError
from edgenas.train import pool as pool_module
from edgenas.train import precision
from edgenas.train.job import Job
from edgenas.train.pool import Baton, Place, StoppedError, TrainingPool, default_workers
from edgenas.train.recipe import Recipe
from edgenas.train.trainer import Progress, TrainResult


@pytest.fixture(scope="module")
def space() -> SearchSpace:
    return MicroSpace((8, 8, 1), 10)


@pytest.fixture
def pool(digits: Dataset, tmp_path: Path) -> Iterator[TrainingPool]:
    with TrainingPool(LocalExecutor().places(digits, tmp_path / "training.log", 2)) as pool:
        yield pool


def jobs(space: SearchSpace, epochs: int) -> list[Job]:
    specs = space.enumerate()
    return [Job(next(specs), Recipe(epochs, 512, 64, seed=seed)) for seed in range(3)]


def histories(pool: TrainingPool, waiting: list[Job]) -> tuple[list[list[dict[str, float]]], int]:
    """Learning curves by seed, and how many trainings ran at the same time at most."""
    results: dict[int, TrainResult] = {}
    under_way, most = 0, 0

    def work(process: Place) -> None:
        nonlocal under_way, most
        while waiting:
            job = waiting.pop(0)
            under_way += 1
            most = max(most, under_way)
            results[job.recipe.seed] = pool.train(process, job, lambda entry: None)
            under_way -= 1

    pool.each(work)
    return [results[seed].history for seed in sorted(results)], most


def test_jobs_are_trained_at_the_same_time_with_the_result_of_one_at_a_time(
    digits: Dataset, tmp_path: Path, space: SearchSpace, pool: TrainingPool
) -> None:
    together, most = histories(pool, jobs(space, 2))
    assert most == 2
    (tmp_path / "single").mkdir()
    with TrainingPool(LocalExecutor().places(digits, tmp_path / "single" / "training.log", 1)) as single:
        alone, most = histories(single, jobs(space, 2))
    assert most == 1
    assert len(together) == len(alone) == 3
    for first, second in zip(together, alone, strict=True):
        for one, other in zip(first, second, strict=True):
            assert one == pytest.approx(other, abs=2e-3)


def test_a_failure_in_one_thread_stops_the_training_of_the_other(
    pool: TrainingPool, space: SearchSpace
) -> None:
    first, long = jobs(space, 1)[0], jobs(space, 100_000)[1]
    ends: list[BaseException] = []

    def work(process: Place) -> None:
        if process is pool.places[0]:
            pool.train(process, first, lambda entry: None)
            raise StoreError("the disk is full")
        try:
            pool.train(process, long, lambda entry: None)
        except BaseException as error:
            ends.append(error)
            raise

    with pytest.raises(StoreError, match="the disk is full"):
        pool.each(work)
    assert [type(error) for error in ends] == [StoppedError]


def test_whoever_waits_for_the_baton_is_woken_by_the_end_of_another() -> None:
    baton, order = Baton(), []

    def other() -> None:
        with baton:
            order.append("other")

    with baton:
        thread = threading.Thread(target=other)
        thread.start()
        time.sleep(0.05)
        order.append("first")
        while "other" not in order:
            baton.wait()
        order.append("first again")
    thread.join()
    assert order == ["first", "other", "first again"]


class NoPlace:
    """Where nothing is trained."""

    def __enter__(self) -> NoPlace:
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    def interrupt(self) -> None:
        pass

    def run(self, job: Job, on_epoch: Progress) -> TrainResult:
        raise AssertionError(job)


def test_what_is_done_meanwhile_waits_for_the_baton_and_a_failure_of_it_stops_nothing() -> None:
    told: list[str] = []

    def fails() -> None:
        told.append("fails")
        raise ZeroDivisionError

    def work(place: Place) -> None:
        pool.meanwhile(fails)
        pool.meanwhile(lambda: told.append("meanwhile"))
        time.sleep(0.05)
        told.append("with the baton")
        with pool.baton.passed():
            while "meanwhile" not in told:
                time.sleep(0.001)
        told.append("again")

    with TrainingPool([NoPlace()]) as pool:
        pool.each(work)
    assert told == ["with the baton", "fails", "meanwhile", "again"]


def test_a_broken_baton_stops_whoever_waits() -> None:
    baton, stopped = Baton(), []

    def waiting() -> None:
        with baton:
            try:
                baton.wait()
            except StoppedError:
                stopped.append(True)

    thread = threading.Thread(target=waiting)
    thread.start()
    time.sleep(0.05)
    baton.break_it()
    thread.join(timeout=10)
    assert stopped == [True]


@pytest.fixture
def devices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Stands for ``/dev`` of a machine with 16 cores."""
    monkeypatch.setattr(precision, "DEVICES", tmp_path)
    monkeypatch.setattr(pool_module, "cores", lambda: 16)
    precision.gpu_memory_gib.cache_clear()
    yield tmp_path
    precision.gpu_memory_gib.cache_clear()


def test_there_are_four_workers_by_default_on_many_cores(devices: Path) -> None:
    assert default_workers() == 4


@pytest.mark.parametrize(("mib", "workers"), [(81559, 8), (81559, 3), (8192, 7), (500, 1)])
def test_a_gpu_is_shared_by_as_many_as_its_memory_and_the_cores_allow(
    mib: int, workers: int, devices: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program of the name nvidia-smi says what the real one says of an H100 (and of less)."""
    (devices / "nvidia1").touch()
    told = devices / "nvidia-smi"
    told.write_text(f"#!/bin/sh\necho 81559\necho {mib}\n")
    told.chmod(0o755)
    monkeypatch.setenv("PATH", str(devices), prepend=":")
    if workers == 3:
        monkeypatch.setattr(pool_module, "cores", lambda: 3)
    assert default_workers() == workers


def test_a_gpu_of_unknown_memory_has_four_workers(devices: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (devices / "nvidia0").touch()
    monkeypatch.setenv("PATH", str(devices))
    assert default_workers() == 4
