"""The score of one candidate with weights cut from a supernet: seconds instead of a training.

Weights that many networks share are right for none, and more so for some kinds of network than for others:
the loss with weights as they were cut ranks networks less well than the loss while a moment of training makes
them a network's own (measured in docs/one_shot.md; NSGANetV2, Lu et al. 2020, fine-tunes them too).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from edgenas.arch.graph import OpGraph
from edgenas.arch.space import SearchSpace
from edgenas.oneshot.anchors import Expectation, sureness
from edgenas.oneshot.elastic import Part, parts_of
from edgenas.oneshot.forward import Normalizer, Statistics, forward
from edgenas.oneshot.supernet import Brief
from edgenas.train.job import DataFor, Job
from edgenas.train.trainer import Progress, TrainResult

SCORED_BY = "supernet"
"""What `TrainResult.scored_by` says of such a score."""

ADAPTATION = 2048
"""Training images that a candidate's weights adapt to, at most: the same for every candidate."""

CALIBRATION = 1000
"""Training images that the statistics of batch normalizations come from, at most."""

BATCH = 500
BATCH_BYTES = 64 * 2**20
"""Size that the largest tensor of a batch may have."""


@dataclass(frozen=True)
class ScoreJob(Job):
    """Adapts a cut network for a moment; its loss and MACs tell what a training alone would come to.

    ``val_accuracy`` of the result is the score: the accuracy that is expected, or `sureness` where nothing
    is. ``val_loss`` is the loss. The weights it leaves are those of a real network, in the order of Keras.

    Attributes:
        space: Of the network.
        weights: What `SharedWeights.cut` gave.
        images: Training images that it adapts to.
        expectation: What relates loss and MACs to the accuracy of a training alone, where that is known.
    """

    space: SearchSpace | None = None
    weights: tuple[np.ndarray, ...] = ()
    images: int = ADAPTATION
    expectation: Expectation | None = None

    def perform(self, data_for: DataFor, on_epoch: Progress) -> tuple[TrainResult, list[np.ndarray]]:
        """Score the network.

        Raises:
            TrialError: Its loss became NaN or infinite.
        """
        assert self.space is not None
        started = time.perf_counter()
        images = data_for(self.spec.input_shape)[0][0]
        number = min(self.images, len(images))
        brief = Brief.of(self.spec, self.space, self.recipe, number, data_for, self.weights)
        graph = self.space.graph(self.spec)
        parts = parts_of(graph, self.space.sharing(self.spec))
        chosen = np.sort(np.random.default_rng(0).permutation(len(images))[:CALIBRATION])
        statistics = calibrated(graph, parts, brief.weights, images[chosen])
        score = sureness(brief.loss)
        if self.expectation is not None:
            score = self.expectation.accuracy(brief.loss, graph.macs)
        seconds = time.perf_counter() - started
        result = TrainResult(
            score, brief.loss, None, 0, False, seconds, number / seconds, [], scored_by=SCORED_BY
        )
        return result, in_keras_order(parts, brief.weights, statistics)


def batch_of(graph: OpGraph) -> int:
    """Images at once, so that no tensor grows too large."""
    largest = max(prod(op.out_shape) for op in graph.ops)
    return max(8, min(BATCH, BATCH_BYTES // (4 * largest)))


def calibrated(
    graph: OpGraph, parts: Sequence[Part], weights: Sequence[np.ndarray], images: np.ndarray
) -> Statistics:
    """Mean and variance of every batch normalization over some images, averaged over batches.

    A supernet's own averages would be those of other networks (Yu and Huang 2019).
    """
    import tensorflow as tf

    size, seen = batch_of(graph), []
    tensors = [tf.constant(array) for array in weights]
    for start in range(0, max(1, len(images) - size + 1), size):
        normalizer = Normalizer()
        forward(graph, parts, tensors, tf.constant(images[start : start + size]), normalizer)
        seen.append({at: (mean.numpy(), spread.numpy()) for at, (mean, spread) in normalizer.seen.items()})
    return {
        position: (
            np.mean([batch[position][0] for batch in seen], axis=0),
            np.mean([batch[position][1] for batch in seen], axis=0),
        )
        for position in seen[0]
    }


def in_keras_order(
    parts: Sequence[Part], weights: Sequence[np.ndarray], statistics: Statistics
) -> list[np.ndarray]:
    """Weights as ``get_weights()`` of the Keras model has them: statistics behind each gamma and beta."""
    found: list[np.ndarray] = []
    for part, array in zip(parts, weights, strict=True):
        found.append(array)
        if part.role == "beta":
            found += [np.asarray(array, np.float32) for array in statistics[part.op]]
    return found
