"""Follow the database of a run: each look reads only what is new since the last one.

A run of 100,000 trials holds a gigabyte of JSON, most of it learning curves. A live view needs a few
numbers of each trial, so SQLite picks them out of the JSON and they are kept in arrays; the front is
brought up to date with the new points alone, as what once was dominated stays so.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgenas import database
from edgenas.facts import check, fact, readable, stored
from edgenas.records import WinnerRecord
from edgenas.rows import winner_record
from edgenas.search.objective import COST_METRICS, VAL_ERROR
from edgenas.search.pareto import front_mask
from edgenas.store import storage_errors
from edgenas.task import CLASSIFICATION, Task, task_from

BATCH = 500
"""Trials that are read at once."""

META_KEYS = ("status", "config", "data", "objectives", "constraints", "space", "device", "elapsed_seconds",
             "supernet", "search", "seed", "measuring",
             "measured")  # fmt: skip

_STATUSES = ("running", "completed", "failed", "stopped", "given")
RUNNING, COMPLETED = 0, 1

_SELECT = """
SELECT position, trial_id, status, reason, fidelity, started, finished,
    json_extract(cost, '$.latency_ms'), json_extract(cost, '$.peak_ram_bytes'),
    json_extract(cost, '$.flash_bytes'), json_extract(cost, '$.macs'), json_extract(cost, '$.params'),
    json_extract(result, '$.val_accuracy'), json_extract(result, '$.val_error'),
    json_extract(result, '$.metrics.' || ?)
