"""One run = one folder with one SQLite file. Everything finished survives a kill at any moment.

Layout of a run folder::

    run.db           trials, refusals, winners, configuration (SQLite, WAL mode: readable while running)
    run.lock         held by the process that writes
    config.toml      the resolved configuration
    weights/         ID.npz of each trained candidate, ID.final.N.npz of each seed of a retrained winner,
                     ID.final.npz of the best of them, NAME.npz likewise of 'edgenas train'
    winners/ID/      artifacts and manifest of each winner
    trained/NAME/    artifacts and manifest of each network that 'edgenas train' trained
    report.html      the report
    gradient/        N.json and N.npz of each target of a search by gradients
    training.log     what Keras printed
    training_data/   images for the training process, removed when it ends
"""

from __future__ import annotations

import contextlib
import json
import shutil
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgenas import database
from edgenas.arch.spec import ArchSpec
from edgenas.cost.types import Cost
from edgenas.database import DATABASE, Tally
from edgenas.errors import StoreError
from edgenas.facts import check, fact, readable
from edgenas.garbage import uncollected
from edgenas.kinship import Kinship
from edgenas.lock import FolderLock
from edgenas.records import TrialRecord, WinnerRecord
from edgenas.rows import BRIEF, TRIALS, WINNERS, outcome, trial_record, winner_record
from edgenas.trainings import Trainings

_SET_REFUSALS = "INSERT OR REPLACE INTO refusals VALUES (?, ?)"


