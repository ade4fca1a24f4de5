"""Train one Keras 3 model, on whichever backend is there, and say how it went."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edgenas.errors import TrialError
from edgenas.task import CLASSIFICATION, Task, epoch_error
from edgenas.train.batches import Walk, as_they_lie, keras_batches
from edgenas.train.checkpoint import Checkpoint
from edgenas.train.course import Course, Progress
from edgenas.train.judge import judge_callback, judged
from edgenas.train.loss import crossentropy, right_share
from edgenas.train.recipe import Recipe
from edgenas.train.teacher import Answers

__all__ = ["Progress", "TrainResult", "accuracy", "compile_model", "stop_above", "train"]

AT_ONCE = 16
"""Steps that TensorFlow takes before Python is asked again, in trainings of `AT_ONCE_FROM` steps or more."""

AT_ONCE_FROM = 1_000


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
        metrics: The task's figures on the validation split; empty for classification.
        metric: The one of them that people read.
        scored_by: Whose weights the network was judged with where it was not trained itself, for example
            ``supernet``; None after a training.
        inherited: What it began with, where that were another network's weights: ``share`` and
            ``preserved`` of `edgenas.train.heritage.Inherited`.
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
    metric: str = CLASSIFICATION.metric
    scored_by: str | None = None
    inherited: dict[str, Any] | None = None

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
    *,
    checkpoint: Checkpoint | None = None,
    answers: Answers | None = None,
    task: Task = CLASSIFICATION,
) -> TrainResult:
    """Train a model in place.

    Args:
        model: A Keras 3 model; compiled by `compile_model` unless its owner did.
        train_split: float32 images (n, h, w, c) and labels as the task has them.
        val_split: The same of the validation split.
        recipe: Length, schedule, seed and what keeps the network from fitting itself to its images.
        on_epoch: Called after every epoch with ``epoch, epochs, loss, val_accuracy, ...``.
        callbacks: Further Keras callbacks; a checkpoint does not know what they remember.
        checkpoint: Where the training leaves its standing after every epoch, and goes on from.
        answers: A teacher's probabilities, where the recipe distills.
        task: What the model is for.

    Raises:
        TrialError: The loss, or the validation loss of the epoch kept, became NaN or infinite.
        StoreError: The checkpoint cannot be written.
    """
    images, labels = train_split
    steps = max(1, recipe.images_per_epoch // recipe.batch_size)
    ours = not getattr(model, "compiled", False)
    if ours:
        compile_model(model, recipe, steps, task)
    classes = model.output_shape[-1] if recipe.softens else None
    walk = Walk(images, labels, recipe, steps, answers, classes, task)
    create_variables(model, *(array[:2] for array in walk.batch(0, 0)[:2]))
    course = Course(model, recipe, on_epoch, checkpoint)
    size = even_batch(len(val_split[0]))
    judges = () if task == CLASSIFICATION else (judge_callback(task, val_split, size),)
    at_once = steps_at_once(steps * recipe.epochs, callbacks) if ours and not judges else 1
    if not course.ended:
        with taking(model, at_once):
            model.fit(
                keras_batches(walk, steps, lambda: course.epoch),
                validation_data=None if judges else as_they_lie(*val_split, size),
                validation_batch_size=size,
                epochs=recipe.epochs,
                initial_epoch=course.epoch,
                shuffle=False,  # the data set shuffles itself
                callbacks=course.watchers((*judges, *callbacks)),
                verbose=0,
            )
    course.finish()
    _refuse_nan(course.history)
    return _result(model, val_split, recipe, course, task)


def compile_model(model: Any, recipe: Recipe, steps: int, task: Task = CLASSIFICATION) -> None:
    """Compile with the recipe's optimizer, warm-up, cosine decay and the task's loss.

    Classes are learnt by cross-entropy on probabilities. After 36,000 images of Fashion-MNIST, networks
    were 0.4 to 4 points better with SGD than with Adam, and the step of a small network is traced twice as
    fast.
    """
    import keras

    if task.loss is not None:
        optimizer = make_optimizer(recipe, steps)
        model.compile(optimizer, keras.losses.get(task.loss), jit_compile=jit_pays())
        return
    plain = not recipe.softens
    model.compile(
        make_optimizer(recipe, steps),
        keras.losses.SparseCategoricalCrossentropy() if plain else crossentropy(recipe),
        metrics=["accuracy" if plain else right_share()],
        jit_compile=jit_pays(),
    )


def make_optimizer(recipe: Recipe, steps: int) -> Any:
    """The recipe's optimizer with its schedule; biases and batch normalization are not decayed."""
    import keras

    total = steps * recipe.epochs
    warmup = max(1, round(recipe.warmup * total))
    schedule = keras.optimizers.schedules.CosineDecay(
        recipe.peak_learning_rate / 10,
        max(1, total - warmup),
        warmup_target=recipe.peak_learning_rate,
        warmup_steps=warmup,
    )
    decay = recipe.weight_decay or None
    if recipe.optimizer == "adamw":
        optimizer = keras.optimizers.AdamW(schedule, weight_decay=recipe.weight_decay)
    else:
        optimizer = keras.optimizers.SGD(schedule, momentum=0.9, nesterov=True, weight_decay=decay)
    if decay:
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer


