"""The long training of each candidate on the short list."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import Any

from edgenas.data.dataset import Dataset
from edgenas.errors import TrialError
from edgenas.records import TrialRecord
from edgenas.search.listener import SearchListener
from edgenas.store import Store
from edgenas.train.job import Job
from edgenas.train.pool import TrainingPool
from edgenas.train.process import TrainingProcess
from edgenas.train.recipe import Recipe

FINAL_SEED = 7_919
"""Keeps the seeds of final trainings apart from those of the search."""


def retrain(
    store: Store,
    dataset: Dataset,
    recipes_for: Callable[[Sequence[TrialRecord]], Sequence[Recipe]],
    listener: SearchListener,
    workers: int = 1,
) -> None:
    """Train each candidate of the short list anew and for long; those done before are left alone.

    Args:
        recipes_for: Gives the recipes of the trials still to be trained.
        workers: Trainings at the same time.
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
    with TrainingPool(dataset, store.folder / "training.log", workers) as pool:

        def work(process: TrainingProcess) -> None:
            while jobs:
                pool.baton.check()
                _train_winner(store, *jobs.pop(0), pool, process, listener)

        pool.each(work)


def _train_winner(
    store: Store,
    record: TrialRecord,
    recipe: Recipe,
    pool: TrainingPool,
    process: TrainingProcess,
    listener: SearchListener,
) -> None:
    recipe = replace(recipe, seed=recipe.seed * 100_003 + record.position + FINAL_SEED)
    weights = store.weights_path(record.trial_id, final=True)
    job = Job(record.spec, recipe, weights, task=process.dataset.task)
    listener.trial_began(record)
    try:
        result = pool.train(process, job, listener.epoch_ended)
        changes: dict[str, Any] = {"recipe": recipe.to_json(), "result": asdict(result)}
    except TrialError as error:
        changes = {"reason": f"final training failed: {error}"}
    store.update_winner(record.trial_id, **changes)
    listener.trial_ended(replace(record, result=changes.get("result"), reason=changes.get("reason")), 0)
