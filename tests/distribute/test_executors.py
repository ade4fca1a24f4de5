"""Every registered executor keeps the contract; what is not its own it refuses in one line."""

from __future__ import annotations

from typing import Any

import pytest

from edgenas.distribute import EXECUTORS, Allotment, Executor, LocalExecutor, RayExecutor
from edgenas.errors import ConfigError, UnknownNameError
from edgenas.testing.executors import ExecutorContract


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
