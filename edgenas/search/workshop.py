"""Workshop: where a searcher trains what its search rests on, before the first candidate."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from edgenas.data.dataset import Dataset
from edgenas.distribute import Executor
from edgenas.search.listener import SearchListener
from edgenas.store import Store
from edgenas.train.job import Job
from edgenas.train.pool import TrainingPool
from edgenas.train.recipe import Recipe
from edgenas.train.trainer import TrainResult


@dataclass(frozen=True)
class Workshop:
    """What `Searcher.prepare` is given.

    Attributes:
        store: The run; what is trained is kept in its folder, what it came to in its meta values.
        dataset: Training and validation data.
        recipe: How a candidate is trained.
        listener: Told what happens.
        executor: Where trainings run.
        seconds_left: Seconds left for the search, or None without a limit.
        here: Does a job where the caller's next candidate will be trained; None before the search began.
    """

    store: Store
    dataset: Dataset
    recipe: Recipe
    listener: SearchListener
    executor: Executor
    seconds_left: Callable[[], float] | None = None
    here: Callable[[Job], TrainResult | None] | None = None

    def train(self, job: Job) -> TrainResult:
        """Do one job with all cores of one place.

        Raises:
            TrialError: It failed.
            StoreError: What it leaves could not be written.
        """
        if self.here is not None and (result := self.here(job)) is not None:
            return result
        with self.opened() as train:
            return train(job)

    @contextmanager
    def opened(self) -> Iterator[Callable[[Job], TrainResult]]:
        """One place with all its cores for several jobs, before the search begins: what does one there."""
        places = self.executor.places(self.dataset, self.store.folder / "training.log", 1)
        with TrainingPool(places) as pool, pool.baton:
            yield lambda job: pool.train(pool.places[0], job, self.listener.epoch_ended)
