"""What a run remembers of a candidate: its trial, and its place on the short list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgenas.arch.spec import ArchSpec
from edgenas.cost.types import Cost
from edgenas.kinship import CALIBRATED


@dataclass(frozen=True)
class TrialRecord:
    """One candidate that was trained, is being trained, or failed.

    Attributes:
        trial_id: Its number as text, for example ``0007``.
        position: Its place in the order of trials, from 0.
        spec: The architecture.
        cost: Predicted before training.
        status: ``running``, ``completed``, ``failed``, ``stopped`` (its learning curve could not
            reach the front any more) or ``given`` (to be trained for long, without a search).
        reason: Why it failed or was stopped, else None.
        recipe: How it was trained.
        result: `edgenas.train.TrainResult` as a document, or None.
        seconds: Wall time from start to end, or None while it runs.
        fidelity: Share of a full training that it got; see `edgenas.search.fidelity`.
        parent: The trial whose weights its training began with, or None (docs/inheritance.md).
    """

    trial_id: str
    position: int
    spec: ArchSpec
    cost: Cost
    status: str
    reason: str | None = None
    recipe: Mapping[str, Any] | None = None
    result: Mapping[str, Any] | None = None
    seconds: float | None = None
    fidelity: float = 1.0
    parent: str | None = None

    @property
    def val_error(self) -> float | None:
        """The task's validation error of what was trained, or None without a result.

        Of inherited weights, once they are calibrated, it is what a fresh training is expected to come to.
        """
        return None if self.result is None else error_of(self.result)

    @property
    def measured_error(self) -> float | None:
        """The validation error as it was measured, whatever it is corrected to."""
        return None if self.result is None else measured_error_of(self.result)

    @property
    def rank_fidelity(self) -> float:
        """The fidelity whose results its own may stand beside: the full one where it is calibrated."""
        return 1.0 if CALIBRATED in (self.result or {}) else self.fidelity

    @property
    def told_error(self) -> float | None:
        """The error that a searcher learns from: of a stopped training, what it would have come to."""
        expected = (self.result or {}).get("expected_val_error")
        return self.measured_error if expected is None else float(expected)

    @property
    def images_per_second(self) -> float:
        """Speed of its training; 1 where none was measured."""
        return float((self.result or {}).get("images_per_second") or 1.0)


def error_of(result: Mapping[str, Any]) -> float:
    """The validation error in a training's document, the corrected one where it is calibrated."""
    corrected = result.get(CALIBRATED)
    return measured_error_of(result) if corrected is None else float(corrected)


def measured_error_of(result: Mapping[str, Any]) -> float:
    """The validation error that was measured: for classification 1 - accuracy."""
    if result.get("val_accuracy") is not None:
        return 1.0 - float(result["val_accuracy"])
    return float(result["val_error"])


def by_fidelity(trials: Sequence[TrialRecord]) -> list[list[TrialRecord]]:
    """Completed trials that may be compared with each other, the highest fidelity first.

    Results of different fidelities say nothing about each other, and a stopped training has none. Nor do
    trainings that began with inherited weights, which have a fidelity below 1, until they are calibrated.
    """
    done = [trial for trial in trials if trial.status == "completed" and trial.val_error is not None]
    fidelities = sorted({trial.rank_fidelity for trial in done}, reverse=True)
    return [[trial for trial in done if trial.rank_fidelity == fidelity] for fidelity in fidelities]


def comparable(trials: Sequence[TrialRecord]) -> list[TrialRecord]:
    """The completed trials of the highest fidelity that has any, in order."""
    return next(iter(by_fidelity(trials)), [])


@dataclass(frozen=True)
class WinnerRecord:
    """One candidate on the short list: trained again, and exported if it stays on the front.

    Attributes:
        trial_id: The trial it was.
        why: Why it was chosen over its neighbours.
        recipe: How it was trained again, or None so far.
        result: How that went, or None so far.
        reason: Why it was dropped afterwards (dominated, failed), or None.
        manifest: The manifest of its exported artifacts, or None so far.
    """

    trial_id: str
    why: str
    recipe: Mapping[str, Any] | None = None
    result: Mapping[str, Any] | None = None
    reason: str | None = None
    manifest: Mapping[str, Any] | None = None
