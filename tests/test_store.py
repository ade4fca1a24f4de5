"""A run folder survives kills, full disks and second writers, and stays readable meanwhile and later."""

from __future__ import annotations

import copy
import dataclasses
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgenas.arch.spec import ArchSpec
from edgenas.cost.types import Cost
from edgenas.database import DATABASE, SCHEMA_VERSION
from edgenas.errors import StoreError
from edgenas.records import WinnerRecord
from edgenas.store import Store
from edgenas.testing.searchers import ToySpace, toy_problem

GOLDEN = Path(__file__).parent / "golden" / "run_v1"
SPECS = [spec for spec, _ in zip(ToySpace((16, 16, 1), 4).enumerate(), range(8), strict=False)]
RECIPE = {"epochs": 2, "seed": 7}


def cost_of(spec: ArchSpec) -> Cost:
    return toy_problem().candidate(spec).cost


def result_of(number: int) -> dict[str, object]:
    return {"val_accuracy": 0.5 + number / 100, "epochs": 2, "history": [{"loss": 1.5}]}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.create(tmp_path / "run") as store:
        yield store


def begin(store: Store, number: int) -> None:
    store.begin_trial(f"{number:04d}", SPECS[number], cost_of(SPECS[number]))


class TestRecords:
    def test_trials_come_back_as_they_were_written(self, store: Store) -> None:
        for number in range(3):
            begin(store, number)
        store.finish_trial("0000", RECIPE, result_of(0))
        store.fail_trial("0001", "loss became NaN", RECIPE)
        done, failed, running = store.trials()
        assert (done.spec, done.cost) == (SPECS[0], cost_of(SPECS[0]))
        assert (done.status, done.recipe, done.result) == ("completed", RECIPE, result_of(0))
        assert done.val_error == pytest.approx(0.5)
        assert done.seconds is not None and done.seconds >= 0
        assert (failed.status, failed.reason, failed.val_error) == ("failed", "loss became NaN", None)
        assert (running.status, running.seconds, running.position) == ("running", None, 2)
        assert [store.trial(record.trial_id) for record in store.trials()] == store.trials()

    def test_an_unknown_trial_is_refused(self, store: Store) -> None:
        with pytest.raises(StoreError, match="has no trial '0099'"):
            store.trial("0099")

    def test_one_trial_is_one_row(self, store: Store) -> None:
        begin(store, 0)
        with pytest.raises(sqlite3.IntegrityError):
            begin(store, 0)
        assert len(store.trials()) == 1

    def test_refusals_are_kept_together_with_the_trial_they_led_to(self, store: Store) -> None:
        store.begin_trial("0000", SPECS[0], cost_of(SPECS[0]), {"macs": 3})
        store.begin_trial("0001", SPECS[1], cost_of(SPECS[1]), {"macs": 5, "flash_bytes": 1})
        with pytest.raises(sqlite3.IntegrityError):
            store.begin_trial("0001", SPECS[1], cost_of(SPECS[1]), {"macs": 9})
        assert store.refusals() == {"macs": 5, "flash_bytes": 1}
        store.set_refusals({"macs": 6})
        assert store.refusals() == {"macs": 6, "flash_bytes": 1}

    def test_facts_are_kept_as_json(self, store: Store) -> None:
        store.set_meta(config={"data": "digits", "minutes": None}, seed=3)
        store.set_meta(seed=4)
        assert store.meta("config") == {"data": "digits", "minutes": None}
        assert (store.meta("seed"), store.meta("nothing", 1.5)) == (4, 1.5)

    def test_winners_come_in_the_order_of_trials_and_can_change(self, store: Store) -> None:
        for number in range(3):
            begin(store, number)
        store.save_winner(WinnerRecord("0002", "least MACs"))
        store.save_winner(WinnerRecord("0000", "most accurate"))
        changed = store.update_winner("0002", recipe=RECIPE, result=result_of(2), manifest={"artifacts": []})
        assert store.winners() == [WinnerRecord("0000", "most accurate"), changed]
        assert changed.why == "least MACs"
        with pytest.raises(StoreError, match="'0001' is not on the short list"):
            store.update_winner("0001", reason="gone")


