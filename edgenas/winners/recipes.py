"""How long each winner is trained, and how often."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf
from statistics import median

from edgenas.config import RunConfig
from edgenas.data.dataset import Dataset
from edgenas.records import TrialRecord
from edgenas.train.augment import augmentations_for
from edgenas.train.recipe import Recipe, final_recipe

PACE = 0.9
"""Speed of a final training against the search's: it is validated more often, and its images are shifted."""

EXPORT_SECONDS = 25.0
"""Time kept back for the artifacts of each winner."""

SEEDS = 3
"""Trainings of each winner without a time limit, and at most within one."""


class FinalRecipes:
    """The recipes of the final trainings: what was asked for, or what the time left allows.

    With a time limit every winner gets the same number of epochs, and so a slow network more time
    than a fast one. Further seeds are trained in the time that is left after the longest useful training.
    """

    def __init__(
        self, config: RunConfig, dataset: Dataset, search: Recipe, elapsed: Callable[[], float]
    ) -> None:
        self._config, self._images, self._search, self._elapsed = config, len(dataset.train), search, elapsed
        self._augment = augmentations_for(dataset.kind, config.augment, config.shift, dataset.task.name)

    def __call__(self, waiting: Sequence[TrialRecord]) -> list[Recipe]:
        """The recipes of all winners that are still to be trained."""
        speeds = self._speeds(waiting)
        return [
            final_recipe(
                self._images,
                self._search,
                epochs=self._config.final_epochs,
                seconds=seconds,
                images_per_second=speed,
                shift=self._config.shift or 0.0,
                augment=self._augment,
                class_weights=self._search.class_weights,
                seed=self._config.seed,
            )
            for speed, seconds in zip(speeds, self._seconds(speeds), strict=True)
        ]

    def plan(self, waiting: Sequence[TrialRecord]) -> tuple[list[Recipe], int]:
        """The recipes of all winners that are still to be trained, and the number of seeds."""
        recipes = self(waiting)
        if self._config.seeds is not None:
            return recipes, self._config.seeds
        if self._config.minutes is None:
            return recipes, SEEDS
        speeds = self._speeds(waiting)
        once = [recipe.images / speed for recipe, speed in zip(recipes, speeds, strict=True)]
        fit = [n for n in range(1, SEEDS + 1) if self._makespan(once * n) <= PACE * self._left()]
        return recipes, max(fit, default=1)

    def _left(self) -> float:
        """Seconds left for trainings; without end where there is no time limit."""
        if self._config.minutes is None:
            return inf
        return self._config.minutes * 60 - self._elapsed() - EXPORT_SECONDS * self._config.winners

    def _makespan(self, seconds: Sequence[float]) -> float:
        return makespan(seconds, self._config.workers or 1)

    def _speeds(self, waiting: Sequence[TrialRecord]) -> list[float]:
        """Images a second of each, at full resolution; the median where none was measured."""
        power = 2 if self._config.halving == "resolution" else 0
        known = [record.images_per_second * record.fidelity**power for record in waiting]
        measured = [speed for speed in known if speed > 1]
        usual = median(measured) if measured else 1.0
        return [speed if speed > 1 else usual for speed in known]

    def _seconds(self, speeds: Sequence[float]) -> list[float | None]:
        """Seconds of each training, so that all end in time and have the same number of images."""
        if self._config.minutes is None:
            return [None] * len(speeds)
        each = [1 / speed for speed in speeds]
        images = max(1.0, PACE * self._left()) / self._makespan(each * (self._config.seeds or 1))
        return [images * seconds for seconds in each]


def makespan(lengths: Sequence[float], workers: int) -> float:
    """When the last of some jobs ends if the longest waiting one always goes to the first free worker."""
    loads = [0.0] * workers
    for length in sorted(lengths, reverse=True):
        loads[loads.index(min(loads))] += length
    return max(loads)
