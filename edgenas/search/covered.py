"""The part of a space that a supernet has weights for."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from edgenas.arch.chooser import Chooser, FixedChooser
from edgenas.arch.graph import OpGraph
from edgenas.arch.space import SearchSpace
from edgenas.arch.spec import ArchSpec
from edgenas.errors import TrialError
from edgenas.oneshot.elastic import SharedWeights, parts_of
from edgenas.oneshot.frames import Region

TRIES = 100
"""How often a network that the supernet has no weights for is replaced by another one."""

FRAME = "supernet_frame"
"""The decision which region a network is of."""


class CoveredSpace(SearchSpace):
    """A space without the networks that a supernet has no weights for.

    With several regions, which of them a network is of is a decision as any other, `FRAME`, and decisions
    that its frame fixes are none.

    Args:
        space: The whole space.

    Attributes:
        covers: Says whether a network can be scored; None before that is known.
    """

    def __init__(self, space: SearchSpace) -> None:
        self.space = space
        self.name, self.heads, self.descent_steps = space.name, space.heads, space.descent_steps
        self.input_shape, self.classes, self.head = space.input_shape, space.classes, space.head
        self._regions: tuple[Region, ...] = ()
        self.covers: Callable[[ArchSpec], bool] | None = None

    @property
    def regions(self) -> tuple[Region, ...]:
        """Whose networks these are; empty before they are known."""
        return self._regions

    @regions.setter
    def regions(self, regions: Iterable[Region]) -> None:
        self._regions = tuple(regions)
        self.__dict__.pop("names", None)  # what can be decided has changed

    def region_of(self, spec: ArchSpec) -> int | None:
        """Position of the region that a network is of, or None."""
        return next((place for place, region in enumerate(self._regions) if region.has(spec)), None)

    def decide(self, chooser: Chooser) -> ArchSpec:
        """The architecture of a region's frame that the chooser's answers describe, covered or not."""
        if not self._regions:
            return self.space.decide(chooser)
        places = range(len(self._regions))
        place = chooser.choice(FRAME, places) if len(places) > 1 else 0
        return self.space.decide(FixedChooser(chooser, self._regions[place].frame))

    def graph(self, spec: ArchSpec) -> OpGraph:
        """The operations of a spec."""
        return self.space.graph(spec)

    def sharing(self, spec: ArchSpec) -> tuple[str, ...]:
        """Names of a spec's blocks for shared weights; each of several regions has its own.

        Raises:
            TrialError: It is of none of several regions.
        """
        names = self.space.sharing(spec)
        if len(self._regions) < 2:
            return names
        if (place := self.region_of(spec)) is None:
            raise TrialError(f"network {spec.arch_id} has none of the supernet's {len(self._regions)} frames")
        return tuple(f"{place}:{name}" for name in names)

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


def covers(space: CoveredSpace, weights: SharedWeights) -> Callable[[ArchSpec], bool]:
    """What says whether a network is of a supernet's regions and has all its tensors there."""

    def covered(spec: ArchSpec) -> bool:
        if space.region_of(spec) is None:
            return False
        return not weights.lacks(parts_of(space.graph(spec), space.sharing(spec)))

    return covered
