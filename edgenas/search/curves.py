"""Learning curves: when a training cannot reach the front any more, from the curves of this run.

No shape is assumed. Of all trainings of the same length that ended, each says by which factor its
error still fell after an epoch. A candidate whose error would be above the front even if it fell as
much as the luckiest of twenty is stopped (a median rule, as in Google Vizier, Golovin et al. 2017,
asks for less: it stops half of the candidates, good cheap networks among them).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgenas.records import TrialRecord
from edgenas.search.problem import Candidate, Problem
from edgenas.search.results import trial_point
from edgenas.task import epoch_error
from edgenas.train.trainer import TrainResult

FEWEST = 8
"""Finished curves before any training is stopped."""

LUCKY = 0.05
"""Quantile of the factors that a candidate is given."""


class Curves:
    """The validation errors of finished trainings of one fidelity, epoch by epoch.

    Args:
        trials: What the search has been told so far.
        fidelity: Of the training that is to be judged.
    """

    def __init__(self, trials: Sequence[TrialRecord], fidelity: float) -> None:
        done = [trial for trial in trials if trial.status == "completed" and trial.fidelity == fidelity]
        epochs = max((len(errors_of(trial)) for trial in done), default=0)
        self.done = [trial for trial in done if epochs and len(errors_of(trial)) == epochs]
        self.errors = np.array([errors_of(trial) for trial in self.done], dtype=float)

    @property
    def factors(self) -> np.ndarray:
        """Last error over the error after each epoch but the last, shape (curves, epochs - 1)."""
        return np.asarray(self.errors[:, -1:] / np.maximum(self.errors[:, :-1], 1e-9))

    def cutoffs(self, problem: Problem, candidate: Candidate) -> tuple[float, ...]:
        """The validation error after each epoch but the last above which a training is to be stopped.

        Returns:
            Nothing as long as there are too few curves, or no finished network is as cheap in every
            respect as the candidate.
        """
        if len(self.errors) < FEWEST:
            return ()
        points = np.array([trial_point(problem, trial) for trial in self.done])
        as_cheap = (points[:, 1:] <= problem.point(candidate, 0.0)[1:]).all(axis=1)
        if not as_cheap.any():
            return ()
        lucky = np.quantile(self.factors, LUCKY, axis=0, method="lower")
        return tuple(float(points[as_cheap, 0].min() / factor) for factor in lucky)

    def expected(self, errors: Sequence[float]) -> float:
        """What a stopped training's error would have come to, by the median of the factors."""
        return float(errors[-1] * np.median(self.factors[:, len(errors) - 1]))


def errors_of(trial: TrialRecord) -> list[float]:
    """Validation errors of a trial, epoch by epoch; none if its model has no accuracy."""
    history = (trial.result or {}).get("history", [])
    return [error for entry in history if (error := epoch_error(entry)) is not None]


def was_cut_off(result: TrainResult, cutoffs: Sequence[float]) -> bool:
    """Whether a training ended because its curve was above a cutoff, not by a callback of the user's."""
    last = result.epochs - 1
    error = epoch_error(result.history[last])
    return error is not None and last < len(cutoffs) and error > cutoffs[last]
