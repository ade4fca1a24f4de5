"""What the trials of a run come to: their points, and the front."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgenas.records import TrialRecord, comparable
from edgenas.search.pareto import front_mask
from edgenas.search.problem import Candidate, Problem


def front_of(problem: Problem, trials: Sequence[TrialRecord]) -> list[TrialRecord]:
    """The completed trials on the Pareto front, by their second objective, cheapest first."""
    done = comparable(trials)
    if not done:
        return []
    points = np.array([trial_point(problem, record) for record in done])
    front = [(tuple(points[k][1:]), done[k]) for k in np.flatnonzero(front_mask(points))]
    return [record for _, record in sorted(front, key=lambda entry: entry[0])]


def trial_point(problem: Problem, record: TrialRecord) -> tuple[float, ...]:
    """A completed trial's objectives, with the cost that was predicted before its training."""
    assert record.val_error is not None
    return problem.point(Candidate(record.spec, record.cost), record.val_error)
