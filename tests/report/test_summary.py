"""The run as a document: the names that scripts rely on, and the store's values."""

from __future__ import annotations

import json

import pytest

from edgenas.report import summarize
from edgenas.report.intervals import wilson
from edgenas.store import Store
from tests.report.made_up import DESCRIPTION

FIELDS = [
    "run", "status", "data", "space", "device", "objectives", "budgets", "trials", "front", "winners",
    "dropped", "rank_correlation", "judged", "trust", "trainings", "savings", "proxy", "inheritance",
    "refusals", "failures", "versions", "seed", "seconds", "task", "metric",
]  # fmt: skip

WINNER_FIELDS = {
    "trial", "arch_id", "best", "why", "search_val_accuracy", "float_val_accuracy", "int8_val_accuracy",
    "int8_test_accuracy", "int8_test_interval", "measured_arena_bytes", "measured", "cost",
    "choices", "folder", "files",
    "scheme", "schemes", "sensitivity",
    "seeds", "mean_val_accuracy", "std_val_accuracy", "mean_test_accuracy", "std_test_accuracy",
    "lead_within_spread",
}  # fmt: skip


def test_the_fields_keep_their_names(finished: Store) -> None:
    document = summarize(finished)
    assert list(document) == FIELDS
    assert set(document["winners"][0]) == WINNER_FIELDS
    assert set(document["front"][0]) == {"trial", "arch_id", "val_accuracy", "cost"}
    assert {"file", "format", "precision", "bytes", "sha256", "parity", "accuracy"} <= set(
        document["winners"][0]["files"][0]
    )


def test_it_is_plain_json(finished: Store) -> None:
    document = summarize(finished)
    assert json.loads(json.dumps(document, allow_nan=False)) == document


def test_its_values_are_the_stores(finished: Store) -> None:
    document = summarize(finished)
    assert document["run"] == str(finished.folder)
    for name in ("data", "space", "device", "versions", "seed", "objectives"):
        assert document[name] == DESCRIPTION[name]
    assert document["budgets"] == [{"metric": "peak_ram_bytes", "limit": 64 * 1024}]
    assert document["trials"] == {
        "completed": 28, "full": 28, "stopped": 0, "failed": 1, "running": 1, "refused": 143
    }  # fmt: skip
    assert [failure["trial"] for failure in document["failures"]] == ["0004"]
    assert {entry["trial"] for entry in document["dropped"]} == {
        winner.trial_id for winner in finished.winners() if winner.reason
    }
    for entry in document["front"]:
        trial = finished.trial(entry["trial"])
        assert entry["val_accuracy"] == 1 - (trial.val_error or 0.0)
        assert entry["cost"] == trial.cost.to_json()


def test_winners_have_their_accuracies_files_and_interval(finished: Store) -> None:
    winners = summarize(finished)["winners"]
    assert sum(winner["best"] for winner in winners) == 1
    assert [w["cost"]["macs"] for w in winners] == sorted(w["cost"]["macs"] for w in winners)
    notes = {note.trial_id: note for note in finished.winners()}
    for winner in winners:
        note = notes[winner["trial"]]
        assert note.manifest and note.result
        assert winner["files"] == note.manifest["artifacts"]
        assert winner["float_val_accuracy"] == note.result["val_accuracy"]
        assert winner["int8_test_interval"] == pytest.approx(wilson(winner["int8_test_accuracy"], 270))
        assert winner["measured_arena_bytes"] == note.manifest["tflite_micro"]["arena_bytes"]


def test_a_run_of_which_nothing_is_known_has_the_same_fields(new: Store) -> None:
    document = summarize(new)
    assert list(document) == FIELDS
    assert document["status"] == "unknown"
    assert document["front"] == document["winners"] == document["failures"] == []
    assert document["trials"] == dict.fromkeys(
        ("completed", "full", "stopped", "failed", "running", "refused"), 0
    )
    assert document["data"] is document["seed"] is document["seconds"] is None


def test_winners_not_exported_yet_have_no_test_accuracy(finished: Store) -> None:
    for winner in finished.winners():
        finished.update_winner(winner.trial_id, manifest=None)
    for entry in summarize(finished)["winners"]:
        assert entry["files"] == []
        assert entry["int8_test_accuracy"] is entry["int8_test_interval"] is None
        assert entry["float_val_accuracy"] is not None
