"""Which candidates of a search are worth a long training, and which are beaten after it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from edgenas.errors import EdgenasError
from edgenas.records import TrialRecord, WinnerRecord, by_fidelity
from edgenas.search.objective import format_metric, metric_name
from edgenas.search.pareto import front_mask, ranks, spread_subset
from edgenas.search.problem import Problem
from edgenas.search.results import trial_point
from edgenas.store import Store
from edgenas.task import CLASSIFICATION

SHORTER = "among the best of those that had less than a full training in the search"


def shortlist(store: Store, problem: Problem, size: int) -> list[WinnerRecord]:
    """Choose the candidates that are worth a long training, unless that was done before.

    The front comes first, thinned to what keeps most of its hypervolume; if it is shorter than
    ``size``, the fronts behind it follow, because short trainings rank only roughly, and then those of
    shorter trainings.

    Raises:
        EdgenasError: Not one training succeeded.
    """
    if winners := store.winners():
        return winners
    chosen: dict[str, tuple[TrialRecord, str]] = {}
    for done in by_fidelity(store.outcomes()):
        waiting = [record for record in done if record.spec.arch_id not in chosen]
        for record, why in _worthy(problem, waiting, size - len(chosen)):
            chosen[record.spec.arch_id] = (record, why if done[0].fidelity == 1 else SHORTER)
    if not chosen:
        raise EdgenasError("no candidate could be trained; 'edgenas report' shows the reasons")
    in_order = sorted(chosen.values(), key=lambda entry: entry[0].position)
    store.save_winners([WinnerRecord(record.trial_id, why) for record, why in in_order])
    return store.winners()


def _worthy(problem: Problem, done: Sequence[TrialRecord], size: int) -> list[tuple[TrialRecord, str]]:
    """So many of the trials of one fidelity, the front first, and why each of them."""
    if size <= 0 or not done:
        return []
    points = np.array([trial_point(problem, record) for record in done])
    layer = ranks(points)
    chosen: list[int] = []
    for rank in range(int(layer.max()) + 1):
        members = np.flatnonzero(layer == rank)
        kept = spread_subset(points[members], size - len(chosen))
        chosen += [int(members[position]) for position in kept]
        if len(chosen) >= size:
            break
    scored = bool((done[0].result or {}).get("scored_by"))
    judge = "shared weights" if scored else "a short training"
    return [(done[position], _why(problem, points, layer, position, judge)) for position in chosen]


def _why(problem: Problem, points: np.ndarray, layer: np.ndarray, position: int, judge: str) -> str:
    """Why a candidate was chosen, in words; ``judge`` gave its error in the search."""
    front = points[layer == 0]
    cost = problem.objectives[1]
    value = format_metric(cost, points[position][1])
    if layer[position] > 0:
        return f"close behind the front at {metric_name(cost)} {value}; {judge} may have misjudged it"
    if points[position][0] == front[:, 0].min():
        best = "most accurate" if problem.task == CLASSIFICATION.name else "best"
        return f"{best} of all candidates in the search"
    if points[position][1] == front[:, 1].min():
        return f"least {metric_name(cost)} on the front ({value})"
    return f"on the front at {metric_name(cost)} {value}, where no cheaper network was as accurate"


def drop_dominated(store: Store, problem: Problem) -> None:
    """Drop winners that another one beats in every objective after the long training.

    What counts is the mean over seeds: a network of which only the best seed would have stayed on the front
    is called a lucky seed.
    """
    alive = [winner for winner in store.winners() if winner.result is not None and winner.reason is None]
    if not alive:
        raise EdgenasError("the final training of every winner failed; 'edgenas report' shows the reasons")
    points = np.array([_final_point(store, problem, winner, mean_error(winner)) for winner in alive])
    best_seeds = np.array([_final_point(store, problem, winner, None) for winner in alive])
    mask, lucky = front_mask(points), front_mask(best_seeds)
    for position in np.flatnonzero(~mask):
        better = next(k for k in np.flatnonzero(mask) if np.all(points[k] <= points[position]))
        reason = f"after the final training, trial {alive[better].trial_id} is at least as good in everything"
        if lucky[position]:
            reason = f"only a lucky seed: {reason} on the mean over seeds"
        store.update_winner(alive[position].trial_id, reason=reason)


def mean_error(winner: WinnerRecord) -> float | None:
    """Mean validation error over the seeds of a winner; None before its final training."""
    result = winner.result or {}
    if "mean_val_error" in result:
        return float(result["mean_val_error"])
    found = result.get("mean_val_accuracy", result.get("val_accuracy"))
    return None if found is None else 1.0 - float(found)


def _final_point(
    store: Store, problem: Problem, winner: WinnerRecord, error: float | None
) -> tuple[float, ...]:
    """Objectives of a winner, with this error or that of its best seed."""
    result = dict(winner.result or {})
    if error is not None:
        result |= {"val_accuracy": None, "val_error": error}
    return trial_point(problem, replace(store.trial(winner.trial_id), result=result))