class TestFolders:
    def test_a_folder_with_a_run_is_not_begun_again(self, tmp_path: Path) -> None:
        Store.create(tmp_path).close()
        with pytest.raises(StoreError, match="holds a run already; continue it with 'edgenas resume"):
            Store.create(tmp_path)
        Store.open(tmp_path).close()

    def test_overwriting_leaves_nothing_of_the_old_run(self, tmp_path: Path) -> None:
        with Store.create(tmp_path) as old:
            begin(old, 0)
            for file in (old.weights_path("0000"), tmp_path / "winners" / "0000" / "model.tflite"):
                file.parent.mkdir(parents=True)
                file.write_text("old")
            (tmp_path / "notes.txt").write_text("mine")
        with Store.create(tmp_path, overwrite=True) as new:
            assert new.trials() == []
            assert sorted(path.name for path in tmp_path.iterdir() if not path.name.startswith("run.")) == [
                "notes.txt"
            ]

    def test_a_run_in_use_is_not_overwritten(self, store: Store) -> None:
        begin(store, 0)
        with pytest.raises(StoreError, match="in use"):
            Store.create(store.folder, overwrite=True)
        assert len(store.trials()) == 1

    @pytest.mark.parametrize("way", [Store.open, Store.read])
    def test_a_folder_without_a_run_is_refused(self, way: object, tmp_path: Path) -> None:
        with pytest.raises(StoreError, match=r"holds no run \(no run.db\)"):
            way(tmp_path)  # type: ignore[operator]

    def test_a_database_is_there_whole_or_not_at_all(self, tmp_path: Path) -> None:
        """What a kill in the middle of `create` leaves is no run, and does not hinder the next."""
        (tmp_path / f"{DATABASE}.new").write_bytes(b"SQLite format 3\0 cut off")
        with pytest.raises(StoreError, match="holds no run"):
            Store.open(tmp_path)
        with Store.create(tmp_path) as store:
            assert store.trials() == []
        assert not (tmp_path / f"{DATABASE}.new").exists()

    @pytest.mark.parametrize("content", [b"", b"not a database at all, but rather long text " * 50])
    def test_a_file_that_is_no_run_is_refused(self, content: bytes, tmp_path: Path) -> None:
        (tmp_path / DATABASE).write_bytes(content)
        with pytest.raises(StoreError, match="is not a run of edgenas"):
            Store.open(tmp_path)
        assert (tmp_path / DATABASE).read_bytes() == content

    def test_a_run_of_a_newer_version_is_refused_unchanged(self, tmp_path: Path) -> None:
        Store.create(tmp_path).close()
        with sqlite3.connect(tmp_path / DATABASE) as connection:
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
        connection.close()
        for way in (Store.open, Store.read):
            with pytest.raises(StoreError, match=f"newer version of edgenas .schema {SCHEMA_VERSION + 1}"):
                way(tmp_path)

    def test_a_run_of_the_first_version_stays_readable(self, tmp_path: Path) -> None:
        """The file was written by edgenas 0.1.0; a new schema must go on reading it."""
        shutil.copytree(GOLDEN, tmp_path / "run")
        with Store.open(tmp_path / "run") as store:
            expected = json.loads((GOLDEN / "expected.json").read_text())
            found = [
                [record.trial_id, record.spec.arch_id, record.cost.macs, record.status, record.reason,
                 record.val_error]
                for record in store.trials()
            ]  # fmt: skip
            assert found == expected["trials"]
            assert store.refusals() == expected["refusals"]
            assert [[w.trial_id, w.why, w.reason, w.manifest] for w in store.winners()] == expected["winners"]
            assert store.meta("config") == expected["config"]
            store.begin_trial("0099", SPECS[5], cost_of(SPECS[5]))


class TestReadersAndWriters:
    def test_a_second_writer_is_refused_and_told_who_writes(self, store: Store) -> None:
        script = "import sys, pathlib, edgenas.store as store; store.Store.open(pathlib.Path(sys.argv[1]))"
        second = subprocess.run(
            [sys.executable, "-c", script, str(store.folder)], capture_output=True, text=True, check=False
        )
        assert second.returncode == 1
        assert f"is in use by process {os.getpid()}; wait for it" in second.stderr

    def test_a_second_writer_in_the_same_process_is_told_so(self, store: Store) -> None:
        with pytest.raises(StoreError, match=r"this one; close the store or tuner that has it"):
            Store.open(store.folder)

    def test_the_next_writer_comes_in_after_close(self, store: Store) -> None:
        begin(store, 0)
        store.close()
        with Store.open(store.folder) as next_one:
            next_one.finish_trial("0000", RECIPE, result_of(0))
            assert next_one.trials()[0].status == "completed"

    def test_a_released_store_reads_on_and_can_write_again(self, store: Store) -> None:
        begin(store, 0)
        store.release()
        with Store.open(store.folder) as other:
            begin(other, 1)
            assert len(store.trials()) == 2
            with pytest.raises(StoreError, match="cannot be written"):
                begin(store, 2)
            with pytest.raises(StoreError, match="in use"):
                store.acquire()
        store.acquire()
        begin(store, 2)
        assert len(store.trials()) == 3

    def test_a_reader_cannot_write(self, store: Store) -> None:
        with Store.read(store.folder) as reader, pytest.raises(StoreError, match="readonly"):
            begin(reader, 0)
        assert store.trials() == []

    def test_a_reader_sees_whole_trials_while_they_are_written(self, store: Store) -> None:
        """Each look shows finished trials without holes, never half of a transaction."""
        stop, looks = threading.Event(), list[int]()

        def look() -> None:
            while not stop.is_set():
                with Store.read(store.folder) as reader:
                    looks.append(len(reader.trials()))
                    assert sum(reader.refusals().values()) >= looks[-1]

        thread = threading.Thread(target=look)
        thread.start()
        for number in range(200):
            spec = SPECS[number % len(SPECS)]
            store.begin_trial(f"{number:04d}", spec, cost_of(spec), {"macs": number + 1})
        stop.set()
        thread.join()
        assert looks == sorted(looks)
        assert len(set(looks)) > 2


