"""How long each winner is trained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median

from edgenas.config import RunConfig
from edgenas.data.dataset import Dataset
from edgenas.records import TrialRecord
from edgenas.task import CLASSIFICATION
from edgenas.train.recipe import SHIFT, Recipe, final_recipe

PACE = 0.9
"""Speed of a final training against the search's: it is validated more often, and its images are shifted."""

EXPORT_SECONDS = 25.0
"""Time kept back for the artifacts of each winner."""


class FinalRecipes:
    """The recipes of the final trainings: what was asked for, or what the time left allows.

    With a time limit every winner gets the same number of epochs, and so a slow network more time
    than a fast one.
    """

    def __init__(
        self, config: RunConfig, dataset: Dataset, search: Recipe, elapsed: Callable[[], float]
    ) -> None:
        self._config, self._images, self._search, self._elapsed = config, len(dataset.train), search, elapsed
        self._shift = SHIFT if dataset.task == CLASSIFICATION else 0.0  # a target may say where something is

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
                shift=self._shift if self._config.shift is None else self._config.shift,
                seed=self._config.seed,
            )
            for speed, seconds in zip(speeds, self._seconds(speeds), strict=True)
        ]

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
        left = self._config.minutes * 60 - self._elapsed() - EXPORT_SECONDS * self._config.winners
        each = [1 / speed for speed in speeds]
        images = max(1.0, PACE * left) / makespan(each, self._config.workers or 1)
        return [images * seconds for seconds in each]


def makespan(lengths: Sequence[float], workers: int) -> float:
    """When the last of some jobs ends if the longest waiting one always goes to the first free worker."""
    loads = [0.0] * workers
    for length in sorted(lengths, reverse=True):
        loads[loads.index(min(loads))] += length
    return max(loads)
