"""Networks of one frame within budgets: what frames are judged by before a search by shared weights."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from edgenas.arch.spec import ArchSpec
from edgenas.oneshot.frames import Frame, Pool, Region, best_frames
from edgenas.profile.vela import VelaSource
from edgenas.search.covered import CoveredSpace
from edgenas.search.problem import Problem

OF_FRAME = 100
"""Random networks of a frame that tell what it is good for."""


def in_frame(problem: Problem, frame: Frame) -> Problem:
    """The problem over the networks of one frame alone."""
    space = problem.space.space if isinstance(problem.space, CoveredSpace) else problem.space
    framed = CoveredSpace(space)
    framed.regions = [Region(frame, 0, sys.maxsize)]
    return replace(problem, space=framed)


def frames_for(problem: Problem, pool: Pool, seed: int, number: int = 1) -> list[Frame]:
    """The most promising frames within the budgets, by `best_frames`.

    Where each network must be compiled, the pool alone tells.

    Args:
        problem: Space, costs and budgets.
        pool: Networks within the budgets, fewest MACs first; not empty.
        seed: Draws more networks of each frame.
        number: How many frames, at most.
    """

    def networks_of(frame: Frame) -> Pool:
        if isinstance(problem.cost_source, VelaSource):
            return []
        framed, rng = in_frame(problem, frame), np.random.default_rng([seed, 5])
        drawn = (framed.space.sample(rng) for _ in range(OF_FRAME))
        return [(cost.macs, spec) for spec in drawn if not framed.violated(cost := framed.cost_of(spec))]

    return best_frames(pool, networks_of, number)


def sized(specs: Iterable[ArchSpec]) -> list[tuple[int, ArchSpec]]:
    """Networks with their MACs, fewest first."""
    return sorted(((spec.graph().macs, spec) for spec in specs), key=lambda one: (one[0], one[1].arch_id))
