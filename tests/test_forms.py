"""Forms of stored documents, and the one line that a foreign row of a run's database ends in."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from edgenas.errors import StoreError
from edgenas.forms import Such, fault
from edgenas.report import write_report
from edgenas.report.guidance import calibration_of
from edgenas.report.run import read_run
from edgenas.search.calibration import Calibration
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
        (
            """UPDATE meta SET value = '["val_error", "val_error"]' WHERE key = 'objectives'""",
            "'meta', row 'objectives'",
        ),
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


def test_what_is_made_of_a_foreign_run_has_no_holes(tmp_path: Path) -> None:
    """Facts that have the right form, yet not the sizes that edgenas would write."""
    data = {**DESCRIPTION["data"], "class_names": ["a"], "class_weights": [1.0, 2.0, 3.0]}
    inheritance = {"ratio": 0.9, "low": 0.8, "high": 1.0, "spread": 1.1, "pairs": 4, "other": 1}
    folder = tmp_path / "run"
    with Store.create(folder) as store:
        store.set_meta(status="done", **{**DESCRIPTION, "data": data}, inheritance=inheritance)
        fill(store, trials=3)
    with closing(sqlite3.connect(folder / "run.db")) as connection, connection:
        cost = json.loads(connection.execute("SELECT cost FROM trials WHERE position = 1").fetchone()[0])
        cost["per_op"] = cost["per_op"][:1]
        connection.execute("UPDATE trials SET cost = ?", (json.dumps(cost),))
        connection.execute("UPDATE meta SET value = '1e999' WHERE key = 'elapsed_seconds'")
    assert "class weights" not in write_report(folder).read_text(encoding="utf-8")
    with Store.read(folder) as store:
        assert calibration_of(read_run(store)) == Calibration(0.9, 0.8, 1.0, 1.1, 4)


def test_a_gain_lacks_no_part(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with Store.create(folder) as store:
        store.set_meta(gained={"seeds": 2, "share": 0.5, "needed": None, "correlation": None})
    with Store.read(folder) as store, pytest.raises(StoreError, match="row 'gained'"):
        store.meta("gained")


def test_a_damaged_name_of_a_table_is_said_in_one_line(tmp_path: Path) -> None:
    """SQLite names it in its message, whose bytes then are no text."""
    folder = tmp_path / "run"
    with Store.create(folder):
        pass
    path = folder / "run.db"
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"tabletrialstrials", b"table\xddrialstrials"))
    with pytest.raises(StoreError, match=r"run\.db"), Store.read(folder) as store:
        store.outcomes()


def test_a_command_on_a_foreign_run_ends_in_one_line(edgenas: Any, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with Store.create(folder) as store:
        store.set_meta(status="done", **{**DESCRIPTION, "constraints": [{"metric": "macs", "limit": "much"}]})
    told = edgenas("report", folder)
    assert told.returncode == 2 and len(told.stderr.splitlines()) == 1
    assert "table 'meta', row 'constraints'" in told.stderr and "[0].limit is 'much'" in told.stderr
