"""The long training of each candidate on the short list."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import Any

from edgenas.data.dataset import Dataset
from edgenas.distribute import Executor, LocalExecutor
from edgenas.errors import TrialError
from edgenas.records import TrialRecord
from edgenas.search.listener import SearchListener
from edgenas.store import Store
from edgenas.train.job import Job
from edgenas.train.limits import Limits
from edgenas.train.pool import Place, TrainingPool
from edgenas.train.recipe import Recipe

FINAL_SEED = 7_919
"""Keeps the seeds of final trainings apart from those of the search."""


def retrain(
    store: Store,
    dataset: Dataset,
    recipes_for: Callable[[Sequence[TrialRecord]], Sequence[Recipe]],
    listener: SearchListener,
    workers: int = 1,
    executor: Executor | None = None,
) -> None:
    """Train each candidate of the short list anew and for long; those done before are left alone.

    Args:
        recipes_for: Gives the recipes of the trials still to be trained.
        workers: Trainings at the same time.
        executor: Where trainings run, entered already; None trains on this machine.
    """
    waiting = [winner for winner in store.winners() if winner.result is None and winner.reason is None]
    if not waiting:
        return
    records = [store.trial(winner.trial_id) for winner in waiting]
    # The longest first, so that the processes end at about the same time.
    jobs = sorted(
        zip(records, recipes_for(records), strict=True),
        key=lambda job: -job[1].images / job[0].images_per_second,
    )
    executor = executor or LocalExecutor()
    limits = executor.allotment.limits
    with TrainingPool(executor.places(dataset, store.folder / "training.log", workers)) as pool:

        def work(place: Place) -> None:
            while jobs:
                pool.baton.check()
                record, recipe = jobs.pop(0)
                longer = limits.for_longer(_times_longer(record, recipe))
                _train_winner(store, record, recipe, longer, pool, place, listener)

        pool.each(work)


def _times_longer(record: TrialRecord, recipe: Recipe) -> float:
    """How many times as many images as in the search."""
    searched = record.recipe or recipe.to_json()
    return recipe.images / (int(searched["epochs"]) * int(searched["images_per_epoch"]))


def _train_winner(
    store: Store,
    record: TrialRecord,
    recipe: Recipe,
    limits: Limits,
    pool: TrainingPool,
    place: Place,
    listener: SearchListener,
) -> None:
    recipe = replace(recipe, seed=recipe.seed * 100_003 + record.position + FINAL_SEED)
    job = Job(record.spec, recipe, store.weights_path(record.trial_id, final=True), limits=limits)
    listener.trial_began(record)
    try:
        result = pool.train(place, job, listener.epoch_ended)
        changes: dict[str, Any] = {"recipe": recipe.to_json(), "result": asdict(result)}
    except TrialError as error:
        changes = {"reason": f"final training failed: {error}"}
    store.update_winner(record.trial_id, **changes)
    listener.trial_ended(replace(record, result=changes.get("result"), reason=changes.get("reason")), 0)
