"""Gradient descent on shared weights: gradients of several networks, each of its own part of a tensor."""

from __future__ import annotations

from collections.abc import Iterable
from math import cos, pi

import numpy as np

from edgenas.oneshot.elastic import Array, Part, SharedWeights, cut_of

MOMENTUM = 0.9


class Descent:
    """SGD with Nesterov momentum (Sutskever et al. 2013) on the tensors that a step's networks use.

    A tensor moves by the mean over the networks of a step that use it, so that one which few networks have
    learns as fast as one that all have. What no network of a step uses stays where it is, momentum included.

    Args:
        weights: Changed in place.

    Attributes:
        velocity: One array a tensor of ``weights``, by name.
    """

    def __init__(self, weights: SharedWeights) -> None:
        self.weights = weights
        self.velocity = {name: np.zeros_like(array) for name, array in weights.arrays.items()}
        self._gradients: dict[str, Array] = {}
        self._users: dict[str, int] = {}

    def add(self, parts: Iterable[Part], gradients: Iterable[Array]) -> None:
        """Take note of the gradients of one network."""
        for part, gradient in zip(parts, gradients, strict=True):
            whole = self.weights.arrays[part.name]
            if part.name not in self._gradients:
                self._gradients[part.name] = np.zeros_like(whole)
                self._users[part.name] = 0
            self._gradients[part.name][cut_of(whole.shape, part.shape)] += gradient
            self._users[part.name] += 1

    def step(self, learning_rate: float) -> None:
        """Move by what was added since the last step."""
        for name, gradient in self._gradients.items():
            change = gradient * np.float32(learning_rate / self._users[name])
            used = gradient != 0
            velocity = self.velocity[name]
            velocity *= np.where(used, np.float32(MOMENTUM), np.float32(1.0))
            velocity -= change
            self.weights.arrays[name] += np.where(
                used, np.float32(MOMENTUM) * velocity - change, np.float32(0)
            )
        self._gradients, self._users = {}, {}


def rate_at(progress: float, peak: float, warmup: float) -> float:
    """Learning rate at a share of the training: a linear rise, then a cosine to zero (Loshchilov and Hutter).

    That of `edgenas.train.trainer.make_optimizer`, which rises from a tenth of the peak.

    Args:
        progress: Share that is done, 0 to 1.
        peak: Highest learning rate.
        warmup: Share in which it rises.
    """
    if progress < warmup:
        return peak * (0.1 + 0.9 * progress / warmup)
    return peak * 0.5 * (1.0 + cos(pi * (progress - warmup) / (1.0 - warmup)))
