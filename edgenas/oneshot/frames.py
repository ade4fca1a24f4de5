"""Frames: what all networks that share weights have in common.

Strides, the number of stages, the stem, skips and activations say what the features of a stage are: shared
tensors have to serve all features at once that networks of several frames ask of them, and learn none of them
well (measured in docs/one_shot.md). Once-for-All (Cai et al. 2020) and BigNAS (Yu et al. 2020) fix them too:
depth, width, kernel, expansion and resolution are elastic, the frame is chosen before.

The frame that is good for large networks is seldom that of small ones. So the range of MACs is divided into
regions with a frame and shared tensors of their own (several supernets instead of one: Zhao et al. 2021,
"Few-Shot Neural Architecture Search").
"""

from __future__ import annotations

import math
import re
import time
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, zip_longest
from pathlib import Path

import moocore
import numpy as np

from edgenas.arch.space import SearchSpace
from edgenas.arch.spec import ArchSpec, Value
from edgenas.errors import TrialError
from edgenas.oneshot.supernet import Brief
from edgenas.train.job import DataFor, Job
from edgenas.train.recipe import Recipe
from edgenas.train.trainer import Progress, TrainResult
from edgenas.train.weights import load_weights

Pool = Sequence[tuple[int, ArchSpec]]
"""Networks with their MACs."""

Frame = Mapping[str, Value]
"""Decisions that a supernet's networks share, by name."""

_RIGID = re.compile(r"stages|stem_\w+|(\w+_)?(stride|skip|activation)")

REGIONS = 3
"""Ranges of MACs with a frame of their own, at most."""

REGION_RATIO = 4.0
"""Most over least MACs that a region spans at least, unless all networks span less."""

FEWEST_IN_REGION = 12
"""Networks that a region must have."""

FRAMES = 32
"""Frames of a region that are looked at, at most."""

RACERS = 5
"""Of them those that race, at most."""

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


@dataclass(frozen=True)
class Region:
    """Networks that share weights with each other.

    Attributes:
        frame: Decisions that they share.
        least_macs: MACs of the smallest.
        most_macs: MACs of the largest.
    """

    frame: Frame
    least_macs: int
    most_macs: int

    def has(self, spec: ArchSpec) -> bool:
        """Whether an architecture is one of them."""
        return is_in(self.frame, spec) and self.least_macs <= spec.graph().macs <= self.most_macs


def parted(pool: Pool) -> list[Pool]:
    """A pool in up to `REGIONS` parts of like spans on a logarithmic axis of MACs, fewest MACs first.

    Args:
        pool: Networks with their MACs, fewest first; not empty.
    """
    least, most = max(1, pool[0][0]), max(1, pool[-1][0])
    for count in range(REGIONS, 1, -1):
        bounds = [least * (most / least) ** (number / count) for number in range(1, count)]
        rows = [0, *(bisect_left(pool, bound, key=lambda one: one[0]) for bound in bounds), len(pool)]
        parts = [pool[low:high] for low, high in pairwise(rows)]
        if most / least >= REGION_RATIO**count and min(map(len, parts)) >= FEWEST_IN_REGION:
            return parts
    return [pool]


@dataclass(frozen=True)
class Racer:
    """A frame and the network that stands for it."""

    frame: Frame
    spec: ArchSpec


def racers_of(part: Pool, networks_of: Callable[[Frame], Pool]) -> list[Racer]:
    """A region's most promising frames, the best first, each with a network.

    A frame is worth what its networks reach over the whole region, not at its upper end alone: the
    hypervolume of parameters, a plain but strong proxy (White et al. 2022), against MACs, both logarithmic.
    Each is represented by the network with most parameters in the lower half of the region.

    Args:
        part: The region's networks.
        networks_of: Random networks of a frame that are in the region, fewest MACs first.
    """
    least, most = part[0][0], part[-1][0]
    fewest = min(spec.graph().params for _, spec in part)
    by_params = sorted(part, key=lambda one: (-one[1].graph().params, one[1].arch_id))
    frames = list({tuple(frame_of(spec).items()): None for _, spec in by_params})[:FRAMES]
    found: list[tuple[float, Racer]] = []
    for frame in frames:
        if networks := networks_of(dict(frame)):
            points = [(-math.log(spec.graph().params), math.log(macs)) for macs, spec in networks]
            worth = float(moocore.hypervolume(np.array(points), ref=[-math.log(fewest), math.log(most)]))
            half = [spec for macs, spec in networks if macs <= math.sqrt(least * most)] or [networks[0][1]]
            largest = max(half, key=lambda spec: (spec.graph().params, spec.arch_id))
            whole = dict(sorted({**frame_of(largest), **dict(frame)}.items()))
            found.append((worth, Racer(whole, largest)))
    found.sort(key=lambda one: (-one[0], one[1].spec.arch_id))
    known = by_params[0][1]
    return [racer for _, racer in found[:RACERS]] or [Racer(frame_of(known), known)]


def in_turns(races: Sequence[Sequence[Racer]]) -> tuple[ArchSpec, ...]:
    """The networks of several races, the first of each, then the second of each, as long as there are any."""
    rounds = zip_longest(*races)
    return tuple(racer.spec for one in rounds for racer in one if racer is not None)


def race_images(supernet: Recipe, racers: int) -> int:
    """Images that each of all networks in a race sees, for the supernet whose frames it finds."""
    share = RACE_COST * 4 * supernet.images / max(1, racers)
    return int(max(FEWEST_IMAGES, min(MOST_IMAGES, share)))


@dataclass(frozen=True)
class RaceJob(Job):
    """Trains one network of each frame for a moment; ``weights_path`` receives their losses.

    What counts is the mean training loss of `edgenas.oneshot.supernet.Brief`.

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
        assert self.space is not None
        try:
            return Brief.of(spec, self.space, self.recipe, self.images, data_for).loss
        except TrialError:
            return math.inf


def winners_of(path: Path, racers: Sequence[ArchSpec], races: Sequence[Sequence[Racer]]) -> list[Racer]:
    """Whom a `RaceJob` found best, one of each race; of those not begun in time, the first.

    Args:
        path: What the job left.
        racers: The networks that raced, in the job's order.
        races: The frames to choose from.
    """
    raced = zip(racers, load_weights(path)[0], strict=True)
    losses = {spec.arch_id: float(loss) for spec, loss in raced}
    return [min(race, key=lambda racer: losses[racer.spec.arch_id]) for race in races]
