"""Asynchronous successive halving on several objectives, around any searcher.

New candidates get a short training; of all that had the same length, the third that is worth most
gets a longer one, and so on (Li et al. 2020, "A System for Massively Parallel Hyperparameter
Tuning"; on several objectives Schmucker et al. 2021). Costs are known exactly at every length, so
worth is what a candidate adds to the hypervolume of those promoted before it, among results of the
same length. Nothing waits: a promotion is made as soon as a rung has results enough for it.

The inner searcher is told the results of the lowest rung only, where every candidate has one: it
never sees results of different lengths side by side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from edgenas.arch.spec import ArchSpec
from edgenas.search.around import Around
from edgenas.search.fidelity import REDUCTION
from edgenas.search.pareto import hypervolume, unit_square
from edgenas.search.problem import Candidate
from edgenas.search.searcher import Observation, Searcher, SpaceExhaustedError

BEYOND_WORST = 1.1
"""Reference point of the hypervolume, in units of a rung's range."""


@dataclass
class Rung:
    """All trainings of one length."""

    fidelity: float
    results: dict[str, Observation] = field(default_factory=dict)
    promoted: list[str] = field(default_factory=list)

    def is_due(self, reduction: float) -> bool:
        """Whether there are results enough for one more promotion."""
        return len(self.promoted) < int(len(self.results) / reduction)

    def worthiest(self) -> ArchSpec | None:
        """The candidate that adds most hypervolume to those promoted; None if none adds anything."""
        done = {name: result for name, result in self.results.items() if result.point is not None}
        waiting = [name for name in done if name not in self.promoted]
        if not waiting:
            return None
        points = unit_square(np.array([result.point for result in done.values()], dtype=float))
        place = {name: points[row] for row, name in enumerate(done)}
        reference = np.full(points.shape[1], BEYOND_WORST)
        kept = [place[name] for name in self.promoted if name in place]
        before = hypervolume(np.array(kept), reference)
        gains = [hypervolume(np.array([*kept, place[name]]), reference) - before for name in waiting]
        best = int(np.argmax(gains))
        return done[waiting[best]].candidate.spec if gains[best] > 1e-12 else None


class SuccessiveHalving(Around):
    """Gives an inner searcher's candidates short trainings, and the worthy ones longer ones.

    Args:
        inner: Proposes candidates and learns from the shortest trainings.
        rungs: Fidelities, lowest first; the last one is the full training.
        reduction: One in so many of a rung goes on.
    """

    def __init__(self, inner: Searcher, rungs: Sequence[float], reduction: float = REDUCTION) -> None:
        super().__init__(inner)
        self.reduction = reduction
        self.rungs = [Rung(fidelity) for fidelity in rungs]

    def ask(self) -> Candidate:
        """A promotion if one is due, the longest first; else a new candidate.

        Raises:
            SpaceExhaustedError: Nothing new is left, and nothing is worth a longer training.
        """
        for position in reversed(range(len(self.rungs) - 1)):
            if self.rungs[position].is_due(self.reduction) and (spec := self._worthiest(position)):
                return self._promotion(position, spec)
        try:
            candidate = self.inner.ask()
        except SpaceExhaustedError:
            for position in reversed(range(len(self.rungs) - 1)):
                if spec := self._worthiest(position):
                    return self._promotion(position, spec)
            raise
        return replace(candidate, fidelity=self.rungs[0].fidelity)

    def _worthiest(self, position: int) -> ArchSpec | None:
        """Whom to promote: by the inner searcher's model, if it has one, else by the results."""
        rung, above = self.rungs[position], self.rungs[position + 1]
        awaited = [
            rung.results[name].candidate.spec
            for name in rung.promoted
            if name in rung.results and name not in above.results
        ]
        return (
            self.inner.promote(list(rung.results.values()), list(above.results.values()), awaited)
            or rung.worthiest()
        )

    def _promotion(self, position: int, spec: ArchSpec) -> Candidate:
        self.rungs[position].promoted.append(spec.arch_id)
        return replace(self.problem.candidate(spec), fidelity=self.rungs[position + 1].fidelity)

    def note_asked(self, spec: ArchSpec, fidelity: float = 1.0) -> None:
        """Count a training as asked; for replaying the trials of a resumed run."""
        position = self._position(fidelity)
        if position == 0:
            self.inner.note_asked(spec)
        else:
            self.rungs[position - 1].promoted.append(spec.arch_id)

    def tell(self, observation: Observation) -> None:
        """Take note of a result at its own rung."""
        super().tell(observation)
        position = self._position(observation.candidate.fidelity)
        self.rungs[position].results[observation.candidate.spec.arch_id] = observation
        if position == 0:
            self.inner.tell(observation)

    def _position(self, fidelity: float) -> int:
        return int(np.argmin([abs(rung.fidelity - fidelity) for rung in self.rungs]))
