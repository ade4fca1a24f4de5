"""Runs of the same problem are joined with their origins; others are refused. `edgenas runs` lists them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edgenas.errors import StoreError
from edgenas.lock import FolderLock
from edgenas.merging import merge
from edgenas.store import Store
from edgenas.testing.searchers import ToySpace, toy_problem

SPECS = [spec for spec, _ in zip(ToySpace((16, 16, 1), 4).enumerate(), range(6), strict=False)]


def make_run(folder: Path, numbers: range, **facts: Any) -> Path:
    """A run of some networks; the last one is cut off."""
    with Store.create(folder) as store:
        store.set_meta(
            **{
                "space": "toy",
                "objectives": ["val_error", "macs"],
                "seed": 0,
                "elapsed_seconds": 5.0,
                **facts,
            }
        )
        store.set_refusals({"macs": 2})
        for position, number in enumerate(numbers):
            spec = SPECS[number]
            cost = toy_problem().candidate(spec).cost
            store.begin_trial(f"{position:04d}", spec, cost)
            if number != numbers[-1]:
                store.finish_trial(f"{position:04d}", {"epochs": 1}, {"val_accuracy": 0.5 + number / 100})
                store.weights_path(f"{position:04d}").parent.mkdir(exist_ok=True)
                store.weights_path(f"{position:04d}").write_text(f"weights of {number}")
    return folder


def test_trials_are_numbered_anew_and_know_where_they_came_from(tmp_path: Path) -> None:
    one, two = make_run(tmp_path / "one", range(3)), make_run(tmp_path / "two", range(1, 6))
    origins = merge([one, two], tmp_path / "both")
    assert origins[0]["trials"] == {"0000": "0000", "0001": "0001"}
    assert origins[1]["trials"] == {"0001": "0002", "0002": "0003", "0003": "0004"}  # its first is known
    with Store.open(tmp_path / "both") as store, Store.read(two) as source:
        trials = store.trials()
        assert [trial.spec for trial in trials] == SPECS[:5]
        assert [trial.position for trial in trials] == list(range(5))
        assert trials[4].cost == source.trial("0003").cost
        assert store.weights_path("0004").read_text() == "weights of 4"
        assert store.meta("origins") == origins
        assert store.refusals() == {"macs": 4}
        assert store.meta("elapsed_seconds") == 10.0


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"data": {"name": "digits", "fingerprint": "f"}}, r"another data than .*split by another --seed"),
        ({"objectives": ["val_error", "flash_bytes"]}, "another objectives than"),
        ({"constraints": [{"metric": "macs", "limit": 5}]}, "another constraints than"),
        ({"device": {"id": "host"}}, "another device than"),
    ],
)
def test_runs_of_different_problems_are_refused(tmp_path: Path, facts: Any, message: str) -> None:
    one, two = make_run(tmp_path / "one", range(3)), make_run(tmp_path / "two", range(3), **facts)
    with pytest.raises(StoreError, match=message):
        merge([one, two], tmp_path / "both")
    assert not (tmp_path / "both").exists()


def test_a_run_is_not_merged_with_itself_nor_into_another(tmp_path: Path) -> None:
    one, two = make_run(tmp_path / "one", range(3)), make_run(tmp_path / "two", range(3))
    with pytest.raises(StoreError, match="expected two or more different ones"):
        merge([one, one], tmp_path / "both")
    with pytest.raises(StoreError, match="holds a run already"):
        merge([one, two], one)


def test_the_commands_list_and_join(edgenas: Any, tmp_path: Path) -> None:
    one = make_run(tmp_path / "one", range(3), status="searching", data={"name": "digits"})
    make_run(tmp_path / "two", range(1, 6), status="done", data={"name": "digits"})
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "run.db").write_text("no database")
    lock = FolderLock.acquire(one)
    listed = {
        Path(entry["run"]).name: entry
        for entry in json.loads(edgenas("runs", tmp_path, "--json").stdout)["runs"]
    }
    lock.release()
    assert {name: entry["status"] for name, entry in listed.items()} == {
        "one": "searching", "two": "done", "broken": "unreadable",
    }  # fmt: skip
    assert listed["two"]["trials"] == {"completed": 4, "running": 1}
    assert listed["two"]["best_val_accuracy"] == pytest.approx(0.54)
    printed = edgenas("runs", tmp_path).stdout
    assert (
        "stopped while searching" in printed and "54.0 %" in printed and "is not a run of edgenas" in printed
    )
    joined = edgenas("merge", one, tmp_path / "two", "--out", tmp_path / "both")
    assert joined.returncode == 0, joined.stderr
    assert "3 trials (0002 to 0004)" in joined.stdout
    assert (tmp_path / "both" / "report.html").exists()
    missing = edgenas("runs", tmp_path / "nowhere")
    assert missing.returncode == 2 and "there is no folder" in missing.stderr