FROM trials
"""


@dataclass(frozen=True)
class Point:
    """A trained candidate in a chart; the charts of the report need no more of it."""

    trial_id: str


class Trials:
    """The figures of all trials so far, one row each in the order of their beginning.

    Attributes:
        ids: Trial ids.
        reasons: Why a trial failed or was stopped, by row.
        status: Position in ``running, completed, failed, stopped, given``, int8 (n,).
        fidelity: Share of a full training, float (n,).
        times: Start and end in seconds since 1970, float (n, 2); NaN where not ended.
        costs: In the order of `COST_METRICS`, float (n, 5); NaN where not known.
        error: Validation error, float (n,); NaN where there is none.
        figure: The task's figure, float (n,); NaN where there is none.
    """

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.reasons: dict[int, str] = {}
        self._rows: dict[int, int] = {}
        self._room = np.full((1024, 11), np.nan)

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, task: Task, row: Sequence[Any]) -> int:
        """Add or change the trial of one row of the database; returns its row here."""
        position, trial_id, status, reason, fidelity, started, finished, *rest = row
        place = self._rows.get(position)
        if place is None:
            place = self._rows[position] = len(self.ids)
            self.ids.append(trial_id)
            if place == len(self._room):
                self._room = np.vstack([self._room, np.full_like(self._room, np.nan)])
        costs, accuracy, error, figure = rest[:5], rest[5], rest[6], rest[7]
        if accuracy is not None:
            error = 1.0 - accuracy
        if task == CLASSIFICATION:
            figure = accuracy
        values = [_STATUSES.index(status), fidelity, started, finished, *costs, error, figure]
        self._room[place] = [np.nan if value is None else value for value in values]
        if reason is not None:
            self.reasons[place] = reason
        return place

    @property
    def status(self) -> np.ndarray:
        """See the class."""
        return self._room[: len(self), 0]

    @property
    def fidelity(self) -> np.ndarray:
        """See the class."""
        return self._room[: len(self), 1]

    @property
    def times(self) -> np.ndarray:
        """See the class."""
        return self._room[: len(self), 2:4]

    @property
    def costs(self) -> np.ndarray:
        """See the class."""
        return self._room[: len(self), 4:9]

    @property
    def error(self) -> np.ndarray:
        """See the class."""
        return self._room[: len(self), 9]

    @property
    def figure(self) -> np.ndarray:
        """See the class."""
        return self._room[: len(self), 10]

    def of_status(self, name: str) -> np.ndarray:
        """Rows of the trials of a status."""
        return np.flatnonzero(self.status == _STATUSES.index(name))

    def status_of(self, row: int) -> str:
        """The status of one trial as a word."""
        return _STATUSES[int(self.status[row])]


class Follower:
    """A run as it is at the last `refresh`. Reads only; close it, or use it as a context manager.

    Args:
        folder: Of the run.

    Attributes:
        trials: Figures of all trials.
        meta: Facts about the run, None where not known.
        refusals: Candidates refused before training, by budget.
        winners: The short list.
        final: Planned, ended and failed final trainings.
        version: Grows whenever trials, winners or status have changed.
        complete: Whether everything that the database holds was read.

    Raises:
        StoreError: There is no run, or a newer version made it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.version = 0
        self._open()

    def _open(self) -> None:
        with storage_errors(self.folder):
            self._connection = database.connect(self.folder)
        self._connection.execute("PRAGMA query_only = 1")
        self._file = _identity(self.folder)
        self.trials = Trials()
        self.meta: dict[str, Any] = dict.fromkeys(META_KEYS)
        self.refusals: dict[str, int] = {}
        self.winners: list[WinnerRecord] = []
        self.final = (0, 0, 0)
        self.complete = False
        self._seen: int | None = None
        self._last = -1
        self._open_positions: set[int] = set()
        self._fronts: dict[tuple[str, ...], np.ndarray] = {}
        self._counted: dict[tuple[str, ...], int] = {}
        self._done: list[int] = []
        self._fidelity = 0.0
        self._trained = np.zeros(0, dtype=int)

    def __enter__(self) -> Follower:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the database."""
        self._connection.close()

    @property
    def task(self) -> Task:
        """What the networks are for."""
        return task_from((self.meta["data"] or {}).get("task"))

    @property
    def objectives(self) -> tuple[str, ...]:
        """What is minimized, the validation error first."""
        return tuple(self.meta["objectives"] or (VAL_ERROR, "macs"))

    def refresh(self, seconds: float | None = None) -> bool:
        """Read what is new.

        Args:
            seconds: After so many the rest is left for the next look; None for no limit.

        Returns:
            Whether anything has changed.
        """
        if _identity(self.folder) not in (None, self._file):  # another run took the folder
            self.close()
            self._open()
        with storage_errors(self.folder):
            seen = int(self._connection.execute("PRAGMA data_version").fetchone()[0])
            if seen == self._seen and self.complete:
                return False
            self._connection.execute("BEGIN")
            try:
                with readable(self.folder):
                    self._read(None if seconds is None else time.monotonic() + seconds)
            finally:
                self._connection.execute("ROLLBACK")
        self._seen = seen
        return True

    def _read(self, end: float | None) -> None:
        before = self._stage()
        self._read_facts()
        changed = self._read_ended()
        self.complete = False
        while not self.complete and (end is None or time.monotonic() < end):
            rows = self._connection.execute(
                f"{_SELECT} WHERE position > ? ORDER BY position LIMIT {BATCH}",
                (self.task.metric, self._last),
            ).fetchall()
            self.complete = len(rows) < BATCH
            changed += self._take(rows)
        if changed or before != self._stage():
            self.version += 1

    def _stage(self) -> tuple[Any, ...]:
        """What a report shows besides trials."""
        return self.meta["status"], len(self.winners), self.final, self.meta["measured"]

    def _read_facts(self) -> None:
        marks = ", ".join("?" * len(META_KEYS))
        found = self._connection.execute(f"SELECT key, value FROM meta WHERE key IN ({marks})", META_KEYS)
        self.meta = {
            **dict.fromkeys(META_KEYS),
            **{key: fact(self.folder, key, value) for key, value in found},
        }
        self.refusals = dict(self._connection.execute("SELECT metric, number FROM refusals ORDER BY metric"))
        winners = "SELECT trial_id, why, recipe, result, reason, manifest FROM winners ORDER BY trial_id"
        self.winners = [
            winner_record(self.folder, (trial_id, why, None, result, reason, "{}" if manifest else None))
            for trial_id, why, _, result, reason, manifest in self._connection.execute(winners)
        ]
        counts = "SELECT COUNT(*), COUNT(COALESCE(result, reason)), COUNT(reason) FROM trainings"
        counts += (
            " WHERE name NOT LIKE '%.alone'"  # of earlier versions, which checked a supernet's scores so
        )
        self.final = tuple(self._connection.execute(counts).fetchone())

    def _read_ended(self) -> int:
        """Trials that were running at the last look."""
        positions = sorted(self._open_positions)
        changed = 0
        for start in range(0, len(positions), 500):
            part = positions[start : start + 500]
            marks = ", ".join("?" * len(part))
            where = f"WHERE position IN ({marks}) AND status != 'running'"
            changed += self._take(
                self._connection.execute(f"{_SELECT} {where}", (self.task.metric, *part)).fetchall()
            )
        return changed

    def _take(self, rows: Sequence[Sequence[Any]]) -> int:
        task = self.task
        for row in rows:
            position, status = int(row[0]), row[2]
            with stored(self.folder, "trials", row[1]):
                place = self.trials.take(task, row)
            check(self.folder, "trials", row[1], row[3], (str, None))
            self._last = max(self._last, position)
            if status == "running":
                self._open_positions.add(position)
                continue
            self._open_positions.discard(position)
            if status == "completed" and not np.isnan(self.trials.error[place]):
                self._completed(place)
        return len(rows)

    def _completed(self, place: int) -> None:
        """Only trainings of the highest fidelity may be compared."""
        fidelity = float(self.trials.fidelity[place])
        if fidelity > self._fidelity:
            self._fidelity, self._done = fidelity, []
            self._trained = np.zeros(0, dtype=int)
            self._fronts.clear()
            self._counted.clear()
        if fidelity == self._fidelity:
            self._done.append(place)

    @property
    def trained(self) -> np.ndarray:
        """Rows of the completed trials of the highest fidelity."""
        if len(self._trained) != len(self._done):
            self._trained = np.array(self._done, dtype=int)
        return self._trained

    def cost(self, metric: str) -> np.ndarray:
        """One cost of all trials, shape (n,)."""
        return self.trials.costs[:, COST_METRICS.index(metric)]

    def front(self, metrics: Sequence[str] | None = None) -> np.ndarray:
        """Rows of the front of the error against some costs (the objectives), the cheapest first."""
        key = tuple(metrics or self.objectives[1:])
        old = self._fronts.get(key, np.zeros(0, dtype=int))
        rows = np.concatenate([old, np.array(self._done[self._counted.get(key, 0) :], dtype=int)])
        columns = [self.trials.error, *(self.cost(name) for name in key)]
        points = np.column_stack([column[rows] for column in columns])
        known = ~np.isnan(points).any(axis=1)
        rows, points = rows[known], points[known]
        rows = rows[front_mask(points)]
        self._fronts[key], self._counted[key] = rows, len(self._done)
        return np.asarray(rows[np.argsort(self.cost(key[0])[rows], kind="stable")])

    def finals(self) -> Mapping[str, float]:
        """The figure after the final training of each winner that is kept and had one."""
        task, found = self.task, {}
        for winner in self.winners:
            result = winner.result or {}
            value = result.get("val_accuracy") if task == CLASSIFICATION else None
            if value is None:
                value = (result.get("metrics") or {}).get(task.metric)
            if winner.reason is None and value is not None:
                found[winner.trial_id] = float(value)
        return found


def _identity(folder: Path) -> tuple[int, int] | None:
    """Which file the database is; another one after a run was begun anew."""
    try:
        found = (folder / database.DATABASE).stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino
