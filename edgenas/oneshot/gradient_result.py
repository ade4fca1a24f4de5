"""What a gradient search leaves in its file: the distribution, its course, and the shared weights."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgenas.arch.graph import Shape
from edgenas.errors import StoreError
from edgenas.oneshot.gradient_gates import softmax
from edgenas.oneshot.gradient_space import Skeleton
from edgenas.train.weights import load_weights


@dataclass(frozen=True)
class Outcome:
    """What one search came to.

    Attributes:
        number: Which of its skeletons went on.
        history: One entry an epoch: loss, temperature, expected cost as a share of the target and more.
        multipliers: Of the target and of each budget, at the end.
        logits: Of each decision of that skeleton.
    """

    number: int
    history: Sequence[Mapping[str, float]]
    multipliers: Sequence[float]
    logits: Sequence[np.ndarray]

    def packed(self, shapes: Mapping[str, Shape], flat: np.ndarray) -> list[np.ndarray]:
        """As arrays, together with the shared weights.

        Args:
            shapes: Of the weights, by name.
            flat: All of them in one vector.
        """
        document = {
            "number": self.number,
            "history": list(self.history),
            "multipliers": list(self.multipliers),
            "sizes": [len(part) for part in self.logits],
            "shapes": {name: list(shape) for name, shape in shapes.items()},
        }
        return [np.array(json.dumps(document)), flat, np.concatenate(self.logits)]

    def probabilities(self, skeleton: Skeleton) -> list[dict[str, Any]]:
        """A document of the distribution: for each decision its options with their probabilities."""
        return [
            {
                "name": decision.name,
                "options": list(decision.options),
                "shares": softmax(part).round(5).tolist(),
            }
            for decision, part in zip(skeleton.decisions, self.logits, strict=True)
        ]


def read_outcome(path: Path) -> Outcome:
    """The outcome in a search's file.

    Raises:
        StoreError: The file cannot be read.
    """
    document, _, logits = _read(path)
    parts = np.split(logits, np.cumsum(document["sizes"])[:-1])
    return Outcome(document["number"], document["history"], document["multipliers"], parts)


def named_weights(path: Path) -> dict[str, np.ndarray]:
    """The shared weights in a search's file, by name.

    Raises:
        StoreError: The file cannot be read.
    """
    document, flat, _ = _read(path)
    shapes = {name: tuple(shape) for name, shape in document["shapes"].items()}
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes.values()])
    parts = np.split(flat, ends[:-1])
    return {name: part.reshape(shape) for part, (name, shape) in zip(parts, shapes.items(), strict=True)}


def _read(path: Path) -> tuple[dict[str, Any], np.ndarray, np.ndarray]:
    try:
        text, flat, logits = load_weights(path)
        return json.loads(str(text)), flat, logits
    except (StoreError, ValueError, KeyError) as error:
        raise StoreError(
            f"the gradient search's file {path} cannot be read ({error}); remove it and resume"
        ) from None
