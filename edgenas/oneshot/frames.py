"""Frames: what all networks of one supernet have in common.

Strides, the number of stages, the stem, skips and activations say what the features of a stage are: shared
tensors have to serve all features at once that networks of several frames ask of them, and learn none of them
well (measured in docs/one_shot.md). Once-for-All (Cai et al. 2020) and BigNAS (Yu et al. 2020) fix them too:
depth, width, kernel, expansion and resolution are elastic, the frame is chosen before.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgenas.arch.space import SearchSpace
from edgenas.arch.spec import ArchSpec, Value
from edgenas.errors import TrialError
from edgenas.oneshot.supernet import SUPERNET_BATCH, Supernet, SupernetJob
from edgenas.train.job import DataFor, Job
from edgenas.train.recipe import Recipe
from edgenas.train.trainer import Progress, TrainResult
from edgenas.train.weights import load_weights

Frame = Mapping[str, Value]
"""Decisions that a supernet's networks share, by name."""

_RIGID = re.compile(r"stages|stem_\w+|(\w+_)?(stride|skip|activation)")

RACERS = 8
"""Frames that are compared, at most."""

FEWEST_IMAGES, MOST_IMAGES = 512, 4096
"""Training images that one network of each frame sees in the race, between these."""

RACE_COST = 0.1
"""What the race may take of a supernet's training, each image of which four networks see."""


def frame_of(spec: ArchSpec) -> dict[str, Value]:
    """The decisions of an architecture that a supernet cannot share weights across."""
    return {name: value for name, value in sorted(spec.choices.items()) if _RIGID.fullmatch(name)}


def is_in(frame: Frame, spec: ArchSpec) -> bool:
    """Whether an architecture decided as a frame has it, wherever both had to decide."""
    return all(frame.get(name, value) == value for name, value in frame_of(spec).items())


def racers_of(specs: Sequence[ArchSpec]) -> list[ArchSpec]:
    """One network of each of the most promising frames: the one with most parameters, a plain but strong
    proxy (White et al. 2022); frames with most parameters first.

    Args:
        specs: Networks within the budgets.
    """
    best: dict[tuple[tuple[str, Value], ...], ArchSpec] = {}
    for spec in sorted(specs, key=lambda spec: (-spec.graph().params, spec.arch_id)):
        best.setdefault(tuple(frame_of(spec).items()), spec)
    return list(best.values())[:RACERS]


def race_images(supernet: Recipe, racers: int) -> int:
    """Images that each network of a race sees, for the supernet whose frame it finds."""
    share = RACE_COST * 4 * supernet.images / max(1, racers)
    return int(max(FEWEST_IMAGES, min(MOST_IMAGES, share)))


@dataclass(frozen=True)
class RaceJob(Job):
    """Trains one network of each frame for a moment; ``weights_path`` receives their losses.

    The mean training loss over the second half of a short training ranks networks better than its validation
    accuracy does (Ru et al. 2021, "Speedy Performance Estimation").

    Attributes:
        space: Of the networks.
        specs: One a frame.
        images: Training images that each of them sees.
        seconds: No further one is begun after so long, or None.
    """

    space: SearchSpace | None = None
    specs: tuple[ArchSpec, ...] = ()
    images: int = MOST_IMAGES
    seconds: float | None = None

    def perform(self, data_for: DataFor, on_epoch: Progress) -> tuple[TrainResult, list[np.ndarray]]:
        """Train them one after the other.

        Raises:
            TrialError: The loss of every one of them became NaN or infinite.
        """
        started, losses = time.perf_counter(), np.full(len(self.specs), math.inf)
        for number, spec in enumerate(self.specs):
            if number and self.seconds is not None and time.perf_counter() - started > self.seconds:
                break
            losses[number] = self._raced(spec, data_for)
        if not np.isfinite(losses).any():
            raise TrialError("the loss of every frame's network became NaN; a lower --supernet-rate may help")
        seconds, best = time.perf_counter() - started, float(losses.min())
        speed = len(self.specs) * self.images / seconds
        return TrainResult(None, best, None, 1, False, seconds, speed, []), [losses]

    def _raced(self, spec: ArchSpec, data_for: DataFor) -> float:
        half = max(1, self.images // 2)
        recipe = Recipe(
            2, half, min(SUPERNET_BATCH, half),
            learning_rate=self.recipe.learning_rate, seed=self.recipe.seed,
            class_weights=self.recipe.class_weights,
        )  # fmt: skip
        course = Supernet(SupernetJob(spec, recipe, space=self.space, specs=(spec,)), data_for)
        try:
            course.run(lambda entry: None)
        except TrialError:
            return math.inf
        return course.history[-1]["loss"]


def winner_of(path: Path, specs: tuple[ArchSpec, ...]) -> ArchSpec:
    """The network whose frame a `RaceJob` found best."""
    return specs[int(np.argmin(load_weights(path)[0]))]
