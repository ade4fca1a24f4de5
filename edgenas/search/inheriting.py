"""Inheriting: children begin with their parents' weights and get a shorter training, around a searcher.

A score of inherited weights is not that of a fresh training: it counts as a fidelity of its own and stands
beside none until it is calibrated. So the first children are trained both ways, and of the later ones one in
`PAIR_EVERY`; the ratio of both errors corrects the scores of all others (`edgenas.search.calibration`). The
inner searcher is told fresh scores and corrected ones, never an inherited one as it is.
"""

from __future__ import annotations

from dataclasses import replace

from edgenas.arch.spec import ArchSpec
from edgenas.errors import ConfigError
from edgenas.search.around import Around
from edgenas.search.calibration import FEWEST, Calibration
from edgenas.search.problem import Candidate
from edgenas.search.searcher import SEARCHERS, Observation, Searcher

PAIR_EVERY = 12
"""One child in so many is trained both ways once the scores are calibrated, so that a drift is seen."""


def check_parents(name: str) -> None:
    """Refuse a searcher whose candidates have no parents.

    Raises:
        ConfigError: It has none.
    """
    if not SEARCHERS.get(name).has_parents:
        able = [other for other in SEARCHERS.names() if SEARCHERS.get(other).has_parents]
        raise ConfigError(
            f"--inherit was given with searcher '{name}', whose candidates have no parents; expected "
            f"--searcher {' or '.join(able)}"
        )


def check_inherit(share: float, halving: str | None, stop_curves: bool | None) -> None:
    """Refuse a share that is none, and what would make fidelities of two kinds.

    Raises:
        ConfigError: Something does not go together.
    """
    if not 0 < share < 1:
        raise ConfigError(
            f"--inherit {share:g} was given; expected a share of the epochs above 0 and below 1"
        )
    if halving or stop_curves:
        other = "--halving" if halving else "--stop-curves"
        raise ConfigError(
            f"--inherit was given with {other}; inherited trainings are short ones of their own kind: "
            "give one of the two"
        )


class Inheriting(Around):
    """Lets an inner searcher's children inherit, and calibrates their scores.

    Args:
        inner: Proposes candidates with parents.
        share: Share of a full training that a child gets.

    Attributes:
        calibration: As far as it is known.
        paired: Names of the networks that are trained both ways.
    """

    has_parents = True
    inherits = True

    def __init__(self, inner: Searcher, share: float) -> None:
        super().__init__(inner)
        self.share = share
        self.calibration: Calibration | None = None
        self.paired: list[str] = []
        self._owed: list[ArchSpec] = []
        self._since = 0
        self._both: dict[str, dict[bool, float | None]] = {}
        self._waiting: list[Observation] = []

    def ask(self) -> Candidate:
        """The fresh training of a child that was asked for before, or the inner searcher's next candidate.

        Raises:
            SpaceExhaustedError: Nothing new within the budgets can be found.
        """
        if self._owed:
            return self.problem.candidate(self._owed.pop(0))
        candidate = self.inner.ask()
        if candidate.parent is None:
            return candidate
        self._begin(candidate.spec)
        return replace(candidate, fidelity=self.share)

    def _begin(self, child: ArchSpec) -> None:
        """Decide whether a child is trained both ways."""
        broken = sum(None in self._both.get(name, {}).values() for name in self.paired)
        if len(self.paired) - broken < FEWEST or self._since >= PAIR_EVERY:
            self.paired.append(child.arch_id)
            self._owed.append(child)
            self._since = 0
        self._since += 1

    def note_asked(self, spec: ArchSpec, fidelity: float = 1.0) -> None:
        """Count a training as asked; for replaying the trials of a resumed run."""
        if fidelity < 1:
            self.inner.note_asked(spec)
            self._begin(spec)
        elif any(owed.arch_id == spec.arch_id for owed in self._owed):
            self._owed = [owed for owed in self._owed if owed.arch_id != spec.arch_id]
        else:
            self.inner.note_asked(spec)

    def tell(self, observation: Observation) -> None:
        """Take note of a result: a fresh one at once, an inherited one when it can be corrected."""
        super().tell(observation)
        candidate = observation.candidate
        name, inherited = candidate.spec.arch_id, candidate.fidelity < 1
        if name in self.paired:
            error = observation.point[0] if observation.point else None
            self._both.setdefault(name, {})[inherited] = error
            self._calibrate()
        if not inherited or (observation.point is None and name not in self.paired):
            self.inner.tell(observation)
        elif name not in self.paired:
            self._waiting.append(observation)
        if self.calibration is not None:
            for waiting in self._waiting:
                self.inner.tell(self._corrected(waiting, self.calibration))
            self._waiting.clear()

    def _calibrate(self) -> None:
        both = [self._both.get(name, {}) for name in self.paired]
        pairs = [(found[True], found[False]) for found in both if len(found) == 2]
        known = [(first, second) for first, second in pairs if first is not None and second is not None]
        self.calibration = Calibration.of(known)

    def _corrected(self, observation: Observation, calibration: Calibration) -> Observation:
        assert observation.point is not None
        error = calibration.corrected(observation.point[0])
        return Observation(observation.candidate, (error, *observation.point[1:]))
