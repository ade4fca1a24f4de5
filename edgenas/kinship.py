"""What the store keeps of trials that began with the weights of others."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager

CALIBRATED = "calibrated_val_error"
"""Where a result has its error as corrected to that of fresh trainings."""


class Kinship:
    """Changes trials that have parents.

    Args:
        write: Opens a transaction.
    """

    def __init__(self, write: Callable[[], AbstractContextManager[sqlite3.Connection]]) -> None:
        self._write = write

    def disown(self, trial_id: str) -> None:
        """Note that a trial has to begin with random weights after all, and so gets a full training."""
        with self._write() as connection:
            connection.execute(
                "UPDATE trials SET parent = NULL, fidelity = 1 WHERE trial_id = ?", (trial_id,)
            )

    def calibrate(self, errors: Mapping[str, float]) -> None:
        """Keep what the validation errors of some trials are corrected to, by trial."""
        rows = [(f"$.{CALIBRATED}", error, trial_id) for trial_id, error in errors.items()]
        with self._write() as connection:
            connection.executemany(
                "UPDATE trials SET result = json_set(result, ?, ?) WHERE trial_id = ? AND result IS NOT NULL",
                rows,
            )
