"""ParetoOracle: any Searcher behind keras-tuner's Oracle, several objectives, budgets first.

keras-tuner's own files (oracle.json, trial.json) are not written: `edgenas.store.Store` holds the
one truth of a run, and a trial is in it before its training starts.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import keras_tuner
from keras_tuner.engine import trial as kt_trial

from edgenas.errors import EdgenasError, StoreError
from edgenas.garbage import uncollected
from edgenas.records import TrialRecord, comparable
from edgenas.search.objective import VAL_ERROR
from edgenas.search.problem import Candidate
from edgenas.search.searcher import Observation, Searcher, SpaceExhaustedError
from edgenas.store import Store
from edgenas.train.pool import Baton

FAILURES_IN_A_ROW = 5
TrialStatus = kt_trial.TrialStatus


class Trials(dict[str, Any]):
    """keras-tuner's trials by id; those of earlier are made of their records when they are looked at.

    One takes keras-tuner a tenth of a millisecond, which of 100,000 makes a slow start.

    Args:
        make: Makes a trial of a record.
    """

    def __init__(self, make: Callable[[TrialRecord], Any]) -> None:
        super().__init__()
        self._make = make

    def __getitem__(self, trial_id: str) -> Any:
        """One trial."""
        found = super().__getitem__(trial_id)
        if isinstance(found, TrialRecord):
            found = self[trial_id] = self._make(found)
        return found

    def values(self) -> list[Any]:  # type: ignore[override]
        """All trials."""
        return [self[trial_id] for trial_id in self]

    def items(self) -> list[tuple[str, Any]]:  # type: ignore[override]
        """All trials with their ids."""
        return [(trial_id, self[trial_id]) for trial_id in self]


class ParetoOracle(keras_tuner.Oracle):
    """Hands candidates of a searcher to a keras-tuner Tuner, within budgets of trials and time.

    keras-tuner sees one objective (``val_error``, minimized) to sort by; the searcher sees all.

    Args:
        searcher: Proposes candidates that fit the budgets.
        store: Receives every trial; trials already in it are replayed into the searcher.
        max_trials: Trials to train, or None for no limit.
        seconds_left: Called before each trial; the search stops when it returns zero or less.
        max_consecutive_failed_trials: The search stops with an error after this many failures in a row.
        workers: Trials that run at the same time. Results are told in the order of their trials, and
            a proposal sees those of all but the latest ``workers`` trials before it, whichever ended
            first; so one seed gives one sequence, whatever each training takes.
    """

    def __init__(
        self,
        searcher: Searcher,
        store: Store,
        *,
        max_trials: int | None = None,
        seconds_left: Callable[[], float] | None = None,
        max_consecutive_failed_trials: int = FAILURES_IN_A_ROW,
        workers: int = 1,
    ) -> None:
        super().__init__(
            objective=keras_tuner.Objective(VAL_ERROR, "min"),
            max_trials=max_trials,
            seed=searcher.seed,
            max_consecutive_failed_trials=max_consecutive_failed_trials,
        )
        self.verbose = 0  # keras-tuner's own display
        self.trials = Trials(self._finished)
        self.searcher = searcher
        self.store = store
        self.seconds_left = seconds_left
        self.stop_reason = ""
        self.own_seconds = float(store.meta("own_seconds", 0.0))
        self.baton = Baton()
        self._unseen = 0 if workers == 1 else workers
        self._ended: dict[int, TrialRecord] = {}
        self._unfinished: list[TrialRecord] = []
        self._trained: dict[str, tuple[str, float]] = {}
        self.searcher.refused.update(self.store.refusals())
        self.catch_up()

    def catch_up(self) -> None:
        """Bring the searcher to where the store's trials left it, and queue one that was cut off."""
        with uncollected():
            self._replay(self.store.outcomes()[len(self.trials) + len(self._unfinished) :])

    def _replay(self, records: Sequence[TrialRecord]) -> None:
        for record in records:
            if record.spec.space != self.searcher.problem.space.name:
                raise StoreError(
                    f"{self.store.folder} holds trials of space '{record.spec.space}', the search is for "
                    f"'{self.searcher.problem.space.name}'; choose another folder"
                )
            self._tell_in_order(record.position)  # what its proposal had seen
            self.searcher.note_asked(record.spec, record.fidelity)
            if record.status == "running":
                self._unfinished.append(record)
            else:
                self._ended[record.position] = record
                self.trials[record.trial_id] = record
                self.start_order.append(record.trial_id)
                self.end_order.append(record.trial_id)

    def _finished(self, record: TrialRecord) -> Any:
        done = record.status != "failed"
        trial = self._as_trial(record, TrialStatus.COMPLETED if done else TrialStatus.FAILED)
        trial.message = record.reason
        if record.val_error is not None:
            trial.metrics.register(VAL_ERROR, direction="min")
            trial.metrics.update(VAL_ERROR, record.val_error)
            self.score_trial(trial)
        return trial

    def _as_trial(self, record: TrialRecord, status: str) -> Any:
        hyperparameters = self.hyperparameters.copy()
        hyperparameters.values = dict(record.spec.choices)
        return kt_trial.Trial(hyperparameters, record.trial_id, status)

    def create_trial(self, tuner_id: str) -> Any:
        """The next trial to train, or one of status STOPPED.

        keras-tuner would make up an id of as many digits as ``max_trials`` has, which is another one
        when a run goes on with a larger ``max_trials``.
        """
        if tuner_id in self.ongoing_trials:
            return self.ongoing_trials[tuner_id]
        record = self._next_record()
        if record is None:
            return kt_trial.Trial(self.get_space(), status=TrialStatus.STOPPED)
        trial = self._as_trial(record, TrialStatus.RUNNING)
        self.ongoing_trials[tuner_id] = self.trials[record.trial_id] = trial
        self.start_order.append(record.trial_id)
        return trial

    def look_ahead(self) -> None:
        """Let the searcher think about later proposals."""
        started = time.perf_counter()
        try:
            self.searcher.look_ahead()
        finally:
            self.own_seconds += time.perf_counter() - started

    def _next_record(self) -> TrialRecord | None:
        """A trial that was cut off, else a new one; None if a limit is reached or the space is used up."""
        if self.max_trials and len(self.trials) >= self.max_trials:
            self.stop_reason = "all trials are done"
            return None
        if self.seconds_left is not None and self.seconds_left() <= 0:
            self.stop_reason = "time is up"
            return None
        if self._unfinished:
            return self._unfinished.pop(0)
        if not self._tell_in_order(len(self.trials)):
            self.baton.wait()  # for a trial that ends
            return self._next_record()
        started = time.perf_counter()
        try:
            candidate = self.searcher.ask()
        except SpaceExhaustedError as error:
            self.stop_reason = str(error)
            return None
        finally:
            self.own_seconds += time.perf_counter() - started
        trial_id = f"{len(self.trials):04d}"
        cost = self.searcher.problem.cost_of(candidate.spec, per_op=True)
        parent = self._trained.get(candidate.parent) if candidate.parent and candidate.fidelity < 1 else None
        return self.store.begin_trial(
            trial_id, candidate.spec, cost, self.searcher.refused, candidate.fidelity,
            parent[0] if parent else None,
        )  # fmt: skip

    def end_trial(self, trial: Any) -> None:
        """Tell the searcher, after the tuner has written the trial to the store.

        Raises:
            EdgenasError: Too many trainings in a row failed; the message has the last reason.
        """
        record = self.store.trial(trial.trial_id)
        self._ended[record.position] = record
        self._tell_in_order(len(self.trials))
        super().end_trial(trial)
        self._refuse_failures_in_a_row()

    def _tell_in_order(self, begun: int) -> bool:
        """Tell the searcher what a proposal after so many may see; False if some of it has not ended yet."""
        due = self.seen_by(begun)
        while (position := len(self.searcher.observations)) < due:
            if position not in self._ended:
                return False
            self._observe(self._ended.pop(position))
        return True

    def seen_by(self, position: int) -> int:
        """How many results the trial at a position was proposed after."""
        return max(0, position - self._unseen)

    def _observe(self, record: TrialRecord) -> None:
        candidate = Candidate(record.spec, record.cost, record.fidelity)
        val_error = record.told_error
        point = None if val_error is None else self.searcher.problem.point(candidate, val_error)
        known = self._trained.get(record.spec.arch_id)
        if self.searcher.inherits and point is not None and (known is None or known[1] <= record.fidelity):
            self._trained[record.spec.arch_id] = (record.trial_id, record.fidelity)
        self.searcher.tell(Observation(candidate, point))

    def _check_consecutive_failures(self) -> None:
        """Nothing here: keras-tuner would find failures of long ago again, and leave the trial open."""

    def _refuse_failures_in_a_row(self) -> None:
        last = [self.trials[trial_id] for trial_id in self.end_order[-self.max_consecutive_failed_trials :]]
        failed = [trial for trial in last if trial.status == TrialStatus.FAILED]
        if len(failed) == self.max_consecutive_failed_trials:
            raise EdgenasError(
                f"{len(failed)} trainings in a row failed, the last one with: {failed[-1].message}; "
                f"mend that, then go on with the run in {self.store.folder}"
            )

    def get_best_trials(self, num_trials: int = 1) -> list[Any]:
        """The most accurate completed trials; keras-tuner would fill up with failed ones."""
        done = sorted(comparable(self.store.outcomes()), key=lambda record: float(record.val_error or 0.0))
        return [self.trials[record.trial_id] for record in done[:num_trials]]

    def save(self) -> None:
        """Nothing: the store has everything already."""

    def reload(self) -> None:
        """Nothing: `catch_up` has read the store."""

    def _save_trial(self, trial: Any) -> None:
        """Nothing: the tuner writes trials to the store."""
