"""The order in which a training sees its images: a function of seed and epoch, so it can go on anywhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from edgenas.data.prepared import Prepared
from edgenas.task import CLASSIFICATION, Task
from edgenas.train.augment import Augmenter
from edgenas.train.loss import one_hot, smoothed, softened
from edgenas.train.recipe import Recipe
from edgenas.train.teacher import Answers

_ORDER, _SHIFT = 0, 1
"""Purposes of random numbers, so that each has a sequence of its own."""


class Walk:
    """Seeded permutations of all images, epoch after epoch; short epochs go on where the last one stopped.

    Args:
        images: float32 (n, height, width, channels).
        labels: int (n,).
        recipe: Batch size, seed, augmentation, class weights and what softens the labels.
        steps: Batches an epoch.
        answers: Gives a teacher's probabilities for some images, or None.
        classes: Number of classes; needed where labels are softened.
        task: What the network is for, and so what its outputs are compared with.
    """

    def __init__(
        self,
        images: np.ndarray,
        labels: np.ndarray,
        recipe: Recipe,
        steps: int,
        answers: Answers | None = None,
        classes: int | None = None,
        task: Task = CLASSIFICATION,
    ) -> None:
        self._images, self._labels, self._recipe, self._steps = images, labels, recipe, steps
        self._answers = answers
        self._task = task
        self._classes = classes or int(labels.max()) + 1
        self._augment = Augmenter(recipe.augment, recipe.shift)
        self._weights = np.array(recipe.class_weights, np.float32)
        self._known_pass, self._order = -1, np.empty(0, np.int64)

    def positions(self, epoch: int, step: int) -> np.ndarray:
        """Which images a step of an epoch (both from 0) sees."""
        size = self._recipe.batch_size
        epochs_a_pass = max(1, len(self._images) // (self._steps * size))
        one_pass, part = divmod(epoch, epochs_a_pass)
        if one_pass != self._known_pass:
            rng = np.random.default_rng([self._recipe.seed, _ORDER, one_pass])
            self._known_pass, self._order = one_pass, rng.permutation(len(self._images))
        first = (part * self._steps + step) * size
        if first + size <= len(self._images):
            return self._order[first : first + size]
        return self._order[np.arange(first, first + size) % len(self._images)]

    def batch(self, epoch: int, step: int) -> tuple[np.ndarray, ...]:
        """Images and targets (see `edgenas.train.loss`) of a step, and weights where classes have any."""
        chosen = self.positions(epoch, step)
        rng = np.random.default_rng([self._recipe.seed, _SHIFT, epoch, step])
        images = self._augment(self._images[chosen], rng)
        parts = [images, self._targets(chosen, images)]
        if len(self._weights):
            parts.append(self._weights[self._labels[chosen]])
        return self._augment.mixed(parts, rng)

    def _targets(self, chosen: np.ndarray, images: np.ndarray) -> np.ndarray:
        labels: np.ndarray = self._labels[chosen]
        if not self._recipe.softens:
            return self._task.targets(images, labels)
        shares = smoothed(one_hot(labels, self._classes), self._recipe.label_smoothing)
        if self._answers is None:
            return shares
        taught = softened(self._answers(chosen, images), self._recipe.temperature)
        return np.concatenate([shares, taught], axis=-1)


def as_they_lie(examples: Any, labels: np.ndarray, size: int) -> Any:
    """What ``fit`` validates with: arrays as they are, and examples on disk as a keras PyDataset."""
    if not isinstance(examples, Prepared):
        return examples, labels
    import keras

    class Batches(keras.utils.PyDataset):
        def __len__(self) -> int:
            return -(-len(labels) // size)

        def __getitem__(self, step: int) -> tuple[np.ndarray, np.ndarray]:
            part = slice(step * size, (step + 1) * size)
            return examples[part], labels[part]

    return Batches()


def keras_batches(walk: Walk, steps: int, epoch: Callable[[], int]) -> Any:
    """What ``fit`` takes the batches of one epoch from, anew for each.

    Args:
        walk: Gives the batches.
        steps: Batches an epoch.
        epoch: Says which epoch, from 0, is going on.
    """
    import keras

    if keras.backend.backend() == "tensorflow":
        return _tensorflow_batches(walk, steps, epoch)

    class Batches(keras.utils.PyDataset):
        def __len__(self) -> int:
            return steps

        def __getitem__(self, step: int) -> tuple[np.ndarray, ...]:
            return walk.batch(epoch(), step)

    return Batches()


def _tensorflow_batches(walk: Walk, steps: int, epoch: Callable[[], int]) -> Any:
    """A tf.data.Dataset; it takes half of the processor time that a PyDataset does."""
    import tensorflow

    parts = walk.batch(epoch(), 0)
    types = [tensorflow.as_dtype(part.dtype) for part in parts]

    def batch(step: Any) -> tuple[Any, ...]:
        found = tensorflow.numpy_function(lambda step: walk.batch(epoch(), int(step)), [step], types)
        for tensor, part in zip(found, parts, strict=True):
            tensor.set_shape(part.shape)
        return tuple(found)

    return tensorflow.data.Dataset.range(steps).map(batch).prefetch(2)