class Store:
    """Reads and writes a run folder; at most one writer at a time.

    Use `create`, `open` or `read`; use it as a context manager, or call `close`.
    """

    def __init__(self, folder: Path, connection: sqlite3.Connection, lock: FolderLock | None) -> None:
        self.folder = folder
        self._connection = connection
        self._lock = lock

    @classmethod
    def create(cls, folder: Path, *, overwrite: bool = False) -> Store:
        """Start a new run in a folder that holds none.

        Args:
            overwrite: Whether to remove a run that the folder holds.

        Raises:
            StoreError: The folder holds a run already, is in use, or cannot be written.
        """
        with storage_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            lock = FolderLock.acquire(folder)
            try:
                if overwrite:
                    _remove_run(folder)
                elif (folder / DATABASE).exists():
                    raise StoreError(
                        f"{folder} holds a run already; continue it with 'edgenas resume {folder}' "
                        "or choose another --out"
                    )
                database.create(folder)
                return cls(folder, database.connect(folder), lock)
            except BaseException:
                lock.release()
                raise

    @classmethod
    def open(cls, folder: Path) -> Store:
        """Continue a run as its only writer.

        Raises:
            StoreError: There is no run, another process writes it, or a newer version made it.
        """
        store = cls.read(folder)
        try:
            store.acquire()
        except BaseException:
            store.close()
            raise
        return store

    @classmethod
    def read(cls, folder: Path) -> Store:
        """Look at a run, also while another process writes it; writing methods fail.

        Raises:
            StoreError: There is no run, or a newer version made it.
        """
        with storage_errors(folder):
            store = cls(folder, database.connect(folder), None)
        store._connection.execute("PRAGMA query_only = 1")
        return store

    def acquire(self) -> None:
        """Become the only writer of a run that was opened for reading, or released.

        Raises:
            StoreError: Another store writes it.
        """
        if self._lock is None:
            with storage_errors(self.folder):
                self._lock = FolderLock.acquire(self.folder)
            self._connection.execute("PRAGMA query_only = 0")

    def release(self) -> None:
        """Let the next writer in and go on reading."""
        if self._lock is not None:
            self._connection.execute("PRAGMA query_only = 1")
            self._lock.release()
            self._lock = None

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file and let the next writer in."""
        self._connection.close()
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    # --- facts about the run ---

    def set_meta(self, **facts: Any) -> None:
        """Keep facts about the run as JSON, by name."""
        rows = [(key, json.dumps(value)) for key, value in facts.items()]
        with self._write() as connection:
            connection.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", rows)

    def meta(self, key: str, default: Any = None) -> Any:
        """A fact by its name.

        Raises:
            StoreError: No version of edgenas wrote it so; all that reads rows raises the same.
        """
        rows = self._rows("SELECT value FROM meta WHERE key = ?", key)
        return fact(self.folder, key, rows[0][0]) if rows else default

    # --- trials ---

    def begin_trial(
        self,
        trial_id: str,
        spec: ArchSpec,
        cost: Cost,
        refused: Mapping[str, int] | None = None,
        fidelity: float = 1.0,
        parent: str | None = None,
    ) -> TrialRecord:
        """Note that a candidate is about to be trained.

        Args:
            fidelity: Share of a full training that it gets.
            parent: The trial whose weights it begins with, or None for random ones.
            refused: How many candidates each budget has refused up to this one; kept together with
                the trial, so that a kill in between cannot make them disagree.
        """
        with self._write() as connection:
            position = connection.execute("SELECT COUNT(*) FROM trials").fetchone()[0]
            row = (position, trial_id, spec.arch_id, json.dumps(spec.to_json()), json.dumps(cost.to_json()))
            connection.execute(
                "INSERT INTO trials"
                " (position, trial_id, arch_id, spec, cost, status, started, fidelity, parent)"
                " VALUES (?, ?, ?, ?, ?, 'running', ?, ?, ?)",
                (*row, time.time(), fidelity, parent),
            )
            connection.executemany(_SET_REFUSALS, list((refused or {}).items()))
        return TrialRecord(trial_id, position, spec, cost, "running", fidelity=fidelity, parent=parent)

    def finish_trial(self, trial_id: str, recipe: Mapping[str, Any], result: Mapping[str, Any]) -> None:
        """Note how a training went."""
        self._end_trial(trial_id, "completed", None, json.dumps(dict(recipe)), json.dumps(dict(result)))

    def stop_trial(
        self, trial_id: str, reason: str, recipe: Mapping[str, Any], result: Mapping[str, Any]
    ) -> None:
        """Note that a training was stopped before its end, and how far it had come."""
        self._end_trial(trial_id, "stopped", reason, json.dumps(dict(recipe)), json.dumps(dict(result)))

    def fail_trial(self, trial_id: str, reason: str, recipe: Mapping[str, Any] | None = None) -> None:
        """Note that a training failed, and why."""
        self._end_trial(trial_id, "failed", reason, json.dumps(dict(recipe)) if recipe else None, None)

    def give_trial(self, trial_id: str) -> None:
        """Note that a network was given instead of found, so that no search will train it."""
        self._end_trial(trial_id, "given", None, None, None)

    def _end_trial(self, trial_id: str, *values: str | None) -> None:
        with self._write() as connection:
            connection.execute(
                "UPDATE trials SET status = ?, reason = ?, recipe = ?, result = ?, finished = ?"
                " WHERE trial_id = ?",
                (*values, time.time(), trial_id),
            )

    def trials(self) -> list[TrialRecord]:
        """All trials in the order in which they began."""
        return [trial_record(self.folder, row) for row in self._rows(f"{TRIALS} ORDER BY position")]

    def outcomes(self) -> list[TrialRecord]:
        """All trials without costs of single operations, learning curves, and recipes but of stopped ones.

        That is what a search or a report needs of most trials, in a tenth of the time: specs are read
        when they are first looked into (`edgenas.stored_spec`).
        """
        rows = self._rows(f"{BRIEF} ORDER BY position")
        with uncollected():
            return [outcome(self.folder, row) for row in rows]

    def tally(self) -> Tally:
        """Trials by status, the best accuracy, and when the first began and the last ended."""
        with readable(self.folder):
            return database.tally(self._connection)

    def take_over(self, source: Store) -> dict[str, str]:
        """Append the ended trials of another run, with numbers of this one; what is here already is left out.

        Returns:
            The number here of each trial taken over, by its number there.
        """
        with self._write() as connection:
            return database.take_over(connection, source._connection)

    def count(self) -> int:
        """How many trials there are."""
        return int(self._rows("SELECT COUNT(*) FROM trials")[0][0])

    def trial(self, trial_id: str) -> TrialRecord:
        """One trial by its id.

        Raises:
            StoreError: The run has no such trial.
        """
        rows = self._rows(f"{TRIALS} WHERE trial_id = ?", trial_id)
        if not rows:
            raise StoreError(f"{self.folder} has no trial '{trial_id}'; 'edgenas report' lists them")
        return trial_record(self.folder, rows[0])

    def set_refusals(self, numbers: Mapping[str, int]) -> None:
        """Keep how many candidates each budget has refused before training."""
        with self._write() as connection:
            connection.executemany(_SET_REFUSALS, list(numbers.items()))

    def refusals(self) -> dict[str, int]:
        """How many candidates each budget has refused before training."""
        rows = self._rows("SELECT metric, number FROM refusals ORDER BY metric")
        return {metric: check(self.folder, "refusals", metric, number, int) for metric, number in rows}

    # --- winners ---

    def save_winner(self, winner: WinnerRecord) -> None:
        """Add a candidate to the short list, or bring its record up to date."""
        self.save_winners([winner])

    def save_winners(self, winners: Sequence[WinnerRecord]) -> None:
        """Add candidates to the short list, or bring their records up to date: all of them or none."""
        with self._write() as connection:
            connection.executemany(
                "INSERT OR REPLACE INTO winners (trial_id, why, recipe, result, reason, manifest)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                [_winner_row(winner) for winner in winners],
            )

    def winners(self) -> list[WinnerRecord]:
        """The short list in the order of trials, dropped ones included."""
        return [winner_record(self.folder, row) for row in self._rows(WINNERS)]

    def update_winner(self, trial_id: str, **changes: Any) -> WinnerRecord:
        """Change fields of one winner's record.

        Raises:
            StoreError: The trial is not on the short list.
        """
        winner = next((record for record in self.winners() if record.trial_id == trial_id), None)
        if winner is None:
            raise StoreError(f"trial '{trial_id}' is not on the short list of {self.folder}")
        changed = replace(winner, **changes)
        self.save_winner(changed)
        return changed

    @property
    def trainings(self) -> Trainings:
        """The long trainings, each seed for itself."""
        return Trainings(self.folder, self._connection, self._write)

    @property
    def kinship(self) -> Kinship:
        """What changes in trials that began with the weights of others."""
        return Kinship(self._write)

    def weights_path(self, trial_id: str, *, final: bool = False) -> Path:
        """Where the weights of a trial lie, of its search training or of its final one."""
        return self.folder / "weights" / (f"{trial_id}.final.npz" if final else f"{trial_id}.npz")

    def _rows(self, question: str, *values: str) -> list[tuple[Any, ...]]:
        with readable(self.folder):
            return self._connection.execute(question, values).fetchall()

    @contextlib.contextmanager
    def _write(self) -> Iterator[sqlite3.Connection]:
        with storage_errors(self.folder), self._connection:
            yield self._connection


@contextlib.contextmanager
def storage_errors(folder: Path) -> Iterator[None]:
    """Turn a full disk or a folder that cannot be written into a StoreError with the way out."""
    try:
        yield
    except (sqlite3.OperationalError, OSError) as error:
        text = str(getattr(error, "strerror", None) or error)
        existing = next((place for place in (folder, *folder.parents) if place.exists()), Path("/"))
        free_mib = shutil.disk_usage(existing).free / 2**20
        raise StoreError(
            f"{folder} cannot be written: {text} ({free_mib:.0f} MiB free); free space or fix the folder, "
            f"then {_again(folder)}"
        ) from error


def _again(folder: Path) -> str:
    run = next((place for place in (folder, *folder.parents) if (place / DATABASE).exists()), None)
    return f"run 'edgenas resume {run}'" if run else "try again"


def _winner_row(winner: WinnerRecord) -> tuple[str | None, ...]:
    recipe, result, manifest = (
        None if document is None else json.dumps(dict(document))
        for document in (winner.recipe, winner.result, winner.manifest)
    )
    return winner.trial_id, winner.why, recipe, result, winner.reason, manifest


def _remove_run(folder: Path) -> None:
    """Remove everything that a run wrote; the database last, so that a kill leaves a run or none."""
    for name in ("weights", "winners", "trained", "training_data", "supernet"):
        shutil.rmtree(folder / name, ignore_errors=True)
    files = ("config.toml", "report.html", "training.log", f"{DATABASE}-wal", f"{DATABASE}-shm", DATABASE)
    for name in files:
        (folder / name).unlink(missing_ok=True)
