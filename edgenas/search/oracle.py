"""ParetoOracle: any Searcher behind keras-tuner's Oracle, several objectives, budgets first.

keras-tuner's own files (oracle.json, trial.json) are not written: `edgenas.store.Store` holds the
one truth of a run, and a trial is in it before its training starts.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import keras_tuner
from keras_tuner.engine import trial as kt_trial

from edgenas.cost.types import Cost
from edgenas.search.objective import VAL_ERROR
from edgenas.search.problem import Candidate
from edgenas.search.searcher import Observation, Searcher, SpaceExhaustedError
from edgenas.store import Store, TrialRecord

FAILURES_IN_A_ROW = 5


class ParetoOracle(keras_tuner.Oracle):
    """Hands candidates of a searcher to a keras-tuner Tuner, within budgets of trials and time.

    keras-tuner sees one objective (``val_error``, minimized) to sort by; the searcher sees all.

    Args:
        searcher: Proposes candidates that fit the budgets.
        store: Receives every trial; trials already in it are replayed into the searcher.
        max_trials: Trials to train, or None for no limit.
        seconds_left: Called before each trial; the search stops when it returns zero or less.
        max_consecutive_failed_trials: The search stops with an error after this many failures in a row.
    """

    def __init__(
        self,
        searcher: Searcher,
        store: Store,
        *,
        max_trials: int | None = None,
        seconds_left: Callable[[], float] | None = None,
        max_consecutive_failed_trials: int = FAILURES_IN_A_ROW,
    ) -> None:
        super().__init__(
            objective=keras_tuner.Objective(VAL_ERROR, "min"),
            max_trials=max_trials,
            seed=searcher.seed,
            max_consecutive_failed_trials=max_consecutive_failed_trials,
        )
        self.searcher = searcher
        self.store = store
        self.seconds_left = seconds_left
        self.stop_reason = ""
        self.own_seconds = 0.0
        self._unfinished: list[TrialRecord] = []
        self.replay()

    def replay(self) -> None:
        """Bring the searcher to where the store's trials left it, and queue one that was cut off."""
        self.searcher.refused.update(self.store.refusals())
        for record in self.store.trials():
            self.searcher.note_asked(record.spec)
            if record.status == "running":
                self._unfinished.append(record)
                continue
            self._observe(Candidate(record.spec, record.cost), record.val_error)
            self._register_finished(record)

    def _register_finished(self, record: TrialRecord) -> None:
        done = record.status == "completed"
        status = kt_trial.TrialStatus.COMPLETED if done else kt_trial.TrialStatus.FAILED
        hyperparameters = self.hyperparameters.copy()
        hyperparameters.values = dict(record.spec.choices)
        trial = kt_trial.Trial(hyperparameters, record.trial_id, status, record.reason)
        if record.val_error is not None:
            trial.metrics.register(VAL_ERROR, direction="min")
            trial.metrics.update(VAL_ERROR, record.val_error)
            self.score_trial(trial)
        self.trials[record.trial_id] = trial
        self.start_order.append(record.trial_id)
        self.end_order.append(record.trial_id)

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """The decisions of the next candidate, or a stop."""
        if self.seconds_left is not None and self.seconds_left() <= 0:
            self.stop_reason = "time is up"
            return {"status": kt_trial.TrialStatus.STOPPED}
        if self._unfinished:
            record = self._unfinished.pop(0)
            return self._running(record.spec.choices)
        started = time.perf_counter()
        try:
            candidate = self.searcher.ask()
        except SpaceExhaustedError as error:
            self.stop_reason = str(error)
            return {"status": kt_trial.TrialStatus.STOPPED}
        finally:
            self.own_seconds += time.perf_counter() - started
        self.store.begin_trial(trial_id, candidate.spec, candidate.cost)
        self.store.set_refusals(dict(self.searcher.refused))
        return self._running(candidate.spec.choices)

    @staticmethod
    def _running(choices: Any) -> dict[str, Any]:
        return {"status": kt_trial.TrialStatus.RUNNING, "values": dict(choices)}

    def end_trial(self, trial: Any) -> None:
        """Tell the searcher, after the tuner has written the trial to the store."""
        record = self.store.trial(trial.trial_id)
        self._observe(Candidate(record.spec, record.cost), record.val_error)
        super().end_trial(trial)

    def _observe(self, candidate: Candidate, val_error: float | None) -> None:
        point = None if val_error is None else self.searcher.problem.point(candidate, val_error)
        self.searcher.tell(Observation(candidate, point))

    def cost_of(self, trial_id: str) -> Cost:
        """A trial's predicted cost."""
        return self.store.trial(trial_id).cost

    def save(self) -> None:
        """Nothing: the store has everything already."""

    def reload(self) -> None:
        """Nothing: `replay` has read the store."""

    def _save_trial(self, trial: Any) -> None:
        """Nothing: the tuner writes trials to the store."""
