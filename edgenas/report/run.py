"""Read everything that a report needs from a store, once; missing facts get an empty default."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from edgenas.export.manifest import Artifact, Manifest
from edgenas.facts import stored
from edgenas.records import TrialRecord, WinnerRecord, comparable, error_of
from edgenas.report.judged import Judged, judged_by
from edgenas.search.objective import VAL_ERROR
from edgenas.search.pareto import front_mask
from edgenas.store import Store
from edgenas.task import CLASSIFICATION, Task, task_from
from edgenas.trainings import TrainingRecord

META_KEYS = (
    "status", "config", "versions", "seed", "data", "objectives", "constraints", "space", "device",
    "elapsed_seconds", "machine", "search", "warm_start", "gained", "proxy", "inheritance", "gradient",
    "supernet", "trust", "measured",
)  # fmt: skip


@dataclass(frozen=True)
class Winner:
    """A candidate of the short list with all that is known of it.

    Attributes:
        trial: The trial of the search.
        note: The store's record of its final training and export.
        manifest: What was exported of it, or None so far.
        task: What it is for; its first figure is the one meant below by "figure".
    """

    trial: TrialRecord
    note: WinnerRecord
    manifest: Manifest | None
    task: Task = CLASSIFICATION

    @property
    def trial_id(self) -> str:
        """The trial's number."""
        return self.trial.trial_id

    @property
    def files(self) -> Sequence[Artifact]:
        """The exported files; none if nothing was exported so far."""
        return self.manifest.artifacts if self.manifest else ()

    def tflite(self, precision: str) -> Artifact | None:
        """The TFLite file of a precision, or None."""
        found = [file for file in self.files if (file.format, file.precision) == ("tflite", precision)]
        return found[0] if found else None

    def figure(self, precision: str, split: str) -> float | None:
        """The figure (accuracy, RMSE, AUC) of the TFLite file of a precision, or None."""
        file = self.tflite(precision)
        return file.figures(split).get(self.task.metric) if file else None

    @property
    def float_val(self) -> float | None:
        """Validation figure of the Keras model after the final training."""
        return None if self.note.result is None else figure_of(self.note.result, self.task)

    @property
    def float_bundle(self) -> float | None:
        """Validation figure of the float32 file, on the same inputs as `int8_val`."""
        return self.figure("float32", "validation")

    @property
    def int8_val(self) -> float | None:
        """Validation figure of the int8 file."""
        return self.figure("int8", "validation")

    @property
    def int8_test(self) -> float | None:
        """Test figure of the int8 file."""
        return self.figure("int8", "test")

    @property
    def val_figure(self) -> float | None:
        """Validation figure of what would be delivered: the int8 file, or the Keras model until then."""
        return self.int8_val if self.int8_val is not None else self.float_val

    @property
    def seeds(self) -> Sequence[Mapping[str, Any]]:
        """One entry for each seed of the final training; none in runs of older versions."""
        return (self.note.result or {}).get("seeds") or ()

    def mean(self, split: str) -> float | None:
        """Mean figure over seeds in float on ``val`` or ``test``, or None where it is not known."""
        result = self.note.result or {}
        fallback = self.float_val if split == "val" else None
        found = result.get(f"mean_{split}_{self.task.metric}", fallback)
        return None if found is None else float(found)

    def deviation(self, split: str) -> float | None:
        """Standard deviation of that over seeds, or None of a single one."""
        found = (self.note.result or {}).get(f"std_{split}_{self.task.metric}")
        return None if found is None else float(found)

    @property
    def flash_bytes(self) -> int:
        """Size of the int8 TFLite file as written, else as predicted."""
        file = self.tflite("int8")
        return file.bytes if file else self.trial.cost.flash_bytes

    @property
    def arena_bytes(self) -> int | None:
        """The arena that TFLite Micro took to run the int8 file, or None where it was not run."""
        micro = self.manifest.tflite_micro if self.manifest else None
        return micro.arena_bytes if micro else None


