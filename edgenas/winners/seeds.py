"""Several trainings of one network that differ in their seed, and what they come to together.

One training of a small network is a draw: seeds move its accuracy by half a point and more. So what is
ranked is the mean over seeds, and what is delivered the seed that is best on validation images.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from edgenas.data.dataset import Dataset
from edgenas.distribute import Executor, LocalExecutor
from edgenas.errors import TrialError
from edgenas.records import TrialRecord, error_of
from edgenas.search.handover import float_figure
from edgenas.search.listener import SearchListener
from edgenas.store import Store, storage_errors
from edgenas.train.heritage import Heritage
from edgenas.train.job import Job
from edgenas.train.pool import Place, TrainingPool
from edgenas.train.recipe import Recipe
from edgenas.train.teacher import Teacher
from edgenas.trainings import TrainingRecord

FINAL_SEED = 7_919
"""Keeps the seeds of long trainings apart from those of the search."""

NEXT_SEED = 1_000_003
"""Lies between the seeds of one network."""


def planned(
    name: str, record: TrialRecord, recipe: Recipe, seeds: int, teachers: Sequence[str] = ()
) -> list[TrainingRecord]:
    """The trainings of one network, one a seed."""
    first = recipe.seed * 100_003 + record.position + FINAL_SEED
    recipes = [replace(recipe, seed=first + number * NEXT_SEED) for number in range(seeds)]
    return [
        TrainingRecord(name, number, record.trial_id, one.to_json(), tuple(teachers))
        for number, one in enumerate(recipes)
    ]


def train_all(
    store: Store,
    dataset: Dataset,
    waiting: Sequence[TrainingRecord],
    listener: SearchListener,
    workers: int = 1,
    *,
    teachers: Sequence[Teacher] = (),
    executor: Executor | None = None,
    ended: Callable[[str], None] = lambda name: None,
    heritage: Callable[[TrialRecord], Heritage | None] = lambda record: None,
) -> None:
    """Train what is waiting; each goes on from its last epoch if it was cut off.

    Args:
        teachers: What all of them learn from.
        workers: Trainings at the same time.
        executor: Where they run, entered already; None trains on this machine.
        ended: Called with the name of a training that has ended, well or not.
        heritage: Weights that the trainings of a trial begin with, or None for random ones.
    """
    # First seeds before second ones; the longest first, so that the processes end at about the same time.
    records = {one.trial_id: store.trial(one.trial_id) for one in waiting}
    jobs = sorted(waiting, key=lambda one: (one.number, -_length(one, records[one.trial_id])))
    if not jobs:
        return
    executor = executor or LocalExecutor()
    limits = executor.allotment.limits
    places = executor.places(dataset, store.folder / "training.log", min(workers, len(jobs)))
    with TrainingPool(places) as pool:

        def work(place: Place) -> None:
            while jobs:
                pool.baton.check()
                one = jobs.pop(0)
                record = records[one.trial_id]
                longer = limits.for_longer(_times_longer(one, record))
                job = Job(
                    record.spec, Recipe.from_json(one.recipe), weights_of(store, one.weights_name),
                    checkpoint_path=weights_of(store, f"{one.weights_name}.standing"),
                    teachers=tuple(teachers), limits=longer, task=dataset.task, heritage=heritage(record),
                )  # fmt: skip
                _train(store, record, one, job, pool, place, listener)
                ended(one.name)

        pool.each(work)


def _length(one: TrainingRecord, record: TrialRecord) -> float:
    return Recipe.from_json(one.recipe).images / record.images_per_second


def _times_longer(one: TrainingRecord, record: TrialRecord) -> float:
    """How many times as many images as in the search."""
    recipe = Recipe.from_json(one.recipe)
    searched = Recipe.from_json(record.recipe) if record.recipe else recipe
    return recipe.images / searched.images


def _train(
    store: Store,
    record: TrialRecord,
    one: TrainingRecord,
    job: Job,
    pool: TrainingPool,
    place: Place,
    listener: SearchListener,
) -> None:
    listener.trial_began(record)
    result, reason = None, None
    try:
        result = asdict(pool.train(place, job, listener.epoch_ended))
    except TrialError as error:
        reason = f"final training failed: {error}"
    store.trainings.end(one, result=result, reason=reason)
    if job.checkpoint_path is not None:
        job.checkpoint_path.unlink(missing_ok=True)
    listener.trial_ended(replace(record, result=result, reason=reason), 0)


def weights_of(store: Store, name: str) -> Path:
    """Where the weights of a name lie."""
    return store.folder / "weights" / f"{name}.npz"


def best_of(trainings: Sequence[TrainingRecord]) -> TrainingRecord | None:
    """The seed that is best on validation, the first of equals; None where all failed."""
    good = [one for one in trainings if one.result is not None]
    return min(good, key=lambda one: error_of(one.result or {}), default=None)


def keep_best(store: Store, trainings: Sequence[TrainingRecord]) -> None:
    """Make the weights of the best seed those of the seeds' common name.

    Raises:
        StoreError: They cannot be written.
    """
    if (best := best_of(trainings)) is None:
        return
    final = weights_of(store, best.name)
    with storage_errors(store.folder):
        unfinished = final.with_name(f"{final.name}.tmp")
        shutil.copyfile(weights_of(store, best.weights_name), unfinished)
        unfinished.replace(final)


def together(trainings: Sequence[TrainingRecord]) -> dict[str, Any]:
    """What all seeds of a network come to.

    Returns:
        ``recipe`` and ``result`` of the seed that is best on validation, the result with ``seeds`` (one
        entry a seed), ``mean_val_accuracy`` and ``std_val_accuracy`` (None of a single seed) beside it, and
        the same of ``test`` where the seeds were tested; or ``reason`` where all of them failed. Other
        tasks have their figure in place of ``accuracy``, and ``mean_val_error``.
    """
    if (best := best_of(trainings)) is None:
        return {"reason": trainings[0].reason}
    metric = (best.result or {}).get("metric", "accuracy")
    summary: dict[str, Any] = {"seeds": [_seed(one, one is best, metric) for one in trainings]}
    for split in ("val", "test"):
        name = f"{split}_{metric}"
        known = [entry[name] for entry in summary["seeds"] if name in entry]
        summary[f"mean_{name}"] = fmean(known) if known else None
        summary[f"std_{name}"] = stdev(known) if len(known) > 1 else None
    if metric != "accuracy":
        summary["mean_val_error"] = fmean(error_of(one.result) for one in trainings if one.result is not None)
    return {"recipe": best.recipe, "result": {**(best.result or {}), **summary}}


def test_each(
    store: Store, record: TrialRecord, trainings: Sequence[TrainingRecord], dataset: Dataset
) -> list[TrainingRecord]:
    """Note the test figure of each seed, in float; called when everything has been chosen and exported."""
    name = f"test_{dataset.task.metric}"
    for one in trainings:
        if one.result is not None and name not in one.result:
            figure = float_figure(record, weights_of(store, one.weights_name), dataset, dataset.test)
            store.trainings.end(one, result={**one.result, name: figure})
    return store.trainings.named(trainings[0].name)


def _seed(one: TrainingRecord, best: bool, metric: str) -> dict[str, Any]:
    entry = {"number": one.number, "seed": one.recipe["seed"], "delivered": best}
    if one.result is None:
        return {**entry, "reason": one.reason}
    figures = (one.result.get("metrics") or {}).items()
    result = {**{f"val_{name}": value for name, value in figures}, **one.result}
    shown = (f"val_{metric}", "val_loss", "epochs", "stopped_early", "seconds", f"test_{metric}")
    return {**entry, **{name: result[name] for name in shown if name in result}}
