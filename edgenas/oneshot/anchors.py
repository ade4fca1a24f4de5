"""Anchors: networks trained alone before a search, that say what a score means.

A moment of training says how fast a network learns rather than how much it can hold, which its size says.
Some networks trained alone relate both to the accuracy that counts, in the way of a performance predictor
(White et al. 2021, "How Powerful are Performance Predictors in Neural Architecture Search?"). Size is MACs:
among networks of one frame, parameters add nothing to them (measured in docs/one_shot.md).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgenas.oneshot.trust import compared

ANCHORS = 10
"""Networks that are trained alone, unless told otherwise."""

FEWEST = 6
"""Of these, so that a line through them is worth something."""

RIDGE = 1.0
"""Weight of the penalty on standardized figures: anchors are few."""

SOFTENING = 0.005
"""Added to errors before their logarithm: below it, ratios of errors say nothing."""


@dataclass(frozen=True)
class Anchor:
    """One network trained alone.

    Attributes:
        arch: Its ``arch_id``.
        loss: Of a moment of training with shared weights (`edgenas.oneshot.supernet.Brief`).
        macs: Multiply-accumulates of one example.
        params: Trained parameters.
        alone: Validation accuracy of its training alone.
        seconds: What that took.
    """

    arch: str
    loss: float
    macs: int
    params: int
    alone: float
    seconds: float


@dataclass(frozen=True)
class Expectation:
    """The accuracy that a training alone is expected to reach: ridge regression on the error's logarithm.

    Attributes:
        centre: Means of loss and log MACs over the anchors.
        scale: Their standard deviations.
        weights: Of the standardized figures.
        usual: Mean logarithm of the anchors' errors.
    """

    centre: tuple[float, ...]
    scale: tuple[float, ...]
    weights: tuple[float, ...]
    usual: float

    @classmethod
    def of(cls, anchors: Sequence[Anchor]) -> Expectation | None:
        """From some anchors; None where they are fewer than `FEWEST`."""
        return cls._fitted(anchors) if len(anchors) >= FEWEST else None

    @classmethod
    def _fitted(cls, anchors: Sequence[Anchor]) -> Expectation:
        figures = np.array([_figures(one.loss, one.macs) for one in anchors])
        errors = np.log([1.0 - one.alone + SOFTENING for one in anchors])
        centre, scale = figures.mean(axis=0), figures.std(axis=0)
        scale[scale == 0] = 1.0
        rows = (figures - centre) / scale
        penalty = RIDGE * np.eye(rows.shape[1])
        weights = np.linalg.solve(rows.T @ rows + penalty, rows.T @ (errors - errors.mean()))
        return cls(
            tuple(centre.tolist()), tuple(scale.tolist()), tuple(weights.tolist()), float(errors.mean())
        )

    def accuracy(self, loss: float, macs: int) -> float:
        """Expected of a network, 0 to 1."""
        rows = (np.array(_figures(loss, macs)) - self.centre) / self.scale
        error = math.exp(min(0.0, self.usual + float(rows @ self.weights))) - SOFTENING
        return 1.0 - min(1.0, max(0.0, error))


def _figures(loss: float, macs: int) -> tuple[float, float]:
    return loss, math.log(max(1, macs))


def sureness(loss: float) -> float:
    """A score where anchors are too few: the geometric mean of the probability given to the right class, of
    examples that weigh alike."""
    return math.exp(-loss)


def left_out(anchors: Sequence[Anchor]) -> list[float]:
    """The score of each anchor as it would be without its own training."""
    if len(anchors) < FEWEST:
        return [sureness(one.loss) for one in anchors]
    others = [[*anchors[:place], *anchors[place + 1 :]] for place in range(len(anchors))]
    return [
        Expectation._fitted(rest).accuracy(one.loss, one.macs)
        for one, rest in zip(anchors, others, strict=True)
    ]


def trust_in(anchors: Sequence[Anchor], failed: int) -> Mapping[str, Any]:
    """How far scores can be trusted, by the anchors, each left out in turn.

    Args:
        anchors: Networks trained alone.
        failed: How many more could not be.
    """
    pairs = [
        {"trial": one.arch, "score": score, "alone": one.alone, "macs": one.macs, "seconds": one.seconds}
        for one, score in zip(anchors, left_out(anchors), strict=True)
    ]
    return {"pairs": pairs, "failed": failed, **compared(pairs)}
