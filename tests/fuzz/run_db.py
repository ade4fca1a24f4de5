"""A run's database with all that edgenas writes, and the same with foreign documents in its rows."""

from __future__ import annotations

import io
import json
import sqlite3
import tempfile
from argparse import Namespace
from contextlib import closing, redirect_stdout, suppress
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from edgenas.cli import runs
from edgenas.live.following import Follower
from edgenas.live.standing import standing
from edgenas.report import summarize, write_report
from edgenas.search.calibration import Calibration
from edgenas.store import Store
from edgenas.trainings import TrainingRecord
from tests.fuzz.damaged import VALUES, changed_document, damaged_bytes
from tests.report.made_up import DESCRIPTION, choose_winners, fill
from tests.report.test_trust import PAIRS, SUPERNET, trust_of

DOCUMENTS = {
    "meta": ("value",),
    "trials": ("spec", "cost", "recipe", "result"),
    "winners": ("recipe", "result", "manifest"),
    "trainings": ("recipe", "teachers", "result"),
}
COLUMNS = {
    "trials": ("status", "reason", "started", "finished", "fidelity", "parent", "arch_id"),
    "winners": ("why", "reason"),
    "trainings": ("trial_id", "reason"),
    "refusals": ("number",),
}
_RANKS = {"proxy": 0.5, "macs": None, "params": 0.25}
FACTS: dict[str, Any] = {
    **DESCRIPTION,
    "status": "retraining",
    "own_seconds": 0.5,
    "supernet": {
        **SUPERNET, "frames": [{"frame": {"stages": 2}, "least_macs": 9, "most_macs": 90}], "failed": 0,
        "asked": 10, "anchors": [{"arch": "ab", "loss": 0.5, "macs": 9, "params": 3, "alone": 0.75,
                                  "seconds": 1.5}],
        "scored": "so",
    },
    "trust": trust_of(PAIRS),
    "proxy": {
        "name": "naswot", "scores": {"a": 1.0}, "first": ["a"], "off_after": 12,
        "verdict": {"networks": 12, "kendall": _RANKS, "spearman": _RANKS},
    },
    "inheritance": asdict(Calibration(1.1, 0.9, 1.3, 1.2, 5)),
    "gradient": {"mode": "gumbel", "targets": [{
        "metric": "macs", "target": 1e5, "reached": 9e4, "seconds": 3.5, "outer": {"depth": 2},
        "decisions": [{"name": "b0.kernel", "options": [3, 5], "shares": [0.75, 0.25]}],
        "history": [{"share_of_target": 0.9, "multiplier": 0.1, "entropy": 0.5}], "cut_short": True,
    }]},
    "warm_start": {"run": "runs/a", "space": "micro", "data": "digits", "fingerprint": "ab", "device": "host",
                   "task": "classification", "trials": [[{"width": 8}, 0.25]]},
    "measuring": {
        "device": "This machine", "runtime": "litert", "at": "0000", "waiting": ["0001"], "measured": 1,
        "process": 1,
    },
    "measured": [{
        "trial": "0000", "file": "model.int8.tflite", "sha256": "0" * 64, "device": "host",
        "runtime": "litert", "threads": 1, "latency_ms": 0.5, "low_ms": 0.4, "high_ms": 0.6,
        "median_ms": 0.5, "p90_ms": None,
        "spread": 0.01, "repeats": 40, "statistic": "median", "governor": None, "cpu": "a", "version": "1",
        "seconds_since_1970": 1.8e9, "predicted_ms": 0.5, "predicted_low_ms": 0.4, "predicted_high_ms": None,
    }],
    "gained": {"seeds": 3, "share": 0.75, "needed": 9, "correlation": 0.5},
    "data": {
        **DESCRIPTION["data"], "kind": "audio", "class_counts": {"train": [3] * 10},
        "class_weights": [1.0] * 10, "normalization": {"scale": 0.5, "offset": -1.0}, "features": [],
        "on_disk": True, "skipped": ["a.wav"], "augment": ["shift"], "front_end": {
            "kind": "log-mel", "sample_rate_hz": 16000, "clip_samples": 16000, "window_samples": 480,
            "hop_samples": 320, "mel_bands": 40, "low_hz": 20.0, "high_hz": 8000.0,
        },
    },
}  # fmt: skip


@cache
def whole() -> bytes:
    """The database of a run of seven trials."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "run"
        with Store.create(folder) as store:
            store.set_meta(**FACTS)
            front = fill(store, trials=7)
            choose_winners(store, (front * 3)[:3])
            best = store.trial(front[0])
            seeds = [{"number": 0, "seed": 1, "delivered": True, "val_accuracy": 0.9, "seconds": 2.0}]
            result = {
                **(best.result or {}),
                "seeds": seeds,
                "mean_val_accuracy": 0.9,
                "std_val_accuracy": 0.1,
            }
            store.update_winner(front[0], result=result)
            recipe = {"epochs": 30, "seed": 1, "optimizer": "sgd"}
            planned = [TrainingRecord("0000.final", number, "0000", recipe, ("a",)) for number in range(2)]
            store.trainings.plan(planned)
            store.trainings.end(planned[0], result=result)
        return (folder / "run.db").read_bytes()


@st.composite
def damaged_run(draw: st.DrawFn) -> bytes:
    """The database with one to three foreign documents or columns, seldom with other bytes."""
    if not draw(st.integers(0, 9)):
        return draw(damaged_bytes([whole()]))
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "run.db"
        path.write_bytes(whole())
        with closing(sqlite3.connect(path)) as connection, connection:
            for _ in range(draw(st.integers(1, 3))):
                _change(draw, connection)
        return path.read_bytes()


def _change(draw: st.DrawFn, connection: sqlite3.Connection) -> None:
    of_documents = draw(st.integers(0, 4)) > 0
    tables = DOCUMENTS if of_documents else COLUMNS
    table = draw(st.sampled_from(list(tables)))
    column = draw(st.sampled_from(tables[table]))
    rows = connection.execute(f"SELECT rowid, {column} FROM {table}").fetchall()
    row, text = draw(st.sampled_from(rows))
    if not of_documents:
        value = draw(st.none() | st.integers(-(2**63), 2**63 - 1) | st.floats() | st.text() | st.binary())
    elif not _is_json(text) or not draw(st.integers(0, 9)):
        value = draw(st.text(max_size=5) | VALUES.map(json.dumps) | st.binary(max_size=5) | st.integers(0, 9))
    else:
        value = json.dumps(draw(changed_document({"it": json.loads(text)})).get("it"))
    with suppress(sqlite3.IntegrityError, UnicodeEncodeError):
        connection.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (value, row))


def _is_json(text: Any) -> bool:
    """Not so where there is nothing, or what an earlier change left."""
    try:
        json.loads(text)
    except (TypeError, ValueError):
        return False
    return True


def read_run_database(path: Path) -> None:
    """All that is asked of a run that somebody else gave away: lists, summary, report, the live page."""
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    with Store.read(path.parent) as store:
        summarize(store)
        for trial in store.trials():
            trial.spec.graph()
        for trial in store.outcomes():
            repr(trial.spec)
    write_report(path.parent)
    with Follower(path.parent) as follower:
        follower.refresh()
        json.dumps(standing(follower))
    with redirect_stdout(io.StringIO()):
        runs.show(runs.run(Namespace(folder=path.parent)))
