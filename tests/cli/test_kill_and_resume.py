"""A run that is killed loses nothing finished, and goes on as if it had not been."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgenas.errors import StoreError
from edgenas.records import TrialRecord
from edgenas.store import Store
from tests.conftest import SHORT, command

WORDS = ("search", "--data", "digits", "--ram-kib", "48", *SHORT)


def begin(folder: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command(*WORDS, "--out", str(folder)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def wait_until(process: subprocess.Popen[bytes], folder: Path, reached: Callable[[Store], bool]) -> None:
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline:
        assert process.poll() is None, "the run ended before it could be killed"
        try:
            with Store.read(folder) as store:
                if reached(store):
                    return
        except StoreError:
            pass
        time.sleep(0.05)
    raise AssertionError("the run did not get that far")


def finished(store: Store) -> list[TrialRecord]:
    return [trial for trial in store.trials() if trial.status == "completed"]


def key(trial: TrialRecord) -> tuple[str, str]:
    return trial.trial_id, trial.spec.arch_id


def test_kill_in_the_search_and_in_the_final_training(
    edgenas: Any, tmp_path: Path, finished_run: Path
) -> None:
    folder = tmp_path / "run"
    process = begin(folder)
    wait_until(process, folder, lambda store: len(finished(store)) >= 2)
    in_use = edgenas("resume", folder)
    assert in_use.returncode == 2
    assert f"in use by process {process.pid}" in in_use.stderr
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert_no_training_outlives(folder)
    with Store.read(folder) as store:
        before = {trial.trial_id: trial for trial in finished(store)}
    assert len(before) >= 2
    assert edgenas("report", folder).returncode == 0  # also of a run that was cut off

    second = subprocess.Popen(
        command("resume", str(folder)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    wait_until(second, folder, lambda store: any(winner.result for winner in store.winners()))
    second.send_signal(signal.SIGKILL)
    second.wait()

    done = edgenas("resume", folder, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["status"] == "done"
    with Store.read(folder) as store, Store.read(finished_run) as unbroken:
        after = {trial.trial_id: trial for trial in store.trials()}
        assert {name: after[name].result for name in before} == {
            name: trial.result for name, trial in before.items()
        }
        # The founders do not depend on results, so the broken run has the same ones as the unbroken.
        assert [key(trial) for trial in store.trials()] == [key(trial) for trial in unbroken.trials()]


def assert_no_training_outlives(folder: Path) -> None:
    """The training processes of a killed run end by themselves."""
    deadline = time.monotonic() + 60
    while workers_of(folder) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert workers_of(folder) == []


def workers_of(folder: Path) -> list[int]:
    """Processes that have the run's training log open."""
    log, found = folder / "training.log", []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if any(link.readlink() == log for link in (entry / "fd").iterdir()):
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


@pytest.mark.parametrize("number", [signal.SIGINT])
def test_an_interrupt_says_that_nothing_is_lost(tmp_path: Path, number: signal.Signals) -> None:
    folder = tmp_path / "run"
    words = command(*WORDS, "--workers", "1", "--out", str(folder))
    process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    wait_until(process, folder, lambda store: bool(store.trials()))  # type: ignore[arg-type]
    process.send_signal(number)
    _, printed = process.communicate(timeout=60)
    assert process.returncode == 130
    assert f"edgenas resume {folder}" in printed
