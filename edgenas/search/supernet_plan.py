"""Where the supernet of a search comes from, and what a run's folder has of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgenas.errors import ConfigError
from edgenas.oneshot.anchors import Anchor
from edgenas.oneshot.frames import Region
from edgenas.search.problem import Problem
from edgenas.store import Store

FOLDER = "supernet"
"""Of a run; holds the shared weights."""

MOST_FRAMES = 8
"""Frames of a supernet, at most: its training is divided among them."""

SCORE = "accuracy expected by loss and MACs"
"""What a score is; runs with another kind of score are not gone on with, nor anchors taken over from them."""


@dataclass(frozen=True)
class SupernetPlan:
    """Where the supernet of a search comes from.

    Attributes:
        run: Folder of an earlier run whose supernet is used, or None to train one.
        epochs: Passes of its training, or None for what the data size suggests.
        rate: Peak learning rate for batches of 128, or None for the optimizer's own.
        shrinking: Whether the largest networks train first and smaller ones join.
        trust: Networks trained alone, by which scores are made and judged (`edgenas.oneshot.anchors`); None
            for its `ANCHORS`, or for those of the earlier run; 0 for no more.
        frames: How many frames its networks have, each with tensors of its own; None for one.

    Raises:
        ConfigError: A number out of range, or how to train a supernet that is trained already.
    """

    run: str | None = None
    epochs: int | None = None
    rate: float | None = None
    shrinking: bool = False
    trust: int | None = None
    frames: int | None = None

    def __post_init__(self) -> None:
        if self.epochs is not None and self.epochs < 1:
            raise ConfigError(f"{self.epochs} epochs of a supernet were given; expected 1 or more")
        if self.rate is not None and not 0 < self.rate < 10:
            raise ConfigError(f"rate {self.rate:g} of a supernet was given; expected above 0 and below 10")
        if self.frames is not None and not 1 <= self.frames <= MOST_FRAMES:
            raise ConfigError(f"{self.frames} frames of a supernet were given; expected 1 to {MOST_FRAMES}")
        if self.run is not None and (self.epochs or self.rate or self.shrinking or self.frames):
            raise ConfigError(
                f"the supernet of {self.run} was given with epochs, a rate, shrinking or frames; it is "
                "trained already: leave these out, or train another one (--supernet new)"
            )


def facts_of(folder: Path) -> dict[str, Any]:
    """What a run knows of its supernet.

    Raises:
        ConfigError: It has none.
    """
    store = Store.read(folder)
    try:
        facts = store.meta(FOLDER)
    finally:
        store.close()
    if facts is None or not weights_path(folder).exists():
        raise ConfigError(
            f"{folder} was given for --supernet and has no supernet; expected a run by --searcher one-shot"
        )
    return dict(facts)


def facts_for(folder: Path, problem: Problem, fingerprint: str) -> dict[str, Any]:
    """What a run knows of its supernet, if another search can use it.

    Args:
        folder: Of the run.
        problem: What the other search is for.
        fingerprint: Of its data.

    Raises:
        ConfigError: The run has none, or one of another space or other data.
    """
    facts = facts_of(folder)
    for name, value in problem_facts(problem, fingerprint).items():
        if facts[name] != value:
            raise ConfigError(
                f"the supernet of {folder} has {name} {facts[name]}, this search {value}; expected a run of "
                "the same space, data and --seed for --supernet"
            )
    return facts


def regions_of(facts: Mapping[str, Any]) -> list[Region]:
    """The regions of a run's supernet; runs of earlier versions had one frame, or none."""
    if "frames" in facts:
        return [Region(**region) for region in facts["frames"]]
    return [Region(facts.get("frame", {}), 0, facts["most_macs"])]


def anchors_of(facts: Mapping[str, Any]) -> list[Anchor]:
    """The networks that a run's supernet is judged by; earlier versions had losses of another kind."""
    return [Anchor(**one) for one in facts.get("anchors", ())] if facts.get("scored") == SCORE else []


def weights_path(folder: Path) -> Path:
    """Where the shared weights of a run lie."""
    return folder / FOLDER / "weights.npz"


def standing_path(folder: Path) -> Path:
    """Where a supernet's training that was cut off goes on from."""
    return folder / FOLDER / "standing.npz"


def problem_facts(problem: Problem, fingerprint: str) -> dict[str, Any]:
    """What must be the same for two searches to use one supernet."""
    return {
        "space": problem.space.name,
        "input_shape": list(problem.space.input_shape),
        "classes": problem.space.classes,
        "fingerprint": fingerprint,
    }
