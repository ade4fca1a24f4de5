"""The part of a space that a supernet has weights for."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from edgenas.arch.chooser import Chooser, FixedChooser
from edgenas.arch.graph import OpGraph
from edgenas.arch.space import SearchSpace
from edgenas.arch.spec import ArchSpec
from edgenas.oneshot.elastic import SharedWeights, parts_of
from edgenas.oneshot.frames import Frame, is_in

TRIES = 100
"""How often a network that the supernet has no weights for is replaced by another one."""


class CoveredSpace(SearchSpace):
    """A space without the networks that a supernet has no weights for.

    Args:
        space: The whole space.

    Attributes:
        frame: Decisions that are fixed (`edgenas.oneshot.frames`); empty before they are known.
        covers: Says whether a network can be scored; None before that is known.
    """

    def __init__(self, space: SearchSpace) -> None:
        self.space = space
        self.name, self.heads, self.descent_steps = space.name, space.heads, space.descent_steps
        self.input_shape, self.classes, self.head = space.input_shape, space.classes, space.head
        self.frame: Frame = {}
        self.covers: Callable[[ArchSpec], bool] | None = None

    def decide(self, chooser: Chooser) -> ArchSpec:
        """The architecture of the frame that the chooser's answers describe, whether it is covered or not."""
        return self.space.decide(FixedChooser(chooser, self.frame))

    def graph(self, spec: ArchSpec) -> OpGraph:
        """The operations of a spec."""
        return self.space.graph(spec)

    def sharing(self, spec: ArchSpec) -> tuple[str, ...]:
        """Names of a spec's blocks for shared weights."""
        return self.space.sharing(spec)

    def sample(self, rng: np.random.Generator) -> ArchSpec:
        """A random architecture that is covered."""
        return self._covered(lambda: super(CoveredSpace, self).sample(rng))

    def mutate(self, spec: ArchSpec, rng: np.random.Generator) -> ArchSpec:
        """A mutant that is covered."""
        return self._covered(lambda: super(CoveredSpace, self).mutate(spec, rng))

    def crossover(self, first: ArchSpec, second: ArchSpec, rng: np.random.Generator) -> ArchSpec:
        """A child that is covered."""
        return self._covered(lambda: super(CoveredSpace, self).crossover(first, second, rng))

    def _covered(self, make: Callable[[], ArchSpec]) -> ArchSpec:
        for _ in range(TRIES):
            if self.covers is None or self.covers(spec := make()):
                break
        return make() if self.covers is None else spec


def covers(
    space: SearchSpace, weights: SharedWeights, most_macs: int, frame: Frame
) -> Callable[[ArchSpec], bool]:
    """What says whether a network is of a supernet's frame and no larger than those it was trained with."""

    def covered(spec: ArchSpec) -> bool:
        if not is_in(frame, spec):
            return False
        graph = space.graph(spec)
        return graph.macs <= most_macs and not weights.lacks(parts_of(graph, space.sharing(spec)))

    return covered
