"""Train one Keras 3 model, on whichever backend is there, and say how it went."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edgenas.errors import TrialError
from edgenas.task import CLASSIFICATION, Task, epoch_error
from edgenas.train.augment import random_shift
from edgenas.train.judge import judge_callback, judged
from edgenas.train.recipe import Recipe

Progress = Callable[[dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class TrainResult:
    """How a training went.

    Attributes:
        val_accuracy: Share of right classes on the validation split, 0 to 1; None for another task.
        val_loss: Loss on the validation split.
        train_accuracy: Share of right classes on the training images of the epoch kept, or None where
            the model measures no accuracy.
        epochs: Epochs that were run.
        stopped_early: Whether patience ended it before its last epoch.
        seconds: Wall time, building the training graph included.
        images_per_second: Training speed after the first step.
        history: One entry an epoch with ``loss, accuracy, val_loss, val_accuracy``, or for another task
            ``loss, val_loss, val_error`` and the task's figures.
        val_error: What the search minimizes (`edgenas.task`); None is taken as 1 - val_accuracy.
        metrics: The task's figures on the validation split.
    """

    val_accuracy: float | None
    val_loss: float
    train_accuracy: float | None
    epochs: int
    stopped_early: bool
    seconds: float
    images_per_second: float
    history: list[dict[str, float]]
    val_error: float | None = None
    metrics: dict[str, float] = field(default_factory=dict)

    @property
    def error(self) -> float:
        """What the search minimizes, whichever of the two fields holds it."""
        return 1.0 - (self.val_accuracy or 0.0) if self.val_error is None else self.val_error


def train(
    model: Any,
    train_split: tuple[np.ndarray, np.ndarray],
    val_split: tuple[np.ndarray, np.ndarray],
    recipe: Recipe,
    on_epoch: Progress = lambda entry: None,
    callbacks: Sequence[Any] = (),
    task: Task = CLASSIFICATION,
) -> TrainResult:
    """Train a model in place.

    Args:
        model: A Keras 3 model; compiled by `compile_model` unless its owner did.
        train_split: float32 images (n, h, w, c) and labels as the task has them.
        val_split: The same of the validation split.
        recipe: Length, schedule and seed.
        on_epoch: Called after every epoch with ``epoch, epochs, loss, val_accuracy, ...``.
        callbacks: Further Keras callbacks.
        task: What the model is for.

    Raises:
        TrialError: The loss, or the validation loss of the epoch kept, became NaN or infinite.
    """
    import keras

    images, labels = train_split
    steps = max(1, recipe.images_per_epoch // recipe.batch_size)
    if not getattr(model, "compiled", False):
        compile_model(model, recipe, steps, task)
    create_variables(model, images[:2], task.targets(images[:2], labels[:2]))
    val_batch = even_batch(len(val_split[0]))
    judge = () if task == CLASSIFICATION else (judge_callback(task, val_split, val_batch),)
    clock = _clock_callback(on_epoch, recipe)
    watchers = [*judge, clock, keras.callbacks.TerminateOnNaN(), *callbacks]
    if recipe.patience:
        watchers.append(_keep_best(recipe.patience))
    started = time.perf_counter()
    history = model.fit(
        _batches(images, labels, recipe, steps, task),
        validation_data=None if judge else val_split,
        validation_batch_size=val_batch,
        epochs=recipe.epochs,
        shuffle=False,  # the data set shuffles itself
        callbacks=watchers,
        verbose=0,
    ).history
    seconds = time.perf_counter() - started
    _refuse_nan(history)
    return _result(model, val_split, recipe, clock, history, seconds, task)


def compile_model(model: Any, recipe: Recipe, steps: int, task: Task = CLASSIFICATION) -> None:
    """Compile with the recipe's optimizer, warm-up, cosine decay and the task's loss.

    Classes are learnt by cross-entropy on probabilities. With Nesterov momentum, after 36,000 images of
    Fashion-MNIST, networks were 0.4 to 4 points better than with Adam, and the step of a small network is
    traced twice as fast.
    """
    import keras

    total = steps * recipe.epochs
    warmup = max(1, round(recipe.warmup * total))
    peak = recipe.peak_learning_rate
    schedule = keras.optimizers.schedules.CosineDecay(
        peak / 10,
        max(1, total - warmup),
        warmup_target=peak,
        warmup_steps=warmup,
    )
    if recipe.optimizer == "adamw":
        optimizer = keras.optimizers.AdamW(schedule, weight_decay=0.0)
    else:
        optimizer = keras.optimizers.SGD(schedule, momentum=0.9, nesterov=True)
    model.compile(
        optimizer,
        keras.losses.get(task.loss) if task.loss else keras.losses.SparseCategoricalCrossentropy(),
        metrics=["accuracy"] if task == CLASSIFICATION else [],
        jit_compile=jit_pays(),
    )


def create_variables(model: Any, images: np.ndarray, labels: np.ndarray) -> None:
    """Create the variables of optimizer and metrics before the training step is traced.

    TensorFlow traces a function twice if its first call creates variables; for a network of 30
    operations that took 7.5 s instead of 3.5 s.
    """
    model.optimizer.build(model.trainable_variables)
    model.compute_metrics(images, labels, model(images, training=False), None)
    model.reset_metrics()


def even_batch(number: int, largest: int = 1000) -> int:
    """The largest batch that divides a number of images, so that no odd last batch is traced anew."""
    return next((size for size in range(min(largest, number), 63, -1) if number % size == 0), largest)


def jit_pays() -> bool | str:
    """Whether XLA should compile the step.

    On the CPU XLA made depthwise-separable networks fifteen times slower (312 against 4,700
    images a second), so it is used with TensorFlow on a GPU only; JAX has nothing else.
    """
    import keras

    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow

        return "auto" if tensorflow.config.list_physical_devices("GPU") else False
    return "auto" if backend == "jax" else False


def accuracy(model: Any, images: np.ndarray, labels: np.ndarray) -> float:
    """Share of right classes, 0 to 1; the model may end in logits or in probabilities."""
    scores = np.asarray(model.predict(images, batch_size=even_batch(len(images)), verbose=0))
    return float(np.mean(scores.argmax(axis=-1) == labels))


def _batches(
    images: np.ndarray, labels: np.ndarray, recipe: Recipe, steps: int, task: Task = CLASSIFICATION
) -> Any:
    """A keras PyDataset that walks through seeded permutations of all images, epoch after epoch."""
    import keras

    class Batches(keras.utils.PyDataset):
        def __init__(self) -> None:
            super().__init__()
            self.rng = np.random.default_rng(recipe.seed)
            self.order = self.rng.permutation(len(images))
            self.start = 0

        def __len__(self) -> int:
            return steps

        def __getitem__(self, step: int) -> tuple[np.ndarray, np.ndarray]:
            first = self.start + step * recipe.batch_size
            chosen = self.order[np.arange(first, first + recipe.batch_size) % len(images)]
            inputs = random_shift(images[chosen], recipe.shift, self.rng)
            return inputs, task.targets(inputs, labels[chosen])

        def on_epoch_end(self) -> None:
            self.start += steps * recipe.batch_size
            if self.start + steps * recipe.batch_size > len(images):
                self.order = self.rng.permutation(len(images))
                self.start = 0

    return Batches()


def _clock_callback(on_epoch: Progress, recipe: Recipe) -> Any:
    """A keras callback that reports epochs and times the steps after the first."""
    import keras

    class Clock(keras.callbacks.Callback):
        def __init__(self) -> None:
            super().__init__()
            self.images, self.seconds, self.started = 0, 0.0, 0.0
            self.first = True

        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
            self.started = time.perf_counter()

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            if not self.first:  # the first step builds the graph
                self.seconds += time.perf_counter() - self.started
                self.images += recipe.batch_size
            self.first = False

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            entry = {key: float(value) for key, value in (logs or {}).items()}
            on_epoch({"epoch": epoch + 1, "epochs": recipe.epochs, **entry})

        @property
        def images_per_second(self) -> float:
            return self.images / self.seconds if self.seconds else 0.0

    return Clock()


def _keep_best(patience: int) -> Any:
    """Early stopping on the task's error; on validation loss where a model has no accuracy.

    The loss of a network that becomes too sure of itself rises while its accuracy still does, so it
    would stop before the learning rate has come down.
    """
    import keras

    class KeepBest(keras.callbacks.EarlyStopping):
        def get_monitor_value(self, logs: Any) -> float:
            return score(logs)

    return KeepBest("val_accuracy", mode="max", patience=patience, restore_best_weights=True)


def score(entry: Mapping[str, float]) -> float:
    """By which epochs are compared: the task's error negated, accuracy, or validation loss negated."""
    if "val_accuracy" in entry:
        return float(entry["val_accuracy"])
    return -float(entry["val_error" if "val_error" in entry else "val_loss"])


