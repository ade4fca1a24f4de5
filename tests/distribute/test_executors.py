"""Every registered executor keeps the contract; what is not its own it refuses in one line."""

from __future__ import annotations

from typing import Any

import pytest

from edgenas.config import RunConfig
from edgenas.distribute import EXECUTORS, Allotment, Executor, LocalExecutor, RayExecutor
from edgenas.errors import ConfigError, UnknownNameError
from edgenas.problem_of import elsewhere, executor_of
from edgenas.testing.executors import ExecutorContract, flat_build


class TestLocal(ExecutorContract):
    def make(self, allotment: Allotment) -> Executor:
        return LocalExecutor(allotment)


class TestRay(ExecutorContract):
    @pytest.fixture(scope="class", autouse=True)
    def address(self, cluster: Any) -> None:
        type(self).at = cluster.address

    def make(self, allotment: Allotment) -> Executor:
        return RayExecutor(Allotment(allotment.cpus, address=self.at))

    def test_workers_fill_the_cluster(self, executor: Executor) -> None:
        assert executor.default_workers() == 2
        assert executor.describe() == {"executor": "ray", "nodes": 3}


def test_all_executors_are_tested() -> None:
    assert EXECUTORS.names() == ["local", "processes", "ray"]
    assert EXECUTORS.get("processes") is EXECUTORS.get("local") is LocalExecutor
    with pytest.raises(UnknownNameError, match="did you mean 'local'"):
        EXECUTORS.get("locl")


@pytest.mark.parametrize(
    ("allotment", "message"),
    [
        (Allotment(address="auto"), "--address auto was given with trainings on this machine"),
        (Allotment(gpus=1), "--gpus-per-trial 1 was given with trainings on this machine"),
    ],
)
def test_a_cluster_s_options_are_refused_on_this_machine(allotment: Allotment, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        LocalExecutor(allotment)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"cpus": 0}, "--cpus-per-trial 0 was given"),
        ({"gpus": -1}, "--gpus-per-trial -1 was given"),
        ({"minutes": 0}, "--trial-minutes 0 was given"),
        ({"memory_gib": -2}, "--trial-gib -2 was given"),
    ],
)
def test_numbers_out_of_range_are_refused(settings: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Allotment(**settings)


def test_an_executor_beside_keras_tuner_s_chief_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from edgenas.search.tuner import EdgeTuner

    for name, value in (("IP", "127.0.0.1"), ("PORT", "8000")):
        monkeypatch.setenv(f"KERASTUNER_ORACLE_{name}", value)
    monkeypatch.setenv("KERASTUNER_TUNER_ID", "chief")
    with pytest.raises(ConfigError, match="makes keras-tuner's workers train, and an executor or a store"):
        EdgeTuner(flat_build, executor=LocalExecutor())


@pytest.mark.parametrize(("before", "after"), [(2, 4), (4, 1)])
def test_a_resumed_run_takes_what_is_given_and_keeps_the_rest(before: int, after: int) -> None:
    config = RunConfig("digits", cpus_per_trial=before, trial_minutes=3, workers=5)
    assert elsewhere(config, {}) == config
    assert elsewhere(config, {"cpus_per_trial": after}).cpus_per_trial == after
    moved = elsewhere(config, {"executor": "ray", "address": "auto"})
    assert (moved.address, moved.cpus_per_trial, moved.trial_minutes, moved.workers) == ("auto", None, 3, 5)
    assert executor_of(moved).allotment == Allotment(minutes=3, address="auto")
