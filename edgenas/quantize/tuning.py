"""Short trainings of tf_keras models: the one fine-tuning that all schemes share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from edgenas.errors import TrialError
from edgenas.quantize.scheme import Material

MOST_EPOCHS = 20
BATCH, EVALUATED = 64, 500
LEARNING_RATE = 2e-3
"""Peak; with Nesterov momentum 0.9 and a cosine decay to zero. A fine-tuning must not undo the training."""


def fine_tune(
    model: Any,
    material: Material,
    scheme: str,
    *,
    learning_rate: float = LEARNING_RATE,
    callbacks: Sequence[Any] = (),
    counts_from: int = 0,
) -> dict[str, Any]:
    """Train a model in place and go back to the weights that were best on validation images.

    By default the weights that it came with count as the first candidate, so a training that only harms
    changes nothing.

    Args:
        model: A tf_keras classifier that ends in probabilities or in logits.
        material: Images, budget and seed.
        scheme: Who asks, for messages.
        learning_rate: Peak of the schedule.
        callbacks: Of tf_keras, which the scheme needs; they are called before the weights are looked at.
        counts_from: Epochs after which weights fulfil the scheme and may be the best; 0 where those that
            the model came with do.

    Returns:
        Facts: ``epochs, learning_rate, val_accuracy_before, val_accuracy_after``.

    Raises:
        DataError: No images to train with.
        TrialError: The loss became NaN or infinite.
    """
    import tf_keras

    train, validation = material.splits(scheme)
    epochs = epochs_of(material)
    tf_keras.utils.set_random_seed(material.seed % 2**32)
    schedule = tf_keras.optimizers.schedules.CosineDecay(learning_rate, steps_of(material) * epochs)
    model.compile(
        tf_keras.optimizers.SGD(schedule, momentum=0.9, nesterov=True),
        tf_keras.losses.SparseCategoricalCrossentropy(from_logits=not ends_in_softmax(model)),
        metrics=["accuracy"],
    )
    before = float(model.evaluate(*validation, batch_size=EVALUATED, verbose=0)[1])
    best = _best_weights(before, counts_from)
    watchers = [tf_keras.callbacks.TerminateOnNaN(), *callbacks, best]
    history = model.fit(
        *train, batch_size=BATCH, epochs=epochs, shuffle=True, validation_data=validation,
        validation_batch_size=EVALUATED, callbacks=watchers, verbose=0,
    ).history  # fmt: skip
    if not all(math.isfinite(loss) for loss in history["loss"]):
        raise TrialError(f"the loss of scheme '{scheme}' became NaN or infinite; it fails for this network")
    model.set_weights(best.weights)
    return {
        "epochs": epochs,
        "learning_rate": learning_rate,
        "val_accuracy_before": before,
        "val_accuracy_after": best.score,
    }


def epochs_of(material: Material) -> int:
    """Passes over the training images that the budget allows, at least one."""
    assert material.train is not None
    return max(1, min(MOST_EPOCHS, round(material.images / len(material.train[0]))))


def steps_of(material: Material) -> int:
    """Steps of an epoch."""
    assert material.train is not None
    return max(1, math.ceil(len(material.train[0]) / BATCH))


def halved(material: Material) -> Material:
    """The same with half the budget, for a training in two stages."""
    return replace(material, images=max(1, material.images // 2))


def ends_in_softmax(model: Any) -> bool:
    """Whether a classifier gives probabilities; else it gives logits."""
    last = model.layers[-1]
    inner = getattr(last, "layer", last)  # tfmot wraps layers
    if type(inner).__name__ == "Softmax":
        return True
    return getattr(getattr(inner, "activation", None), "__name__", "") == "softmax"


def _best_weights(score: float, counts_from: int) -> Any:
    import tf_keras

    class BestWeights(tf_keras.callbacks.Callback):
        def __init__(self) -> None:
            super().__init__()
            self.score = -1.0 if counts_from else score
            self.weights: list[np.ndarray] = []

        def on_train_begin(self, logs: Any = None) -> None:
            self.weights = self.model.get_weights()

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            reached = float((logs or {})["val_accuracy"])
            if epoch + 1 >= counts_from and reached > self.score:
                self.score, self.weights = reached, self.model.get_weights()

    return BestWeights()