WRITER = """
import sys
from pathlib import Path
from edgenas.store import Store
sys.path.insert(0, sys.argv[2])
from test_store import RECIPE, SPECS, cost_of, result_of
with Store.create(Path(sys.argv[1])) as store:
    for number in range(100_000):
        spec = SPECS[number % len(SPECS)]
        store.begin_trial(f"{number:04d}", spec, cost_of(spec), {"macs": number})
        store.finish_trial(f"{number:04d}", RECIPE, result_of(number))
        print(number, flush=True)
"""


def test_a_kill_loses_no_finished_trial_and_frees_the_folder(tmp_path: Path) -> None:
    """Four kills at different moments of real writing, each with SIGKILL."""
    for kill_after in (1, 2, 9, 40):
        folder = tmp_path / str(kill_after)
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(folder), str(Path(__file__).parent)], stdout=subprocess.PIPE
        )
        assert writer.stdout is not None
        for _ in range(kill_after):
            finished = int(writer.stdout.readline())
        writer.send_signal(signal.SIGKILL)
        finished = int((writer.stdout.read().split() or [finished])[-1])
        writer.wait()
        writer.stdout.close()
        with Store.open(folder) as store:
            trials = store.trials()
            assert [record.status for record in trials[: finished + 1]] == ["completed"] * (finished + 1)
            assert trials[finished].result == result_of(finished)
            assert len(trials) <= finished + 3
            assert store.refusals()["macs"] == len(trials) - 1


SMALL_DISK = "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (300_000, -1))\n"


def test_a_full_disk_is_an_error_with_a_way_out_and_loses_nothing(tmp_path: Path) -> None:
    """The files may not grow beyond 300 kB; the run goes on when there is room again."""
    folder = tmp_path / "run"
    done = subprocess.run(
        [sys.executable, "-c", SMALL_DISK + WRITER, str(folder), str(Path(__file__).parent)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    finished = [int(line) for line in done.stdout.split()]
    assert done.returncode == 1
    last_line = done.stderr.strip().splitlines()[-1]
    assert "StoreError" in last_line and "free space or fix the folder, then run 'edgenas resume" in last_line
    with Store.open(folder) as store:
        completed = [record for record in store.trials() if record.status == "completed"]
        assert len(completed) == len(finished) > 5
        number = len(store.trials())
        store.begin_trial(f"{number:04d}", SPECS[0], cost_of(SPECS[0]))


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(StoreError, match="cannot be written: Not a directory"):
        Store.create(tmp_path / "file" / "run")


def test_a_short_list_is_saved_whole_or_not_at_all(tmp_path: Path) -> None:
    with Store.create(tmp_path / "run") as store:
        good = WinnerRecord("0000", "most accurate of all candidates in the search")
        bad = WinnerRecord("0001", None)  # the second of two rows fails
        with pytest.raises(sqlite3.IntegrityError):
            store.save_winners([good, bad])
        assert store.winners() == []


def test_a_run_of_the_first_schema_is_brought_up_to_date_and_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(Path(__file__).parent / "golden" / "run_v1", folder)
    before = Store.read(folder).trials()
    with Store.open(folder) as store:
        assert [trial.fidelity for trial in store.trials()] == [1.0] * len(before)
        store.begin_trial("0900", before[0].spec, before[0].cost, fidelity=0.5)
    assert Store.read(folder).trial("0900").fidelity == 0.5


def test_outcomes_are_the_trials_without_what_is_long(store: Store) -> None:
    for number in range(3):
        begin(store, number)
    store.finish_trial("0000", RECIPE, result_of(0))
    store.stop_trial("0001", "no hope", RECIPE, result_of(1))
    for brief, whole in zip(store.outcomes(), store.trials(), strict=True):
        assert brief.spec.arch_id == whole.spec.arch_id
        assert copy.deepcopy(brief.spec) == whole.spec == brief.spec
        assert repr(brief.spec) == repr(whole.spec)
        assert (brief.status, brief.reason, brief.val_error) == (whole.status, whole.reason, whole.val_error)
        assert brief.cost == dataclasses.replace(whole.cost, per_op=())
        assert "history" not in (brief.result or {})
    assert store.outcomes()[1].recipe == RECIPE
    assert store.count() == 3 and store.tally().counts == {"completed": 1, "running": 1, "stopped": 1}


def test_a_reader_never_blocks_the_writer(store: Store) -> None:
    """A reader in the middle of a look, and the writer does not wait for it."""
    for number in range(4):
        begin(store, number)
    with Store.read(store.folder) as reader:
        rows = reader._connection.execute("SELECT trial_id FROM trials")
        assert rows.fetchone() == ("0000",)
        started = time.monotonic()
        for number in range(4):
            store.finish_trial(f"{number:04d}", RECIPE, result_of(number))
        begin(store, 4)
        assert time.monotonic() - started < 20  # a blocked writer waits for 30 s, then fails
        assert len(rows.fetchall()) == 3  # and the reader goes on with what it saw
        assert reader.count() == 5
