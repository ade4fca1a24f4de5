"""The long trainings that a run remembers: each seed of each network, planned, ended or failed."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edgenas.facts import TRAINING, check, readable, stored

TABLE = """
CREATE TABLE trainings (
    name TEXT NOT NULL, number INTEGER NOT NULL, trial_id TEXT NOT NULL, recipe TEXT NOT NULL,
    teachers TEXT NOT NULL, result TEXT, reason TEXT, PRIMARY KEY (name, number)
)
"""

_SELECT = "SELECT name, number, trial_id, recipe, teachers, result, reason FROM trainings"


@dataclass(frozen=True)
class TrainingRecord:
    """One long training of a trial with one seed.

    Attributes:
        name: Names the trainings that differ in nothing but the seed, for example ``0007.final``.
        number: Which of them, from 0.
        trial_id: The trial whose network is trained.
        recipe: `edgenas.train.recipe.Recipe` as a document; it was settled before the training began, so
            that one that is cut off goes on with it.
        teachers: What it learns from besides its labels, as people call it.
        result: `edgenas.train.trainer.TrainResult` as a document, or None so far.
        reason: Why it failed, or None.
    """

    name: str
    number: int
    trial_id: str
    recipe: Mapping[str, Any]
    teachers: tuple[str, ...] = ()
    result: Mapping[str, Any] | None = None
    reason: str | None = None

    @property
    def ended(self) -> bool:
        """Whether it succeeded or failed."""
        return self.result is not None or self.reason is not None

    @property
    def weights_name(self) -> str:
        """Names its files among the weights of the run."""
        return f"{self.name}.{self.number}"


class Trainings:
    """The table of long trainings; `edgenas.store.Store.trainings` makes one.

    Args:
        folder: Of the run.
        connection: To read.
        write: Opens a transaction, and turns errors of the disk into a StoreError.
    """

    def __init__(
        self,
        folder: Path,
        connection: sqlite3.Connection,
        write: Callable[[], AbstractContextManager[sqlite3.Connection]],
    ) -> None:
        self._folder, self._connection, self._write = folder, connection, write

    def all(self) -> list[TrainingRecord]:
        """All of them, by name and number."""
        return self._records(f"{_SELECT} ORDER BY name, number")

    def named(self, name: str) -> list[TrainingRecord]:
        """Those of one name, by number."""
        return self._records(f"{_SELECT} WHERE name = ? ORDER BY number", name)

    def _records(self, question: str, *values: str) -> list[TrainingRecord]:
        with readable(self._folder):
            rows = self._connection.execute(question, values).fetchall()
        return [_record(self._folder, row) for row in rows]

    def plan(self, planned: Sequence[TrainingRecord]) -> None:
        """Note what is to be trained: all of it or nothing; what is known already stays as it is."""
        with self._write() as connection:
            connection.executemany(
                "INSERT OR IGNORE INTO trainings (name, number, trial_id, recipe, teachers)"
                " VALUES (?, ?, ?, ?, ?)",
                [
                    (
                        one.name,
                        one.number,
                        one.trial_id,
                        json.dumps(dict(one.recipe)),
                        json.dumps(one.teachers),
                    )
                    for one in planned
                ],
            )

    def end(
        self, record: TrainingRecord, *, result: Mapping[str, Any] | None = None, reason: str | None = None
    ) -> None:
        """Note how one went: its result, or why it failed."""
        document = None if result is None else json.dumps(dict(result))
        with self._write() as connection:
            connection.execute(
                "UPDATE trainings SET result = ?, reason = ? WHERE name = ? AND number = ?",
                (document, reason, record.name, record.number),
            )


def _record(folder: Path, row: Sequence[Any]) -> TrainingRecord:
    name, number, trial_id, recipe, teachers, result, reason = row
    key = f"{name}.{number}"
    with stored(folder, "trainings", key):
        found = TrainingRecord(
            name, number, trial_id, json.loads(recipe), json.loads(teachers),
            json.loads(result) if result else None, reason,
        )  # fmt: skip
    check(folder, "trainings", key, vars(found), TRAINING)
    return replace(found, teachers=tuple(found.teachers))
