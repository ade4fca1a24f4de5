"""The long trainings of each candidate on the short list."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from edgenas.data.dataset import Dataset
from edgenas.distribute import Executor, LocalExecutor
from edgenas.records import TrialRecord
from edgenas.search.listener import StageListener
from edgenas.store import Store
from edgenas.train.heritage import Heritage
from edgenas.train.recipe import Recipe
from edgenas.winners.seeds import keep_best, planned, together, train_all

Plan = tuple[Sequence[Recipe], int]
"""A recipe for each trial, and the number of seeds."""


def retrain(
    store: Store,
    dataset: Dataset,
    plan_for: Callable[[Sequence[TrialRecord]], Plan],
    listener: StageListener,
    workers: int = 1,
    executor: Executor | None = None,
) -> None:
    """Train each candidate of the short list anew and for long, with several seeds.

    What is done is left alone, and what was cut off goes on from its last epoch with the recipe it was
    begun with.

    Args:
        plan_for: Gives the recipes of the trials of which no training was begun, and the number of seeds.
        workers: Trainings at the same time.
        executor: Where trainings run, entered already; None trains on this machine.
    """
    trials = [
        winner.trial_id for winner in store.winners() if winner.result is None and winner.reason is None
    ]
    _plan(store, [store.trial(trial_id) for trial_id in trials], plan_for)
    for trial_id in trials:
        _conclude(store, final_name(trial_id))
    waiting = [
        one for trial_id in trials for one in store.trainings.named(final_name(trial_id)) if not one.ended
    ]
    listener.stage_began("final training", len(waiting), None)
    train_all(
        store, dataset, waiting, listener, workers,
        executor=executor, ended=lambda name: _conclude(store, name),
        heritage=lambda record: cut_weights(store, record, executor),
    )  # fmt: skip


def cut_weights(store: Store, record: TrialRecord, executor: Executor | None) -> Heritage | None:
    """The weights that a supernet lent to a trial, for its final training to begin with.

    None for a trial that was trained in the search, as its long training begins anew; and where trainings
    run on other machines, which do not have the file.
    """
    here = executor is None or isinstance(executor, LocalExecutor)
    path = store.weights_path(record.trial_id)
    if not (here and (record.result or {}).get("scored_by") and path.exists()):
        return None
    return Heritage(record.spec, path)


def final_name(trial_id: str) -> str:
    """What the final trainings of a winner are called."""
    return f"{trial_id}.final"


def _plan(
    store: Store, trials: Sequence[TrialRecord], plan_for: Callable[[Sequence[TrialRecord]], Plan]
) -> None:
    fresh = [record for record in trials if not store.trainings.named(final_name(record.trial_id))]
    if not fresh:
        return
    recipes, seeds = plan_for(fresh)
    store.trainings.plan(
        [
            one
            for record, recipe in zip(fresh, recipes, strict=True)
            for one in planned(final_name(record.trial_id), record, recipe, seeds)
        ]
    )


def _conclude(store: Store, name: str) -> None:
    """Take down what the seeds of a winner come to, once all of them have ended."""
    trainings = store.trainings.named(name)
    if all(one.ended for one in trainings):
        keep_best(store, trainings)
        store.update_winner(trainings[0].trial_id, **together(trainings))
