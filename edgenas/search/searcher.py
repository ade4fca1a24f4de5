"""Searcher: the ask/tell contract on which every search method stands.

A searcher keeps no state but what it was asked and told, and draws each proposal from a generator
seeded by (seed, number of the ask). So a run resumes by replaying its trials, and one seed gives
one sequence.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from edgenas.arch.spec import ArchSpec
from edgenas.errors import EdgenasError
from edgenas.registry import Registry
from edgenas.search.problem import Candidate, Problem

if TYPE_CHECKING:
    from edgenas.search.transfer import Earlier
    from edgenas.search.workshop import Workshop
    from edgenas.train.job import Job

PROPOSALS = 50
"""How often a searcher's own proposal may be refused before a random one is repaired instead."""

REPAIRS = 200
"""How many repaired random proposals may turn out to be known before a space counts as used up."""


class SpaceExhaustedError(EdgenasError):
    """Everything that could be found within the budgets has been asked already."""


@dataclass(frozen=True, slots=True)
class Observation:
    """What became of a candidate.

    Attributes:
        candidate: The one that was trained.
        point: Its objectives in the problem's order, or None if its training failed.
    """

    candidate: Candidate
    point: tuple[float, ...] | None


class Searcher(ABC):
    """Proposes candidates that fit all budgets and were never proposed before.

    A subclass fills `propose`; budgets, duplicates and bookkeeping are handled here.

    Args:
        problem: What is searched.
        seed: One seed gives one sequence of candidates for one sequence of results.

    Attributes:
        observations: Everything told so far, in order.
        refused: How many proposals each budget has refused, by metric.
        first: What is proposed before anything else, for example networks of an earlier run.
        has_parents: Whether it makes candidates from others, and says from which (`child_of`).
        inherits: Whether its children are to begin with their parents' weights.
    """

    has_parents: bool = False
    inherits: bool = False

    def __init__(self, problem: Problem, seed: int = 0) -> None:
        self.problem = problem
        self.seed = seed
        self.observations: list[Observation] = []
        self.refused: Counter[str] = Counter()
        self.first: Sequence[ArchSpec] = ()
        self._asked: set[str] = set()
        self._parent: str | None = None

    @classmethod  # noqa: B027  most searchers search anything
    def refuse(cls, problem: Problem) -> None:
        """Refuse a problem that it cannot search, before anything is trained.

        Raises:
            UsageError: It cannot; the message says why.
        """

    @abstractmethod
    def propose(self, rng: np.random.Generator) -> ArchSpec:
        """A spec worth training next; it may be over budget or known, then this is called again."""

    def ask(self) -> Candidate:
        """The next candidate to train.

        Raises:
            SpaceExhaustedError: Nothing new within the budgets can be found.
        """
        for spec in self.first:
            if spec.arch_id not in self._asked and self._is_new(candidate := self.problem.candidate(spec)):
                break
        else:
            candidate = self.draw(np.random.default_rng([self.seed, len(self._asked)]))
        self.note_asked(candidate.spec)
        return candidate

    def draw(self, rng: np.random.Generator) -> Candidate:
        """A new proposal within the budgets that does not count as asked yet.

        Raises:
            SpaceExhaustedError: Nothing new within the budgets can be found.
        """
        for _ in range(PROPOSALS):
            self._parent = None
            if self._is_new(candidate := self.problem.candidate(self.propose(rng))):
                return replace(candidate, parent=self._parent)
        for _ in range(REPAIRS):
            if self._is_new(candidate := self.problem.descend(self.problem.space.sample(rng), rng)):
                return candidate
        raise SpaceExhaustedError(
            f"nothing new within the budgets was found after {len(self._asked)} candidates"
        )

    def _is_new(self, candidate: Candidate) -> bool:
        violated = self.problem.violated(candidate.cost)
        self.refused.update(constraint.metric for constraint in violated)
        return not violated and candidate.spec.arch_id not in self._asked

    @property
    def asked(self) -> set[str]:
        """Names of what was asked for."""
        return self._asked

    def child_of(self, parent: ArchSpec, child: ArchSpec) -> ArchSpec:
        """The child, for `propose` to return; its parent is kept with it."""
        self._parent = parent.arch_id
        return child

    def note_asked(self, spec: ArchSpec, fidelity: float = 1.0) -> None:
        """Count a spec as asked for a training of a fidelity; for replaying a resumed run's trials."""
        self._asked.add(spec.arch_id)

    def learn_from(self, earlier: Earlier) -> None:
        """Begin with what an earlier run would have as its front here; before anything is asked."""
        self.first = earlier.seeds

    def prepare(self, workshop: Workshop) -> None:  # noqa: B027  most searchers rest on nothing
        """Train what the search rests on, before the first candidate is asked for; most need nothing.

        Called again on a resume: what is finished must be left alone, and what was cut off go on.

        Args:
            workshop: Trains, and has a place to keep what was trained.

        Raises:
            EdgenasError: It cannot be trained.
        """

    def evaluation(self, job: Job) -> Job:
        """The job that evaluates a candidate; most take its training as it is.

        Args:
            job: The candidate's own training.
        """
        return job

    def promote(
        self,
        short: Sequence[Observation],
        longer: Sequence[Observation],
        awaited: Sequence[ArchSpec],
    ) -> ArchSpec | None:
        """Whom to give a longer training; None leaves the choice to the results alone.

        Args:
            short: Results of the shorter training.
            longer: Results of the longer one.
            awaited: Candidates whose longer training goes on.
        """
        return None

    def tell(self, observation: Observation) -> None:
        """Take note of a result."""
        self.observations.append(observation)

    def look_ahead(self) -> None:  # noqa: B027  most have nothing to think about
        """Think about later proposals while trainings go on; they are the same ones without it."""

    def successes(self) -> list[Observation]:
        """The observations of trainings that did not fail, in order."""
        return [observation for observation in self.observations if observation.point is not None]


def points_of(observations: list[Observation]) -> np.ndarray:
    """Objectives of successful observations, float array of shape (n, objectives)."""
    return np.array([observation.point for observation in observations], dtype=float)


SEARCHERS: Registry[type[Searcher]] = Registry("searcher")
