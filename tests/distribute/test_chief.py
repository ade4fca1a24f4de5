"""keras-tuner's chief and workers as real processes, one of them killed; and the desk between them."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgenas.arch.spec import ArchSpec
from edgenas.data.load import load_dataset
from edgenas.distribute import chief
from edgenas.distribute.chief import ChiefExecutor, Desk, Task
from edgenas.distribute.chief_role import (
    KEY,
    VARIABLES,
    Order,
    Role,
    ended_text,
    job_text,
    read_end,
    role_here,
)
from edgenas.errors import ConfigError
from edgenas.search.objective import VAL_ERROR
from edgenas.search.pareto import front_mask
from edgenas.store import Store
from edgenas.testing.executors import MOMENT, flat_build, job
from edgenas.train.job import Job
from edgenas.train.limits import Limits

SCRIPT = Path(__file__).with_name("chief_script.py")


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def begin(name: str, port: str, folder: Path, seed: int = 0) -> subprocess.Popen[str]:
    """One process of a search, under a name of keras-tuner's."""
    environment = {**os.environ, **dict(zip(VARIABLES, (name, "127.0.0.1", port), strict=True))}
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), str(folder), str(folder), str(seed)],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip


def ended(folder: Path) -> list[str]:
    """The trials of a run that have a result."""
    if not (folder / "run.db").exists():
        return []
    with Store.read(folder) as store:
        return [trial.trial_id for trial in store.trials() if trial.result]


def wait_for(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 400
    while not what() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert what()


def test_a_search_survives_a_killed_worker_and_a_killed_chief_and_ends_with_the_store_s_front(
    tmp_path: Path,
) -> None:
    port, run = free_port(), tmp_path / "run"
    processes = [begin(name, port, tmp_path) for name in ("doomed", "the-chief", "other")]
    doomed, head, other = processes
    try:
        wait_for((tmp_path / "doomed").exists)
        os.killpg(doomed.pid, signal.SIGKILL)
        wait_for(lambda: {"0000", "0001"} <= set(ended(run)))  # one of these had been at the killed worker
        os.killpg(head.pid, signal.SIGKILL)
        processes.append(head := begin("the-chief", port, tmp_path))
        printed, complaints = head.communicate(timeout=400)
        seen, others = other.communicate(timeout=100)
    finally:
        for process in processes:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    assert (head.returncode, other.returncode) == (0, 0), (complaints, others)
    with Store.read(tmp_path / "run") as store:
        trials = store.trials()
        assert [trial.trial_id for trial in trials] == [f"{number:04d}" for number in range(8)]
        assert {trial.status for trial in trials} == {"completed"}
        assert all(store.weights_path(trial.trial_id).exists() for trial in trials)
        assert store.meta("objectives") == [VAL_ERROR, "macs"]
    mask = front_mask(np.array([[trial.val_error, trial.cost.macs] for trial in trials], float))
    expected = {trial.trial_id for trial, on_front in zip(trials, mask, strict=True) if on_front}
    for text in (printed, seen):
        assert {row[0] for row in json.loads(text.splitlines()[-1])} == expected


def test_a_worker_with_other_data_is_told_on_both_sides(tmp_path: Path) -> None:
    port = free_port()
    both = [begin("chief", port, tmp_path), begin("other", port, tmp_path, seed=1)]
    try:
        complaints = [process.communicate(timeout=400)[1] for process in both]
    finally:
        for process in both:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    assert [process.returncode for process in both] == [1, 1]
    assert all("this worker has other data or another split than the chief" in text for text in complaints)


def order(desk: Desk, name: str) -> Any:
    return desk.create_trial(name)


def test_a_worker_begun_anew_gets_its_training_again_and_others_wait() -> None:
    desk = Desk()
    assert order(desk, "a").status == "IDLE"
    desk.lay(task := Task("text"))
    first = order(desk, "a")
    assert (first.status, first.trial_id, first.hyperparameters.values) == (
        "RUNNING", task.number, {KEY: "text"},
    )  # fmt: skip
    assert order(desk, "b").status == "IDLE"
    assert order(desk, "a").trial_id == first.trial_id


def test_a_silent_worker_is_lost_and_a_late_result_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk()
    desk.lay(task := Task("text"))
    trial = order(desk, "a")
    desk.look()
    assert desk.update_trial(trial.trial_id, {"loss": 1.0}, step=3).status == "RUNNING"
    assert [task.events.get() for _ in range(2)] == [("began", "a"), ("epoch", {"loss": 1.0, "epoch": 3})]
    monkeypatch.setattr(chief, "LOST_SECONDS", -1.0)
    desk.look()
    kind, reason = task.events.get()
    assert kind == "lost" and "worker 'a' was lost" in reason
    assert desk.get_trial(trial.trial_id).status == "STOPPED"
    desk.end_trial(trial)
    assert task.events.empty()


def test_a_closed_desk_sends_workers_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chief, "LOST_SECONDS", 0.0)  # nobody is waited for
    desk = Desk()
    desk.lay(Task("text"))
    trial = order(desk, "a")
    desk.close()
    assert desk.get_trial(trial.trial_id).status == order(desk, "a").status == "STOPPED"


def test_an_order_is_read_as_it_was_written(tmp_path: Path) -> None:
    spec = ArchSpec("hypermodel", (8, 8, 1), 10, (), {"units": 4})
    whole = Job(spec, MOMENT, tmp_path / "w.npz", flat_build, cutoffs=(0.5, 0.25), limits=Limits(2.0, 1.5))
    found = Order.read(job_text(whole, "f" * 8))
    assert (found.job.spec, found.job.recipe, found.job.cutoffs) == (spec, MOMENT, (0.5, 0.25))
    assert (found.job.limits, found.wants_weights, found.fingerprint) == (Limits(2.0, 1.5), True, "f" * 8)


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"kind": "done"}', '{"kind": "done", "result": {}}', "null"]
)
def test_a_foreign_answer_is_refused_in_one_line(text: str) -> None:
    for read in (read_end, Order.read):
        with pytest.raises(ConfigError, match=r"a damaged .* was given \(.*run the same script"):
            read(text)
    assert read_end(ended_text("failed", "why")) == ("failed", "why")


def test_an_address_in_use_is_refused() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with (
            pytest.raises(ConfigError, match=f"the chief cannot listen at {address}"),
            ChiefExecutor(Role("chief", address)),
        ):
            pass


def test_what_is_no_plain_training_is_refused(tmp_path: Path) -> None:
    class Other(Job):
        """Something else in the same process."""

    with ChiefExecutor(Role("chief", f"127.0.0.1:{free_port()}")) as executor:
        (place,) = executor.places(load_dataset("digits"), tmp_path / "log", 1)
        with place, pytest.raises(ConfigError, match="trains more than single candidates"):
            place.run(Other(job().spec, MOMENT), lambda entry: None)


def test_half_of_the_variables_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert role_here() is None
    monkeypatch.setenv("KERASTUNER_ORACLE_IP", "127.0.0.1")
    with pytest.raises(ConfigError, match="KERASTUNER_ORACLE_IP is set and KERASTUNER_ORACLE_PORT is not"):
        role_here()
    monkeypatch.setenv("KERASTUNER_ORACLE_PORT", "8000")
    monkeypatch.setenv("KERASTUNER_TUNER_ID", "the-chief-1")
    assert (role := role_here()) is not None and role.is_chief
