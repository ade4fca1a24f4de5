"""ProxyJob: scores a list of networks in the training process, where the data and Keras are."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from edgenas.arch.graph import Shape
from edgenas.arch.spec import ArchSpec
from edgenas.data.prepared import Prepared
from edgenas.data.resize import resize
from edgenas.oneshot.proxies.proxy import BATCH, PROXIES, Probe
from edgenas.train.job import DataFor, Job
from edgenas.train.trainer import Progress, TrainResult
from edgenas.train.weights import load_weights

LAST = -1e30
"""Score of a network whose own is not finite: it ranks behind all others."""


@dataclass(frozen=True)
class ProxyJob(Job):
    """Scores networks by proxies; ``weights_path`` receives the scores, see `read_scores`.

    The seed of the recipe draws the batch and the weights. ``spec`` has the shape that the data are prepared
    in; the batch is resized for a network that reads another one.

    Attributes:
        specs: The networks.
        proxies: Names of the proxies.
        batch: Training images a score is made of.
    """

    specs: tuple[ArchSpec, ...] = ()
    proxies: tuple[str, ...] = field(default=())
    batch: int = BATCH

    def perform(self, data_for: DataFor, on_epoch: Progress) -> tuple[TrainResult, list[np.ndarray]]:
        """Score all networks.

        Returns:
            A result without accuracy, and one float64 array of shape (networks, proxies).
        """
        started = time.monotonic()
        train_split, _ = data_for(self.spec.input_shape)
        rng = np.random.default_rng(self.recipe.seed)
        chosen = np.sort(rng.permutation(len(train_split[0]))[: self.batch])
        inputs = (
            train_split[0].take(chosen) if isinstance(train_split[0], Prepared) else train_split[0][chosen]
        )
        images, labels = np.asarray(inputs[:]), train_split[1][chosen]
        scores = np.array([self._scores(spec, images, labels) for spec in self.specs], dtype=np.float64)
        seconds = time.monotonic() - started
        speed = len(self.specs) / max(seconds, 1e-9)
        return TrainResult(None, 0.0, None, 0, False, seconds, speed, []), [scores]

    def _scores(self, spec: ArchSpec, images: np.ndarray, labels: np.ndarray) -> list[float]:
        import keras

        probe = Probe(spec, _sized(images, spec.input_shape), labels, self.recipe.seed, self.task)
        found = [PROXIES.get(name).score(probe) for name in self.proxies]
        keras.backend.clear_session()
        return [score if np.isfinite(score) else LAST for score in found]


def _sized(images: np.ndarray, shape: Shape) -> np.ndarray:
    """The batch in a network's input size; area averages commute with the normalization before them."""
    return images if images.shape[1:] == tuple(shape) else resize(images, (shape[0], shape[1]))


def read_scores(path: Path) -> np.ndarray:
    """The scores that a `ProxyJob` left, float64 of shape (networks, proxies)."""
    return load_weights(path)[0]