def stop_above(cutoffs: Sequence[float]) -> Any:
    """A keras callback that ends a training whose validation error after an epoch is above its limit."""
    import keras

    class StopAbove(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            error = epoch_error(logs or {})
            if error is not None and epoch < len(cutoffs) and error > cutoffs[epoch]:
                self.model.stop_training = True

    return StopAbove()


def _refuse_nan(history: dict[str, list[float]]) -> None:
    losses = history.get("loss", [])
    if not losses or not all(math.isfinite(loss) for loss in losses):
        raise TrialError(
            f"loss became NaN or infinite in epoch {max(1, len(losses))}; a lower learning rate may help"
        )


def _accuracy_of(entry: Mapping[str, float], model: Any, val_split: tuple[np.ndarray, np.ndarray]) -> float:
    return entry["val_accuracy"] if "val_accuracy" in entry else accuracy(model, *val_split)


def _result(
    model: Any,
    val_split: tuple[np.ndarray, np.ndarray],
    recipe: Recipe,
    clock: Any,
    history: dict[str, list[float]],
    seconds: float,
    task: Task,
) -> TrainResult:
    ran = len(history["loss"])
    epochs = [{key: float(values[epoch]) for key, values in history.items()} for epoch in range(ran)]
    scores = [score(entry) for entry in epochs]  # as `_keep_best` sees them
    kept = int(np.argmax(np.nan_to_num(scores, nan=-np.inf))) if recipe.patience else ran - 1
    entry = epochs[kept]
    if not math.isfinite(entry["val_loss"]) or not math.isfinite(scores[kept]):
        raise TrialError(
            f"validation loss became NaN or infinite in epoch {kept + 1}; a lower learning rate may help"
        )
    return TrainResult(
        val_accuracy=_accuracy_of(entry, model, val_split) if task == CLASSIFICATION else None,
        val_loss=entry["val_loss"],
        train_accuracy=entry.get("accuracy"),
        epochs=ran,
        stopped_early=ran < recipe.epochs,
        seconds=seconds,
        images_per_second=clock.images_per_second,
        history=epochs,
        val_error=entry.get("val_error"),
        metrics=judged(entry) if task != CLASSIFICATION else {},
    )
