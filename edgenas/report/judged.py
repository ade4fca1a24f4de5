"""How a run's candidates were judged, in words: by a training each, or by scores with shared weights."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Judged:
    """What is said of candidates.

    Attributes:
        verb: What happened to them.
        after: When a figure was taken.
        ranked: What ranked them.
    """

    verb: str
    after: str
    ranked: str


TRAINED = Judged("trained", "after its short training", "the short trainings of the search")
SCORED = Judged("scored", "by its score with a supernet's weights", "the scores with a supernet's weights")


def judged_by(supernet: object) -> Judged:
    """The words for a run.

    Args:
        supernet: What the run knows of its supernet; None or empty where its candidates were trained.
    """
    return SCORED if supernet else TRAINED