@dataclass(frozen=True)
class Run:
    """One run as read from its store.

    Attributes:
        folder: The run folder.
        meta: Facts by name, one entry for each of `META_KEYS`, None where not known.
        trials: All trials in their order.
        refusals: Candidates refused before training, by budget.
        shortlist: Winners, dropped ones included, the cheapest first.
        trainings: Long trainings, each seed for itself.
    """

    folder: Path
    meta: Mapping[str, Any]
    trials: Sequence[TrialRecord]
    refusals: Mapping[str, int]
    shortlist: Sequence[Winner]
    trainings: Sequence[TrainingRecord] = ()

    @property
    def status(self) -> str:
        """``searching``, ``retraining``, ``exporting``, ``done`` or, where nobody wrote it, ``unknown``."""
        return str(self.meta["status"] or "unknown")

    def document(self, key: str) -> dict[str, Any]:
        """A fact that is a document; empty if it is not known."""
        return dict(self.meta[key] or {})

    @cached_property
    def task(self) -> Task:
        """What the networks are for."""
        return task_from(self.document("data").get("task"))

    @property
    def objectives(self) -> tuple[str, ...]:
        """What is minimized, the validation error first."""
        return tuple(self.meta["objectives"] or (VAL_ERROR, "macs"))

    @property
    def budgets(self) -> list[tuple[str, float]]:
        """Upper limits by metric."""
        return [(entry["metric"], float(entry["limit"])) for entry in self.meta["constraints"] or []]

    @property
    def judged(self) -> Judged:
        """Whether candidates were trained or scored, in words."""
        return judged_by(self.meta)

    @cached_property
    def trained(self) -> list[TrialRecord]:
        """Completed trials that may be compared with each other: those of the highest fidelity."""
        return comparable(self.trials)

    @property
    def networks(self) -> int:
        """How many networks were trained, for however long."""
        ended = self.of_status("completed") + self.of_status("stopped")
        return len({trial.spec.arch_id for trial in ended})

    @property
    def shorter(self) -> list[TrialRecord]:
        """Trials that got less than that: cut by successive halving, or stopped."""
        known = {trial.trial_id for trial in self.trained}
        ended = self.of_status("completed") + self.of_status("stopped")
        return [trial for trial in ended if trial.trial_id not in known]

    def of_status(self, status: str) -> list[TrialRecord]:
        """The trials that are ``running``, ``completed``, ``failed`` or ``stopped``."""
        return [trial for trial in self.trials if trial.status == status]

    @property
    def kept(self) -> list[Winner]:
        """Winners that were not dropped."""
        return [winner for winner in self.shortlist if winner.note.reason is None]

    @property
    def dropped(self) -> list[Winner]:
        """Candidates of the short list that were dropped afterwards."""
        return [winner for winner in self.shortlist if winner.note.reason is not None]

    @property
    def best(self) -> Winner | None:
        """The winner best on the validation split, on the mean where there are several seeds.

        The test set must not choose.
        """
        sign = 1 if self.task.higher_is_better else -1
        known = [winner for winner in self.kept if winner.val_figure is not None]
        if known and all(winner.deviation("val") is not None for winner in known):
            return max(known, key=lambda winner: sign * (winner.mean("val") or 0.0))
        return max(known, key=lambda winner: sign * (winner.val_figure or 0.0), default=None)

    def measurements(self, trial_id: str) -> list[Mapping[str, Any]]:
        """What `edgenas measure` measured of a winner's files, in the order of first measurements."""
        return [one for one in self.meta["measured"] or [] if one["trial"] == trial_id]

    def val_figure(self, trial: TrialRecord) -> float | None:
        """The task's figure on the validation split after a trial's training in the search, or None."""
        return None if trial.result is None else figure_of(trial.result, self.task)

    @cached_property
    def front(self) -> list[TrialRecord]:
        """Completed trials that no other one dominates, the cheapest first."""
        return self.front_of(self.objectives[1:])

    def front_of(self, metrics: Sequence[str]) -> list[TrialRecord]:
        """The front of validation error against some costs, sorted by the first of them."""
        known = [trial for trial in self.trained if all(cost_of(trial, name) is not None for name in metrics)]
        points = [[trial.val_error, *(cost_of(trial, name) for name in metrics)] for trial in known]
        mask = front_mask(np.array(points, dtype=float))
        front = [trial for trial, on_front in zip(known, mask, strict=True) if on_front]
        return sorted(front, key=lambda trial: cost_of(trial, metrics[0]) or 0.0)


def cost_of(trial: TrialRecord, metric: str) -> float | None:
    """A predicted cost of a trial, or None where it is not known."""
    value = getattr(trial.cost, metric)
    return None if value is None else float(value)


def figure_of(result: Mapping[str, Any], task: Task) -> float | None:
    """A task's figure on the validation split in a training's document, or None."""
    if task == CLASSIFICATION:
        return 1.0 - error_of(result)
    value = (result.get("metrics") or {}).get(task.metric)
    return None if value is None else float(value)


def _manifest(folder: Path, note: WinnerRecord) -> Manifest | None:
    with stored(folder, "winners", note.trial_id):
        return Manifest.from_json(note.manifest) if note.manifest else None


def read_run(store: Store) -> Run:
    """Everything that the report needs from a store.

    Raises:
        StoreError: A row holds what no version of edgenas wrote, or a newer one.
    """
    trials = store.outcomes()
    known = {trial.trial_id for trial in trials}
    task = task_from((store.meta("data") or {}).get("task"))
    shortlist = [
        Winner(store.trial(note.trial_id), note, _manifest(store.folder, note), task)
        for note in store.winners()
        if note.trial_id in known
    ]
    meta = {key: store.meta(key) for key in META_KEYS}
    run = Run(store.folder, meta, trials, store.refusals(), shortlist, store.trainings.all())
    shortlist.sort(key=lambda winner: cost_of(winner.trial, run.objectives[1]) or 0.0)
    return run
