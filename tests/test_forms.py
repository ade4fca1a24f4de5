"""Forms of stored documents, and the one line that a foreign row of a run's database ends in."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from edgenas.errors import StoreError
from edgenas.forms import Such, fault
from edgenas.store import Store
from tests.report.made_up import DESCRIPTION, fill

FORM = {
    "limit": float, "note?": (str, None), "mean_*": float, "kind?": frozenset({"a", "b"}),
    "parts?": [Such({str: int}, len, "one or more")],
}  # fmt: skip


@pytest.mark.parametrize(
    ("document", "wrong"),
    [
        ({"limit": 1, "note": None, "mean_x": 0.5, "kind": "a", "parts": [{"x": 1}], "more": []}, None),
        ({}, "it lacks 'limit'"),
        ([], "it is []; expected a document"),
        ({"limit": True}, "limit is True; expected a number"),
        ({"limit": 2**63}, f"limit is {2**63}; expected a number"),
        ({"limit": 1, "note": 3}, "note is 3; expected a text"),
        ({"limit": 1, "mean_x": None}, "mean_x is None; expected a number"),
        ({"limit": 1, "kind": "c"}, "kind is 'c'; expected one of a, b"),
        ({"limit": 1, "parts": [{"x": 1}, {"x": "1"}]}, "parts[1].x is '1'; expected a whole number"),
        ({"limit": 1, "parts": [{}]}, "parts[0] is {}; expected one or more"),
    ],
)
def test_what_is_wrong_is_named_by_its_place(document: Any, wrong: str | None) -> None:
    assert fault(document, FORM) == wrong
    assert fault(document, FORM) == wrong  # also of names and types that were seen before


def test_a_document_like_a_sound_one_is_looked_at_all_the_same() -> None:
    assert fault({"limit": 1, "kind": "a", "parts": [{"x": 1}]}, FORM) is None
    assert fault({"limit": 1, "kind": "z", "parts": [{"x": 1}]}, FORM) is not None
    assert fault({"limit": 1, "kind": "a", "parts": [{"x": None}]}, FORM) is not None
    assert fault({"limit": 2**70, "kind": "a", "parts": [{"x": 1}]}, FORM) is not None


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ('UPDATE trials SET result = \'{"val_accuracy": "x"}\' WHERE position = 1', "'trials', row '0001'"),
        ("UPDATE trials SET cost = '[' WHERE position = 1", "'trials', row '0001'"),
        ("UPDATE trials SET status = 'gone' WHERE position = 1", "'trials', row '0001'"),
        ("UPDATE trials SET spec = '{}' WHERE position = 1", "'trials', row '0001'"),
        ("UPDATE meta SET value = '[]' WHERE key = 'data'", "'meta', row 'data'"),
        ("UPDATE meta SET value = 'x' WHERE key = 'objectives'", "'meta', row 'objectives'"),
        ("UPDATE refusals SET number = 'x'", "'refusals', row 'peak_ram_bytes'"),
        ("INSERT INTO winners VALUES ('0000', 'why', '[]', NULL, NULL, NULL)", "'winners', row '0000'"),
        (
            "INSERT INTO trainings VALUES ('0000.final', 1, '0000', '{}', '[]', NULL, NULL)",
            "'trainings', row '0000.final.1'",
        ),
    ],
)
def test_a_foreign_row_is_named(change: str, place: str, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with Store.create(folder) as store:
        store.set_meta(status="searching", **DESCRIPTION)
        fill(store, trials=3)
    with closing(sqlite3.connect(folder / "run.db")) as connection, connection:
        connection.execute(change)
    with Store.read(folder) as store, pytest.raises(StoreError) as raised:
        for trial in store.outcomes():
            trial.spec.graph()
        _ = store.meta("data"), store.meta("objectives"), store.refusals(), store.winners()
        _ = store.trainings.all()
    assert f"{folder / 'run.db'} holds in table {place}, what edgenas does not write: " in str(raised.value)


def test_a_command_on_a_foreign_run_ends_in_one_line(edgenas: Any, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with Store.create(folder) as store:
        store.set_meta(status="done", **{**DESCRIPTION, "constraints": [{"metric": "macs", "limit": "much"}]})
    told = edgenas("report", folder)
    assert told.returncode == 2 and len(told.stderr.splitlines()) == 1
    assert "table 'meta', row 'constraints'" in told.stderr and "[0].limit is 'much'" in told.stderr
