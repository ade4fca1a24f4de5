"""A board of a real Ray cluster, for which this machine stands: one at a time, on its node, lost and back."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edgenas.distribute import Allotment, BoardRunner, RayExecutor
from edgenas.errors import ConfigError, EdgenasError, UnsupportedError
from edgenas.profile.device import Device, load_device
from edgenas.profile.protocol import Protocol
from edgenas.profile.runner import Runner
from edgenas.profile.synthesize import tiny_model
from edgenas.testing.runners import PATIENT, RunnerContract

HOST = load_device("host")
LONG = replace(PATIENT, bursts=200, rounds=20_000, burst_us=5_000.0)
"""A second of measuring."""
LAX = ("--tolerance", "1000", "--max-spread", "1000")
"""Any machine keeps it."""
ENDLESS = replace(LONG, bursts=100_000, rounds=10_000_000)

MEASURE_THRICE = """
import json, sys
from dataclasses import asdict
from edgenas.distribute import BoardRunner
from tests.distribute.test_board import HOST, LONG, tiny_model
runner = BoardRunner(HOST, LONG, address=sys.argv[1])
for _ in range(3):
    runner.measure(tiny_model("tflite"))
runner.close()
print(json.dumps([asdict(visit) for visit in runner.visits]))
"""


@pytest.fixture(scope="module")
def node(cluster: Any) -> Iterator[Any]:
    """A node that offers the board ``host``; the three others do not."""
    node = cluster.add_node(num_cpus=0, resources={"board:host": 1})
    cluster.wait_for_nodes()
    yield node
    cluster.remove_node(node)


@pytest.fixture(autouse=True)
def alone() -> Iterator[None]:
    """No test leaves this process in the cluster."""
    yield
    import ray

    ray.shutdown()


@pytest.mark.usefixtures("node")
class TestBoardRunner(RunnerContract):
    @pytest.fixture(scope="class", autouse=True)
    def address(self, cluster: Any) -> None:
        type(self).at = cluster.address

    def make(self, protocol: Protocol) -> Runner:
        return BoardRunner(HOST, protocol, address=self.at)

    def unreachable(self) -> Device:
        """A node stands for any board, but has no runtime of microcontrollers."""
        return replace(HOST, id="no-such-device", runtimes=("tflite-micro",), runtime="tflite-micro")


def test_measurements_of_two_processes_never_overlap_and_run_on_the_board_s_node(
    cluster: Any, node: Any
) -> None:
    both = [
        subprocess.Popen(
            [sys.executable, "-c", MEASURE_THRICE, cluster.address],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for _ in range(2)
    ]  # fmt: skip
    answers = [process.communicate(timeout=300) for process in both]
    assert [process.returncode for process in both] == [0, 0], answers
    visits = [visit for printed, _ in answers for visit in json.loads(printed.splitlines()[-1])]
    assert len(visits) == 6
    assert {visit["node"] for visit in visits} == {node.node_id}
    ordered = sorted(visits, key=lambda visit: float(visit["began"]))
    for earlier, later in zip(ordered, ordered[1:], strict=False):
        assert earlier["ended"] <= later["began"]


@pytest.mark.usefixtures("node")
def test_a_profile_through_the_cluster_is_the_board_s(cluster: Any, edgenas: Any, tmp_path: Path) -> None:
    model = tmp_path / "model.tflite"
    model.write_bytes(tiny_model("tflite"))
    words = ("--address", cluster.address, *LAX, "--json")
    done = edgenas("profile", model, "--device", "host", *words)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["source"] == "measured" and document["device"] == "host"
    refused = edgenas("profile", model, "--device", "raspberry-pi-4", *words)
    assert refused.returncode == 2
    assert "no node of the cluster" in refused.stderr and len(refused.stderr.splitlines()) == 1
    assert """ray start --address HOST:PORT --num-cpus 0 --resources '{"board:raspberry-pi-4": 1}'""" in (
        refused.stderr
    )
    assert "boards offered: board:host" in refused.stderr


def test_a_board_without_a_cluster_is_refused(edgenas: Any, tmp_path: Path) -> None:
    refused = edgenas("profile", tmp_path / "none.tflite", "--board", "mine")
    assert (refused.returncode, "--board mine was given without a cluster" in refused.stderr) == (2, True)


def test_a_node_that_offers_one_board_twice_is_refused(cluster: Any) -> None:
    twice = cluster.add_node(num_cpus=0, resources={"board:pair": 2})
    try:
        cluster.wait_for_nodes()
        with pytest.raises(ConfigError, match=r"offers 2 board:pair; expected 1"):
            BoardRunner(HOST, PATIENT, address=cluster.address, board="pair").machine()
    finally:
        cluster.remove_node(twice)


def test_a_lost_node_ends_a_measurement_and_the_next_works_when_it_is_back(cluster: Any) -> None:
    """The one that waits for the board is told as well as the one that has it."""
    lost = cluster.add_node(num_cpus=0, resources={"board:mine": 1})
    cluster.wait_for_nodes()
    runners = [BoardRunner(HOST, ENDLESS, address=cluster.address, board="mine") for _ in range(2)]
    assert runners[0].machine()["cpu"] and runners[0].visits[0].node == lost.node_id
    errors: list[str] = []

    def measure(runner: BoardRunner) -> None:
        try:
            runner.measure_batch([tiny_model("tflite")])
        except EdgenasError as error:
            errors.append(f"{type(error).__name__}: {error}")

    threads = [threading.Thread(target=measure, args=(runner,)) for runner in runners]
    for thread in threads:
        thread.start()
    import ray

    deadline = time.monotonic() + 60
    while ray.available_resources().get("board:mine") and time.monotonic() < deadline:
        time.sleep(0.1)
    cluster.remove_node(lost, allow_graceful=False)
    for thread in threads:
        thread.join(timeout=120)
    assert len(errors) == 2
    assert all(error.startswith("MeasurementError: no node of the cluster") for error in errors), errors
    with pytest.raises(ConfigError, match="offers board:mine"):
        runners[0].machine()
    back = cluster.add_node(num_cpus=0, resources={"board:mine": 1})
    try:
        cluster.wait_for_nodes()
        again = BoardRunner(HOST, PATIENT, address=cluster.address, board="mine")
        assert again.measure(tiny_model("tflite")).latency_ms > 0
        assert again.visits[0].node == back.node_id
    finally:
        cluster.remove_node(back)


@pytest.mark.usefixtures("node")
def test_a_measurement_is_taken_in_the_cluster_that_a_search_is_in(cluster: Any) -> None:
    with RayExecutor(Allotment(cpus=1, address=cluster.address)):
        runner = BoardRunner(HOST, PATIENT, address=cluster.address)
        assert runner.measure(tiny_model("tflite")).repeats >= PATIENT.bursts
        runner.close()
        import ray

        assert ray.is_initialized()


@pytest.mark.usefixtures("node")
def test_what_the_node_s_runner_refuses_is_told(cluster: Any) -> None:
    strict = Protocol(bursts=100, rounds=100, tolerance=1e-9)
    runner = BoardRunner(HOST, strict, address=cluster.address)
    assert runner.measure_batch([tiny_model("tflite")]) == [None]
    assert "undisturbed" in runner.refusal
    with pytest.raises(UnsupportedError, match="cannot run a model of 3 bytes"):
        runner.measure(b"not")
