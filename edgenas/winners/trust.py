"""Stand-alone trainings of some networks that a supernet scored, to say how far its scores can be trusted."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Any

from edgenas.data.dataset import Dataset
from edgenas.distribute import Executor
from edgenas.oneshot.trust import compared, spread_over
from edgenas.records import TrialRecord, comparable, error_of
from edgenas.search.listener import StageListener
from edgenas.store import Store
from edgenas.train.recipe import Recipe
from edgenas.winners.seeds import planned, train_all, weights_of

SAMPLE = 8
"""Networks that are trained alone, unless told otherwise."""

SHARE = 0.15
"""Share of a time limit that these trainings may take."""

BUILDING = 6.0
"""Seconds of a training before its first step."""


def alone_name(trial_id: str) -> str:
    """What the stand-alone training of a trial is called."""
    return f"{trial_id}.alone"


def measure_trust(
    store: Store,
    dataset: Dataset,
    recipe: Recipe,
    listener: StageListener,
    *,
    count: int | None = None,
    minutes: float | None = None,
    workers: int = 1,
    executor: Executor | None = None,
) -> None:
    """Train some scored networks alone, by the search's own recipe, and note how the ranks agree.

    They are chosen evenly over the range of scores. What is done is left alone, and what was cut off goes on
    from its last epoch. A run without a supernet has nothing to measure.

    Args:
        recipe: How a search without a supernet trains a candidate.
        count: Networks, or None for `SAMPLE`, less where the time limit is short.
        minutes: Time limit of the run, or None.
    """
    if store.meta("supernet") is None or store.meta("trust") is not None:
        return
    scored = [trial for trial in comparable(store.trials()) if (trial.result or {}).get("scored_by")]
    number = affordable(scored, recipe, minutes, workers) if count is None else count
    scores = [1.0 - error_of(trial.result or {}) for trial in scored]
    chosen = [scored[row] for row in spread_over(scores, number)] if number else []
    store.trainings.plan(
        [one for trial in chosen for one in planned(alone_name(trial.trial_id), trial, recipe, 1)]
    )
    found = [one for trial in chosen for one in store.trainings.named(alone_name(trial.trial_id))]
    waiting = [one for one in found if not one.ended]
    if waiting:
        listener.stage_began("trust", len(waiting), None)
        train_all(store, dataset, waiting, listener, workers, executor=executor)
    _conclude(store, chosen)


def affordable(scored: Sequence[TrialRecord], recipe: Recipe, minutes: float | None, workers: int) -> int:
    """Networks that a time limit allows to train alone; too few to say anything count as none."""
    if minutes is None or not scored:
        return SAMPLE
    each = BUILDING + recipe.images / median(trial.images_per_second for trial in scored)
    number = min(SAMPLE, int(SHARE * 60 * minutes * workers / each))
    return number if number >= 3 else 0


def _conclude(store: Store, chosen: Sequence[TrialRecord]) -> None:
    pairs: list[dict[str, Any]] = []
    failed = 0
    for trial in chosen:
        (one,) = store.trainings.named(alone_name(trial.trial_id))
        if one.result is None:
            failed += 1
            continue
        score = 1.0 - error_of(trial.result or {})
        alone, macs = 1.0 - error_of(one.result), trial.cost.macs
        seconds = one.result.get("seconds")
        pairs.append({
            "trial": trial.trial_id, "score": score, "alone": alone, "macs": macs, "seconds": seconds,
        })  # fmt: skip
        weights_of(store, one.weights_name).unlink(missing_ok=True)
    store.set_meta(trust={"pairs": pairs, "failed": failed, **compared(pairs)})
