"""A search on a real Ray cluster: faults, wrong input, nodes that differ."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from edgenas.data.load import load_dataset
from edgenas.distribute import Allotment, RayExecutor
from edgenas.errors import ConfigError
from edgenas.store import Store
from edgenas.testing.executors import ENDLESS, at_epoch_end, job
from edgenas.train.pool import TrainingPool
from tests.conftest import SHORT, command


@pytest.fixture
def executor(cluster: Any) -> Iterator[RayExecutor]:
    with RayExecutor(Allotment(cpus=1, address=cluster.address)) as executor:
        yield executor


def test_a_training_on_a_lost_node_is_begun_again_on_another(
    cluster: Any, executor: RayExecutor, tmp_path: Path
) -> None:
    """Also on a node that came after the search had begun, which gets the data then."""
    late = cluster.add_node(num_cpus=1, resources={"late": 1})
    cluster.wait_for_nodes()
    executor._task = executor._task.options(resources={"late": 1})
    begun = threading.Event()
    results: list[int] = []

    def work() -> None:
        with TrainingPool(executor.places(load_dataset("digits"), tmp_path / "log", 1)) as pool, pool.baton:
            callback = at_epoch_end("die once", tmp_path / "died")
            result = pool.train(pool.places[0], job(callback), lambda entry: begun.set())
            results.append(result.epochs)

    thread = threading.Thread(target=work)
    thread.start()
    deadline = time.monotonic() + 120
    while not (tmp_path / "died").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    cluster.remove_node(late, allow_graceful=False)
    cluster.add_node(num_cpus=1, resources={"late": 1})
    thread.join(timeout=120)
    assert results == [2] and begun.is_set()


def test_a_node_with_another_version_is_named(cluster: Any, tmp_path: Path) -> None:
    fake = tmp_path / "keras-9.9.dist-info"
    fake.mkdir()
    (fake / "METADATA").write_text("Metadata-Version: 2.1\nName: keras\nVersion: 9.9\n")
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    other = cluster.add_node(num_cpus=1, env_vars={"PYTHONPATH": path})
    try:
        cluster.wait_for_nodes()
        with (
            pytest.raises(ConfigError, match=r"node .* has keras 9\.9 instead of \d"),
            RayExecutor(Allotment(address=cluster.address)),
        ):
            pass
    finally:
        cluster.remove_node(other)


def test_what_no_node_has_is_refused(cluster: Any) -> None:
    for allotment in (Allotment(gpus=2, address=cluster.address), Allotment(64, address=cluster.address)):
        with (
            pytest.raises(ConfigError, match=r"a trial needs .* and no node has that \(.*1 CPU"),
            RayExecutor(allotment),
        ):
            pass


def test_a_trial_with_a_gpu_goes_to_the_node_that_has_one(cluster: Any, tmp_path: Path) -> None:
    with RayExecutor(Allotment(gpus=0.5, address=cluster.address)) as executor:
        assert executor.default_workers() == 1
        with TrainingPool(executor.places(load_dataset("digits"), tmp_path / "log", 1)) as pool, pool.baton:
            assert pool.train(pool.places[0], job(), lambda entry: None).epochs == 2


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("127.0.0.1:1", "nobody answers there"),
        ("somewhere", "expected auto or HOST:PORT"),
        ("ray://127.0.0.1:10001", "start the search on a node of the cluster"),
    ],
)
def test_a_wrong_address_gets_one_line(address: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message), RayExecutor(Allotment(address=address)):
        pass


def test_an_environment_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "env.json").write_text("[1")
    with (
        pytest.raises(ConfigError, match=r"--runtime-env .*env.json cannot be read"),
        RayExecutor(Allotment(runtime_env=str(tmp_path / "env.json"))),
    ):
        pass


def test_an_interrupted_training_ends_on_its_node(executor: RayExecutor, tmp_path: Path) -> None:
    pool = TrainingPool(executor.places(load_dataset("digits"), tmp_path / "log", 1))

    def interrupt(entry: dict[str, Any]) -> None:
        raise KeyboardInterrupt

    with pool, pytest.raises(KeyboardInterrupt), pool.baton:
        pool.train(pool.places[0], job(recipe=ENDLESS), interrupt)
    deadline = time.monotonic() + 30
    while (left := trainings()) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert left == []


def trainings() -> list[int]:
    """Processes in which a training of this user's goes on."""
    found = []
    for process in psutil.process_iter(["cmdline", "ppid"]):
        words = process.info["cmdline"] or []
        if "edgenas.train.worker" in words and _is_forked(process.info["ppid"]) and _is_ours(process):
            found.append(process.pid)
    return found


def _is_forked(parent: int) -> bool:
    try:
        return "edgenas.train.worker" in psutil.Process(parent).cmdline()
    except psutil.Error:
        return False


def _is_ours(process: psutil.Process) -> bool:
    try:
        return any(parent.pid == os.getpid() for parent in process.parents())
    except psutil.Error:
        return False


def test_a_killed_search_goes_on_while_the_cluster_does(cluster: Any, edgenas: Any, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    words = ("search", "--data", "digits", "--ram-kib", "48", *SHORT, "--executor", "ray", "--workers", "2")
    process = subprocess.Popen(
        command(*words, "--address", cluster.address, "--out", str(folder)), stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline and process.poll() is None:
        if (folder / "run.db").exists():
            with Store.read(folder) as store:
                before = {trial.trial_id: trial.result for trial in store.trials() if trial.result}
            if len(before) >= 2:
                break
        time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    _, printed = process.communicate()
    assert len(before) >= 2, printed
    done = edgenas("resume", folder, "--json")
    assert done.returncode == 0, done.stderr
    with Store.read(folder) as store:
        after = {trial.trial_id: trial for trial in store.trials()}
        assert {name: after[name].result for name in before} == before
        assert [trial.status for trial in after.values()] == ["completed"] * 5
        assert all(winner.result for winner in store.winners() if winner.reason is None)