def create_variables(model: Any, images: np.ndarray, labels: np.ndarray) -> None:
    """Create the variables of optimizer and metrics before the training step is traced.

    TensorFlow traces a function twice if its first call creates variables; for a network of 30
    operations that took 7.5 s instead of 3.5 s.
    """
    model.optimizer.build(model.trainable_variables)
    model.compute_metrics(images, labels, model(images, training=False), None)
    model.reset_metrics()


def steps_at_once(steps: int, callbacks: Sequence[Any]) -> int:
    """How many steps of a training are taken before Python is asked again.

    Several at once spare TensorFlow some 0.5 ms a step, 3 to 15 % of a small network's training, and cost
    0.3 s more before the first. A callback that watches single batches sees each of them.

    Args:
        steps: Of the whole training.
        callbacks: Those of others.
    """
    import keras

    if keras.backend.backend() != "tensorflow" or steps < AT_ONCE_FROM:
        return 1
    plain = keras.callbacks.Callback
    hooks = ("on_batch_begin", "on_batch_end", "on_train_batch_begin", "on_train_batch_end")
    watched = any(
        getattr(getattr(callback, hook), "__func__", None) is not getattr(plain, hook)
        for callback in callbacks
        for hook in hooks
    )
    return 1 if watched else AT_ONCE


@contextmanager
def taking(model: Any, at_once: int) -> Iterator[None]:
    """Let a model take so many steps at once, in its training only: predictions would be traced as often."""
    if at_once == 1:
        yield
        return
    model.steps_per_execution = at_once
    try:
        yield
    finally:
        model.steps_per_execution, model.test_function = 1, None


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
    size = even_batch(len(images))
    source = as_they_lie(images, labels, size)
    inputs = images if isinstance(source, tuple) else source
    scores = np.asarray(model.predict(inputs, batch_size=size, verbose=0))
    return float(np.mean(scores.argmax(axis=-1) == labels))


def stop_above(cutoffs: Sequence[float]) -> Any:
    """A keras callback that ends a training whose validation error after an epoch is above its limit."""
    import keras

    class StopAbove(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            error = epoch_error(logs or {})
            if error is not None and epoch < len(cutoffs) and error > cutoffs[epoch]:
                self.model.stop_training = True

    return StopAbove()


def _refuse_nan(history: Sequence[dict[str, float]]) -> None:
    if not history or not all(math.isfinite(entry.get("loss", math.nan)) for entry in history):
        raise TrialError(
            f"loss became NaN or infinite in epoch {max(1, len(history))}; a lower learning rate may help"
        )


def _result(
    model: Any, val_split: tuple[np.ndarray, np.ndarray], recipe: Recipe, course: Course, task: Task
) -> TrainResult:
    history = course.history
    kept = course.best if recipe.patience and course.best is not None else len(history) - 1
    entry = history[kept]
    if not math.isfinite(entry["val_loss"] + (epoch_error(entry) or 0.0)):
        raise TrialError(
            f"validation loss became NaN or infinite in epoch {kept + 1}; a lower learning rate may help"
        )
    measured = entry.get("val_accuracy")
    if task == CLASSIFICATION and measured is None:
        measured = accuracy(model, *val_split)
    return TrainResult(
        val_accuracy=measured,
        val_loss=entry["val_loss"],
        train_accuracy=entry.get("accuracy"),
        epochs=len(history),
        stopped_early=len(history) < recipe.epochs,
        seconds=course.seconds,
        images_per_second=course.images_per_second,
        history=history,
        val_error=None if task == CLASSIFICATION else entry["val_error"],
        metrics={} if task == CLASSIFICATION else judged(entry),
        metric=task.metric,
    )
