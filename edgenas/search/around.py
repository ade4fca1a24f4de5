"""Around: a searcher around another one, the base of what guides or judges any method."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from edgenas.arch.spec import ArchSpec
from edgenas.search.searcher import Observation, Searcher
from edgenas.search.transfer import Earlier

if TYPE_CHECKING:
    from edgenas.search.workshop import Workshop
    from edgenas.train.job import Job


class Around(Searcher):
    """Leaves everything to an inner searcher; a subclass changes what it is for.

    Args:
        inner: Proposes candidates and learns from results.
    """

    def __init__(self, inner: Searcher) -> None:
        super().__init__(inner.problem, inner.seed)
        self.inner = inner
        self.refused = inner.refused

    def propose(self, rng: np.random.Generator) -> ArchSpec:
        """What the inner searcher proposes."""
        return self.inner.propose(rng)

    def note_asked(self, spec: ArchSpec, fidelity: float = 1.0) -> None:
        """Let the inner searcher count it."""
        self.inner.note_asked(spec, fidelity)

    def learn_from(self, earlier: Earlier) -> None:
        """Let the inner searcher learn."""
        self.inner.learn_from(earlier)

    def prepare(self, workshop: Workshop) -> None:
        """Let the inner searcher prepare."""
        self.inner.prepare(workshop)

    def evaluation(self, job: Job) -> Job:
        """The inner searcher's way to evaluate."""
        return self.inner.evaluation(job)

    def promote(
        self, short: Sequence[Observation], longer: Sequence[Observation], awaited: Sequence[ArchSpec]
    ) -> ArchSpec | None:
        """Whom the inner searcher would give a longer training."""
        return self.inner.promote(short, longer, awaited)

    def look_ahead(self) -> None:
        """Let the inner searcher think."""
        self.inner.look_ahead()
