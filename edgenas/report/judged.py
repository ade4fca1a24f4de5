"""How a run's candidates were judged, in words: by a training each, or by scores with shared weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgenas.config import scores_candidates


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


def judged_by(meta: Mapping[str, Any]) -> Judged:
    """The words for a run, also before its supernet is trained.

    Args:
        meta: What is known of the run, by name.
    """
    config = meta.get("config") or {}
    asked = scores_candidates(config.get("searcher"), config.get("supernet"))
    return SCORED if asked or meta.get("supernet") else TRAINED
