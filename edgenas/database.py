"""The SQLite file of a run: its tables, made whole or not at all, and refused if it is not ours."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

from edgenas.errors import StoreError
from edgenas.facts import UNREADABLE, unreadable
from edgenas.trainings import TABLE as TRAININGS

SCHEMA_VERSION = 4
DATABASE = "run.db"

_SCHEMA = f"""
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE trials (
    position INTEGER PRIMARY KEY, trial_id TEXT UNIQUE NOT NULL, arch_id TEXT NOT NULL,
    spec TEXT NOT NULL, cost TEXT NOT NULL, status TEXT NOT NULL, reason TEXT,
    recipe TEXT, result TEXT, started REAL NOT NULL, finished REAL, fidelity REAL NOT NULL DEFAULT 1,
    parent TEXT
);
CREATE TABLE refusals (metric TEXT PRIMARY KEY, number INTEGER NOT NULL);
CREATE TABLE winners (
    trial_id TEXT PRIMARY KEY, why TEXT NOT NULL, recipe TEXT, result TEXT, reason TEXT, manifest TEXT
);
{TRAININGS};
"""

_MIGRATIONS = {
    1: "ALTER TABLE trials ADD COLUMN fidelity REAL NOT NULL DEFAULT 1",
    2: TRAININGS,
    3: "ALTER TABLE trials ADD COLUMN parent TEXT",
}
"""What brings a database of a schema to the next one."""

_BEST = """
SELECT MAX(json_extract(result, '$.val_accuracy')) FROM trials
WHERE status = 'completed' AND fidelity = (SELECT MAX(fidelity) FROM trials WHERE status = 'completed')
"""
_COLUMNS = "arch_id, spec, cost, status, reason, recipe, result, started, finished, fidelity, parent"
_KNOWN = """
SELECT 1 FROM trials
WHERE arch_id = ? AND status = ? AND reason IS ? AND recipe IS ? AND result IS ? AND position < ?
"""


@dataclass(frozen=True)
class Tally:
    """A run in figures.

    Attributes:
        counts: Trials by status.
        best_val_accuracy: Of the completed trials of the highest fidelity, or None.
        began: When the first trial began, seconds since 1970, or None.
        last: When the last one began or ended, likewise.
    """

    counts: Mapping[str, int]
    best_val_accuracy: float | None
    began: float | None
    last: float | None


def tally(connection: sqlite3.Connection) -> Tally:
    """The figures of a run."""
    counts = dict(connection.execute("SELECT status, COUNT(*) FROM trials GROUP BY status"))
    best = connection.execute(_BEST).fetchone()[0]
    times = connection.execute("SELECT MIN(started), MAX(COALESCE(finished, started)) FROM trials").fetchone()
    began, last = (time if isinstance(time, float) and isfinite(time) else None for time in times)
    return Tally(counts, best, began, last)


def take_over(connection: sqlite3.Connection, source: sqlite3.Connection) -> dict[str, str]:
    """Append the ended trials of another database, numbered on from here; equal ones are left out.

    Returns:
        The number here of each trial taken over, by its number there.
    """
    begun = position = connection.execute("SELECT COUNT(*) FROM trials").fetchone()[0]
    taken: dict[str, str] = {}
    connection.execute("CREATE INDEX by_arch ON trials (arch_id)")
    ended = f"SELECT trial_id, {_COLUMNS} FROM trials WHERE status != 'running' ORDER BY position"
    for trial_id, *row in source.execute(ended):
        arch_id, _, _, status, reason, recipe, result, *_ = row
        if connection.execute(_KNOWN, (arch_id, status, reason, recipe, result, begun)).fetchone():
            continue
        taken[trial_id] = f"{position:04d}"
        row[-1] = taken.get(row[-1])
        connection.execute(
            f"INSERT INTO trials (position, trial_id, {_COLUMNS}) VALUES ({', '.join('?' * (len(row) + 2))})",
            (position, taken[trial_id], *row),
        )
        position += 1
    connection.execute("DROP INDEX by_arch")
    return taken


def create(folder: Path) -> None:
    """Write a database without trials that is there whole or not at all."""
    temporary = folder / f"{DATABASE}.new"
    temporary.unlink(missing_ok=True)
    with contextlib.closing(sqlite3.connect(temporary)) as connection:
        connection.executescript(_SCHEMA)
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        connection.commit()
    temporary.rename(folder / DATABASE)


def _require(folder: Path) -> None:
    if not (folder / DATABASE).is_file():
        raise StoreError(
            f"{folder} holds no run (no {DATABASE}); expected a folder that 'edgenas search' made"
        )


def connect(folder: Path) -> sqlite3.Connection:
    """Open the database of a run.

    Raises:
        StoreError: There is none, it is no run, or a newer version made it.
        sqlite3.OperationalError: It cannot be opened.
    """
    _require(folder)
    connection = sqlite3.connect(folder / DATABASE, timeout=30, check_same_thread=False)
    try:
        _check(folder, connection)
        connection.execute("PRAGMA journal_mode = WAL")
        _migrate(connection)
    except sqlite3.OperationalError:  # a full disk, or another program has it: the caller says which
        connection.close()
        raise
    except UNREADABLE as error:
        connection.close()
        raise unreadable(folder, error) from None
    except BaseException:
        connection.close()
        raise
    return connection


def _migrate(connection: sqlite3.Connection) -> None:
    """Bring an older schema up to date; what was written stays as it is."""
    if _version(connection) == SCHEMA_VERSION:
        return
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        for version in range(_version(connection), SCHEMA_VERSION):
            connection.execute(_MIGRATIONS[version])
            connection.execute(f"PRAGMA user_version = {version + 1}")


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _check(folder: Path, connection: sqlite3.Connection) -> None:
    try:
        version = _version(connection)
        problem = "it holds no tables of a run" if version < 1 else ""
    except UNREADABLE as error:
        version, problem = 0, str(error)
    if problem:
        raise StoreError(
            f"{folder / DATABASE} is not a run of edgenas ({problem}); restore it from a copy"
        ) from None
    if version > SCHEMA_VERSION:
        raise StoreError(
            f"{folder} was made by a newer version of edgenas (schema {version}, this one reads up to "
            f"{SCHEMA_VERSION}); update edgenas"
        )
