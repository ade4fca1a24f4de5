"""Frames: what all networks that share weights have in common.

Strides and the number of stages say what the features of a stage are: shared tensors have to serve all
features at once that networks of several frames ask of them, and learn none of them well (measured in
docs/one_shot.md). In `mobile` the stem's stride is one of them; those of its stages follow the resolution,
which is elastic. Once-for-All (Cai et al. 2020) and BigNAS (Yu et al. 2020) fix strides and stages too:
depth, width, kernel, expansion and resolution are elastic. Several frames have shared tensors of their own
(several supernets instead of one: Zhao et al. 2021, "Few-Shot Neural Architecture Search").

No training chooses them. Networks of any frame that are trained for a moment tell how fast they learn, and
what is shallow and coarse learns fastest: after a thirtieth of a candidate's training, losses rank networks
of all frames no better than chance (measured there).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import moocore
import numpy as np

from edgenas.arch.spec import ArchSpec, Value

Pool = Sequence[tuple[int, ArchSpec]]
"""Networks with their MACs."""

Frame = Mapping[str, Value]
"""Decisions that a supernet's networks share, by name."""

LIKELY = 32
"""Frames that are looked at closely, at most: those that the pool's own networks speak for."""

_RIGID = re.compile(r"stages|(\w+_)?stride")


def frame_of(spec: ArchSpec) -> dict[str, Value]:
    """The decisions of an architecture that a supernet cannot share weights across."""
    return {name: value for name, value in sorted(spec.choices.items()) if _RIGID.fullmatch(name)}


def is_in(frame: Frame, spec: ArchSpec) -> bool:
    """Whether an architecture decided as a frame has it, wherever both had to decide."""
    return all(spec.choices.get(name, value) == value for name, value in frame.items())


@dataclass(frozen=True)
class Region:
    """Networks that share weights with each other.

    Attributes:
        frame: Decisions that they share.
        least_macs: MACs of the smallest; runs of earlier versions had several ranges.
        most_macs: MACs of the largest.
    """

    frame: Frame
    least_macs: int
    most_macs: int

    def has(self, spec: ArchSpec) -> bool:
        """Whether an architecture is one of them."""
        return is_in(self.frame, spec) and self.least_macs <= spec.graph().macs <= self.most_macs


def best_frames(pool: Pool, networks_of: Callable[[Frame], Pool], number: int = 1) -> list[Frame]:
    """The most promising frames of some networks, the best first.

    A frame is worth what its networks reach over the whole range of MACs: the hypervolume of parameters, a
    plain but strong proxy (White et al. 2022), against MACs, both logarithmic.

    Args:
        pool: Networks within the budgets, fewest MACs first; not empty.
        networks_of: Random networks of a frame within the budgets.
        number: How many frames, at most.
    """
    most, fewest = pool[-1][0], min(spec.graph().params for _, spec in pool)
    reference = [-math.log(fewest), math.log(max(1, most))]

    def worth(networks: Pool) -> float:
        points = [(-math.log(spec.graph().params), math.log(max(1, macs))) for macs, spec in networks]
        return float(moocore.hypervolume(np.array(points), ref=reference))

    members: dict[tuple[tuple[str, Value], ...], list[tuple[int, ArchSpec]]] = {}
    for one in pool:
        members.setdefault(tuple(frame_of(one[1]).items()), []).append(one)
    likely = sorted(members, key=lambda frame: (-worth(members[frame]), repr(frame)))[: max(number, LIKELY)]
    worths = {frame: worth([*members[frame], *networks_of(dict(frame))]) for frame in likely}
    return [dict(frame) for frame in sorted(likely, key=lambda frame: -worths[frame])[:number]]
