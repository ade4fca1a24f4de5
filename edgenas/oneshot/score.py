"""The score of one candidate with weights cut from a supernet: a second instead of a training."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from edgenas.arch.graph import OpGraph
from edgenas.oneshot.elastic import Part, parts_of
from edgenas.oneshot.forward import Normalizer, Statistics, forward
from edgenas.train.job import DataFor, Job
from edgenas.train.trainer import Progress, TrainResult

SCORED_BY = "supernet"
"""What `TrainResult.scored_by` says of such a score."""

CALIBRATION = 1000
"""Training images that the statistics of batch normalizations come from, at most."""

VALIDATION = 3000
"""Validation images of a score, at most: the same for every candidate."""

BATCH = 500
BATCH_BYTES = 64 * 2**20
"""Size that the largest tensor of a batch may have."""

TRAINING_COST = 3
"""How many forward passes a training step takes, to guess a training's speed from a score's."""


@dataclass(frozen=True)
class ScoreJob(Job):
    """Recalibrates a cut network's batch normalizations and measures its validation accuracy.

    The weights it leaves are those of a real network, in the order of Keras.

    Attributes:
        names: One a block, from `SearchSpace.sharing`.
        weights: What `SharedWeights.cut` gave.
    """

    names: tuple[str, ...] = ()
    weights: tuple[np.ndarray, ...] = ()

    def perform(self, data_for: DataFor, on_epoch: Progress) -> tuple[TrainResult, list[np.ndarray]]:
        """Score the network."""
        started = time.perf_counter()
        (images, _), validation = data_for(self.spec.input_shape)
        graph = self.spec.graph()
        parts = parts_of(graph, self.names)
        chosen = np.sort(np.random.default_rng(0).permutation(len(images))[:CALIBRATION])
        statistics = calibrated(graph, parts, self.weights, images[chosen])
        scored = np.sort(np.random.default_rng(1).permutation(len(validation[1]))[:VALIDATION])
        right, loss = judged(graph, parts, self.weights, statistics, validation[0], validation[1], scored)
        seconds = time.perf_counter() - started
        result = TrainResult(
            right, loss, None, 0, False, seconds,
            (len(chosen) + len(scored)) / seconds / TRAINING_COST, [], scored_by=SCORED_BY,
        )  # fmt: skip
        return result, in_keras_order(parts, self.weights, statistics)


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


def judged(
    graph: OpGraph,
    parts: Sequence[Part],
    weights: Sequence[np.ndarray],
    statistics: Statistics,
    images: np.ndarray,
    labels: np.ndarray,
    chosen: np.ndarray,
) -> tuple[float, float]:
    """Share of right classes and cross-entropy on some images."""
    import tensorflow as tf

    size, normalizer = batch_of(graph), Normalizer(statistics)
    tensors = [tf.constant(array) for array in weights]
    right, loss = 0, 0.0
    for start in range(0, len(chosen), size):
        some = chosen[start : start + size]
        logits = forward(graph, parts, tensors, tf.constant(images[some]), normalizer)
        wanted = labels[some].astype(np.int64)
        loss += float(tf.reduce_sum(tf.nn.sparse_softmax_cross_entropy_with_logits(wanted, logits)))
        right += int(np.sum(logits.numpy().argmax(axis=-1) == wanted))
    return right / len(chosen), loss / len(chosen)


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
