"""Boards over ssh, against a real OpenSSH server on the loopback."""

from __future__ import annotations

import ast
import os
import shlex
import signal
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from edgenas.errors import ConfigError, MeasurementError, UnsupportedError
from edgenas.profile import agent
from edgenas.profile.device import load_device
from edgenas.profile.protocol import Protocol
from edgenas.profile.runner import Route, Runner, runner_for
from edgenas.profile.runners import SshRunner
from edgenas.profile.runners.ssh import _Lost, explained, parse_host, ssh_command
from edgenas.profile.synthesize import tiny_model
from edgenas.testing.runners import PATIENT, RunnerContract, heavy_model
from tests.profile.sshd import Board, server

HOST = load_device("host")
BOARD = replace(HOST, id="board")


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Board]:
    with server(tmp_path_factory.mktemp("it's a; board")) as running:
        yield running


@pytest.fixture(scope="module")
def runner(board: Board) -> Iterator[SshRunner]:
    made = SshRunner(BOARD, PATIENT, route=board.route())
    yield made
    made.close()


class TestSshRunner(RunnerContract):
    @pytest.fixture(autouse=True)
    def _board(self, runner: SshRunner) -> None:
        self.runner = runner

    def make(self, protocol: Protocol) -> Runner:
        assert protocol == PATIENT
        return self.runner


def test_onnx_files_are_measured_with_the_boards_onnxruntime(board: Board) -> None:
    runner = runner_for(replace(BOARD, runtime="onnxruntime"), PATIENT, route=board.route(), threads=2)
    assert isinstance(runner, SshRunner)
    heavy, tiny = runner.measure_batch([heavy_model("onnx"), tiny_model("onnx")])
    assert heavy is not None and tiny is not None and heavy.latency_ms > tiny.latency_ms
    assert runner.machine()["version"].startswith("onnxruntime ")
    runner.close()


def test_the_board_describes_itself_as_the_local_runner_does(runner: SshRunner) -> None:
    assert runner.machine() == runner_for(HOST).machine()


def test_an_unknown_host_key_is_refused(board: Board, tmp_path: Path) -> None:
    config = (board.folder / "config").read_text().replace("known_hosts", "nobody_known")
    (tmp_path / "config").write_text(config)
    runner = SshRunner(BOARD, route=replace(board.route(), ssh_config=tmp_path / "config"))
    with pytest.raises(MeasurementError, match=r"not known; log in once .*ssh -p \d+"):
        runner.measure(tiny_model())


def test_a_changed_host_key_is_refused(board: Board) -> None:
    board.trust("stranger_key")
    try:
        with pytest.raises(MeasurementError, match=r"has changed, so it was refused.*ssh-keygen -R"):
            SshRunner(BOARD, route=board.route()).machine()
    finally:
        board.trust("host_key")


def test_a_login_without_the_right_key_is_refused(board: Board, tmp_path: Path) -> None:
    config = (board.folder / "config").read_text().replace("user_key", "stranger_key")
    (tmp_path / "config").write_text(config)
    runner = SshRunner(BOARD, route=replace(board.route(), ssh_config=tmp_path / "config"))
    with pytest.raises(MeasurementError, match="ssh-copy-id"):
        runner.machine()


def test_a_board_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(MeasurementError, match=r"'board' .*Connection refused"):
        SshRunner(BOARD, route=Route(ssh="nobody@127.0.0.1:1")).machine()


def test_a_python_that_is_not_there_is_named(board: Board) -> None:
    with pytest.raises(MeasurementError, match="--python"):
        SshRunner(BOARD, route=board.route("/no/python here; touch x")).machine()


def test_a_python_without_the_runtime_is_told(board: Board, tmp_path: Path) -> None:
    bare = tmp_path / "it's python; no $HOME"
    bare.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -I -S "$@"\n')
    bare.chmod(0o755)
    before = psutil.Process().children()
    with pytest.raises(UnsupportedError, match=r"has no litert .*--python"):
        SshRunner(BOARD, route=board.route(str(bare))).machine()
    assert set(psutil.Process().children()) <= set(before), "the connection stayed open"


def test_a_board_that_goes_away_leaves_no_half_row_and_can_come_back(board: Board) -> None:
    slow = replace(PATIENT, bursts=300, rounds=300)
    runner = SshRunner(BOARD, slow, route=board.route())
    runner.machine()  # connected
    assert runner._connection is not None
    threading.Timer(0.5, os.kill, (runner._connection.process.pid, signal.SIGKILL)).start()
    with pytest.raises(MeasurementError, match=r"went away .*nothing of this measurement was kept"):
        runner.measure_batch([heavy_model()] * 8)
    runner.protocol = PATIENT
    assert runner.measure(tiny_model()).repeats >= PATIENT.bursts
    runner.close()


def test_a_board_that_does_not_answer_is_given_up(board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgenas.profile.runners.ssh.START_SECONDS", 1.0)
    stuck = board.folder / "stuck"
    stuck.write_text("#!/bin/sh\nexec sleep 30\n")
    stuck.chmod(0o755)
    start = time.monotonic()
    with pytest.raises(MeasurementError, match="did not answer within 1 s"):
        SshRunner(BOARD, route=board.route(str(stuck))).machine()
    assert time.monotonic() - start < 25


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("pi@board", ("pi@board", None)),
        ("board:2222", ("board", "2222")),
        ("pi@10.0.0.7:22", ("pi@10.0.0.7", "22")),
        ("pi@[fe80::1%eth0]:22", ("pi@fe80::1%eth0", "22")),
        ("fe80::1", ("fe80::1", None)),
    ],
)
def test_hosts_are_read(text: str, expected: tuple[str, str | None]) -> None:
    assert parse_host(text) == expected


@pytest.mark.parametrize(
    "text", ["", "-oProxyCommand=x", "pi@-x", "a b", "pi@board;id", "pi@board:port", "$(id)", "a@b@c", "b\n"]
)
def test_what_is_not_a_host_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="user@host"):
        SshRunner(BOARD, route=Route(ssh=text))


def test_nothing_of_the_user_reaches_a_shell_unquoted() -> None:
    command = ssh_command(Route(ssh="pi@board:2222", python="/opt/it's py/python3; reboot"))
    assert command[-3:-1] == ["--", "pi@board"]
    words = shlex.split(command[-1])
    assert words[:3] == ["exec", "/opt/it's py/python3; reboot", "-c"] and len(words) == 4
    assert {"BatchMode=yes", "StrictHostKeyChecking=yes"} <= set(command)


def test_a_device_on_a_microcontroller_runtime_is_not_reached_by_ssh() -> None:
    with pytest.raises(UnsupportedError, match="no runner reaches"):
        runner_for(load_device("nucleo-l4r5zi"), route=Route(ssh="pi@board"))


def test_a_connection_that_ends_without_a_word_is_explained() -> None:
    line = explained(_Lost(255, "", None), Route(ssh="pi@board"), "board")
    assert "without a word" in line and "\n" not in line


def test_the_agent_is_one_file_for_python_3_7() -> None:
    source = Path(agent.__file__).read_text()
    tree = ast.parse(source, feature_version=(3, 7))
    imported = {
        name.split(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    runtimes = {"numpy", "ai_edge_litert", "tflite_runtime", "onnxruntime", "pkg_resources"}
    assert imported - runtimes <= set(sys.stdlib_module_names)
