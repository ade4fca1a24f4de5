"""The SQLite file of a run: its tables, made whole or not at all, and refused if it is not ours."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

from edgenas.errors import StoreError
from edgenas.trainings import TABLE as TRAININGS

SCHEMA_VERSION = 3
DATABASE = "run.db"

_SCHEMA = f"""
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE trials (
    position INTEGER PRIMARY KEY, trial_id TEXT UNIQUE NOT NULL, arch_id TEXT NOT NULL,
    spec TEXT NOT NULL, cost TEXT NOT NULL, status TEXT NOT NULL, reason TEXT,
    recipe TEXT, result TEXT, started REAL NOT NULL, finished REAL, fidelity REAL NOT NULL DEFAULT 1
);
CREATE TABLE refusals (metric TEXT PRIMARY KEY, number INTEGER NOT NULL);
CREATE TABLE winners (
    trial_id TEXT PRIMARY KEY, why TEXT NOT NULL, recipe TEXT, result TEXT, reason TEXT, manifest TEXT
);
{TRAININGS};
"""

_MIGRATIONS = {1: "ALTER TABLE trials ADD COLUMN fidelity REAL NOT NULL DEFAULT 1", 2: TRAININGS}
"""What brings a database of a schema to the next one."""


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
    except sqlite3.DatabaseError as error:
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
