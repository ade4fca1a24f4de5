"""What a classifier is trained towards: labels, softened labels, or labels and a teacher's answers.

Targets are whole numbers of shape (n,), shares of all classes (n, classes), or such shares with the
teacher's softened probabilities behind them (n, 2 * classes). Validation always has labels, so its loss is
the plain cross-entropy whatever softens the training.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgenas.train.recipe import Recipe

SMALLEST = 1e-7
"""Probabilities below this count as this much, so that no logarithm is infinite."""


def one_hot(labels: np.ndarray, classes: int) -> np.ndarray:
    """Labels (n,) as float32 shares (n, classes)."""
    shares: np.ndarray = np.eye(classes, dtype=np.float32)[labels]
    return shares


def smoothed(shares: np.ndarray, smoothing: float) -> np.ndarray:
    """Shares of classes with a part of each spread over all of them (Szegedy et al. 2016)."""
    spread: np.ndarray = ((1 - smoothing) * shares + smoothing / shares.shape[-1]).astype(np.float32)
    return spread


def softened(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Probabilities as they would be if their logits were divided by a temperature."""
    scaled = np.maximum(probabilities, SMALLEST) ** (1.0 / temperature)
    softer: np.ndarray = (scaled / scaled.sum(axis=-1, keepdims=True)).astype(np.float32)
    return softer


def crossentropy(recipe: Recipe) -> Any:
    """The keras loss of a recipe whose targets are softened, for a model that ends in probabilities.

    With a teacher it is ``(1 - distill) * H(shares, p) + distill * T^2 * H(teacher, p softened by T)``
    (Hinton et al. 2015); H is the cross-entropy.
    """
    import keras
    from keras import ops

    weight, temperature = recipe.distill, recipe.temperature

    def entropy(shares: Any, logs: Any) -> Any:
        return -ops.sum(ops.cast(shares, logs.dtype) * logs, axis=-1)

    class Crossentropy(keras.losses.Loss):
        def call(self, y_true: Any, y_pred: Any) -> Any:
            classes = y_pred.shape[-1]
            logs = ops.log(ops.clip(ops.cast(y_pred, "float32"), SMALLEST, 1.0))
            if y_true.ndim == 1 or y_true.shape[-1] == 1:
                return entropy(ops.one_hot(ops.reshape(y_true, (-1,)), classes), logs)
            hard = entropy(y_true[..., :classes], logs)
            if y_true.shape[-1] == classes:
                return hard
            soft = entropy(y_true[..., classes:], ops.log_softmax(logs / temperature, axis=-1))
            return (1 - weight) * hard + weight * temperature**2 * soft

    return Crossentropy(name="crossentropy")


def right_share() -> Any:
    """A keras metric ``accuracy`` for each of the targets above."""
    import keras
    from keras import ops

    def right(y_true: Any, y_pred: Any) -> Any:
        guess = ops.argmax(y_pred, axis=-1)
        if y_true.ndim == 1 or y_true.shape[-1] == 1:
            label = ops.reshape(y_true, (-1,))
        else:
            label = ops.argmax(y_true[..., : y_pred.shape[-1]], axis=-1)
        return ops.cast(ops.equal(ops.cast(label, guess.dtype), guess), "float32")

    return keras.metrics.MeanMetricWrapper(right, name="accuracy")
