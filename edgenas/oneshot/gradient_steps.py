"""Steps of a super-network's weights, and the derivative of its loss after the gates."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgenas.oneshot.descent import rate_at
from edgenas.oneshot.gradient_gates import Gates
from edgenas.oneshot.gradient_net import SuperNetwork, Tensor
from edgenas.task import Task
from edgenas.train.recipe import Recipe

MOMENTUM = 0.9
ADAM = (0.9, 0.999, 1e-7)


class Steps:
    """A super-network's weights in training.

    Args:
        net: The network.
        recipe: Optimizer, learning rate and its schedule.
        total: Steps of the whole training.
        task: What the network is for.
        flat: First weights.
    """

    def __init__(self, net: SuperNetwork, recipe: Recipe, total: int, task: Task, flat: np.ndarray) -> None:
        import tensorflow as tf

        self.net, self.recipe, self.total, self.task = net, recipe, total, task
        self.flat, self.means, self.squares = (
            tf.Variable(array) for array in (flat, np.zeros_like(flat), np.zeros_like(flat))
        )
        self._decayed = tf.constant(net.parameters.decayed * recipe.weight_decay)
        # Eager steps took three to ten times as long; each trace takes some two seconds.
        self._learn = tf.function(self._weights_step, autograph=False)
        self._look = tf.function(self._gates_step, autograph=False)

    @property
    def arrays(self) -> list[np.ndarray]:
        """Everything that a checkpoint must hold."""
        return [variable.numpy() for variable in (self.flat, self.means, self.squares)]

    def restore(self, arrays: list[np.ndarray]) -> None:
        """Take over what `arrays` gave."""
        for variable, array in zip((self.flat, self.means, self.squares), arrays, strict=True):
            variable.assign(array)

    def learn(self, batch: tuple[np.ndarray, ...], gates: Gates, drop: float, step: int) -> float:
        """One step of the weights; the loss before it."""
        import tensorflow as tf

        rate, count = tf.constant(self.rate(step), tf.float32), tf.constant(step + 1.0, tf.float32)
        return float(self._learn(*self._tensors(batch, gates, drop, step), rate, count))

    def look(
        self, batch: tuple[np.ndarray, ...], gates: Gates, drop: float, step: int
    ) -> tuple[float, list[np.ndarray]]:
        """The loss, and its derivatives after the gates of each decision."""
        loss, slopes = self._look(*self._tensors(batch, gates, drop, step))
        vector = slopes.numpy().astype(float)
        return float(loss), [vector[part] for part in self.net.skeleton.slices]

    def outputs(self, images: np.ndarray, gates: Gates) -> np.ndarray:
        """What the network of some gates gives, with the statistics of these images; not traced."""
        found = self.net.outputs_of(images, self.flat, gates.flat, self.net.cuts(gates))
        return np.asarray(found)

    def loss(self, images: np.ndarray, targets: np.ndarray, gates: Gates) -> float:
        """The mean loss of some gates on some examples; not traced."""
        import tensorflow as tf

        outputs = tf.constant(self.outputs(images, gates))
        return float(self._loss(outputs, tf.constant(targets), None))

    def rate(self, step: int) -> float:
        """The recipe's learning rate."""
        return rate_at(min(1.0, step / self.total), self.recipe.peak_learning_rate, self.recipe.warmup)

    def _tensors(
        self, batch: tuple[np.ndarray, ...], gates: Gates, drop: float, step: int
    ) -> tuple[Tensor, ...]:
        import tensorflow as tf

        images, targets = (tf.constant(part) for part in batch[:2])
        weights = tf.constant(batch[2] if len(batch) > 2 else np.ones(len(batch[0]), np.float32))
        return (
            images, targets, weights, tf.constant(gates.flat), tf.constant(self.net.cuts(gates)),
            tf.constant(drop, tf.float32), tf.constant([self.recipe.seed % 2**31, step], tf.int32),
        )  # fmt: skip

    def _loss(self, outputs: Tensor, targets: Tensor, weights: Tensor | None) -> Tensor:
        import keras
        import tensorflow as tf

        if self.task.loss is not None:
            losses = keras.losses.get(self.task.loss)(targets, outputs)
        elif targets.shape.rank == 1:
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(tf.cast(targets, tf.int32), outputs)
        else:
            losses = tf.nn.softmax_cross_entropy_with_logits(targets, outputs)
        return tf.reduce_mean(losses if weights is None else losses * weights)

    def _weights_step(
        self, images: Tensor, targets: Tensor, weights: Tensor, gates: Tensor, cuts: Tensor, drop: Tensor,
        seed: Tensor,
        rate: Tensor, count: Tensor,
    ) -> Tensor:  # fmt: skip
        import tensorflow as tf

        with tf.GradientTape() as tape:
            loss = self._loss(
                self.net.outputs_of(images, self.flat, gates, cuts, drop, seed), targets, weights
            )
        slope = tape.gradient(loss, self.flat)
        if self.recipe.optimizer == "adamw":
            low, high, small = ADAM
            self.means.assign(low * self.means + (1 - low) * slope)
            self.squares.assign(high * self.squares + (1 - high) * slope**2)
            mean, square = self.means / (1 - low**count), self.squares / (1 - high**count)
            move: Any = -rate * mean / (tf.sqrt(square) + small)
        else:
            self.means.assign(MOMENTUM * self.means - rate * slope)
            move = MOMENTUM * self.means - rate * slope
        self.flat.assign_add(move - rate * self._decayed * self.flat)
        return loss

    def _gates_step(
        self, images: Tensor, targets: Tensor, weights: Tensor, gates: Tensor, cuts: Tensor, drop: Tensor,
        seed: Tensor
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        import tensorflow as tf

        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(gates)
            loss = self._loss(
                self.net.outputs_of(images, self.flat, gates, cuts, drop, seed), targets, weights
            )
        return loss, tape.gradient(loss, gates)
