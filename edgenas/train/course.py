"""The course of one training: its history, its best epoch, its average weights, and its standing on disk."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from edgenas.task import epoch_error
from edgenas.train.averaging import StepCount, averager, synced
from edgenas.train.checkpoint import Checkpoint, Standing
from edgenas.train.recipe import Recipe

Progress = Callable[[dict[str, Any]], None]


class Course:
    """Follows a training through its epochs, and picks up one that was cut off.

    Args:
        model: The compiled model, its variables created.
        recipe: Patience and averaging.
        on_epoch: Told of every epoch.
        checkpoint: Where the standing lies, or None to keep none.

    Attributes:
        history: One entry an epoch with the logs of Keras.
        epoch: How many epochs are done.
        best: Position of the best epoch in the history, or None before the first.
    """

    def __init__(self, model: Any, recipe: Recipe, on_epoch: Progress, checkpoint: Checkpoint | None) -> None:
        self.model, self.recipe, self._on_epoch, self._checkpoint = model, recipe, on_epoch, checkpoint
        self.history: list[dict[str, float]] = []
        self.best: int | None = None
        self._best_weights: list[np.ndarray] = []
        self._stopped = False
        self._averager = averager(recipe.ema) if recipe.ema else None
        self._clock = _clock(recipe.batch_size)
        self._seconds, self._started = 0.0, time.perf_counter()
        standing = checkpoint.load() if checkpoint else None
        if standing is not None:
            self._go_on_from(standing)

    @property
    def epoch(self) -> int:
        """How many epochs are done."""
        return len(self.history)

    @property
    def ended(self) -> bool:
        """Whether nothing is left to be trained."""
        return self._stopped or self.epoch >= self.recipe.epochs

    @property
    def seconds(self) -> float:
        """Wall time so far, that before a stop included."""
        return self._seconds + time.perf_counter() - self._started

    @property
    def images_per_second(self) -> float:
        """Training speed after the first steps of each start; 0 if there were no further ones."""
        return self._clock.images / self._clock.seconds if self._clock.seconds else 0.0

    def watchers(self, others: Sequence[Any]) -> list[Any]:
        """The keras callbacks that follow the training; other people's come before the last of them."""
        import keras

        averaging = [self._averager] if self._averager else []
        return [self._clock, keras.callbacks.TerminateOnNaN(), *averaging, *others, _recorder(self)]

    def record(self, logs: dict[str, Any]) -> bool:
        """Note an epoch and keep the standing.

        Returns:
            Whether the training should stop.
        """
        self.history.append({key: float(value) for key, value in logs.items()})
        if self.recipe.patience and "val_loss" in logs:
            self._keep_best()
        if self._checkpoint is not None:
            self._checkpoint.save(self._standing(self._checkpoint.key))
        self._on_epoch({"epoch": self.epoch, "epochs": self.recipe.epochs, **self.history[-1]})
        return self._stopped

    def finish(self) -> None:
        """Put in place what the training comes to: the best weights, or the average, or the last ones."""
        synced(self.model)
        if self._best_weights:
            self.model.set_weights(self._best_weights)
        elif self._averager is not None and self._averager.average:
            self._averager.update()
            self.model.set_weights(self._averager.average)

    def _keep_best(self) -> None:
        """Early stopping on accuracy: the loss of a network that becomes too sure of itself rises before."""
        score = score_of(self.history[-1])
        if math.isfinite(score) and (self.best is None or score > score_of(self.history[self.best])):
            self.best = self.epoch - 1
            if self._averager is not None:
                self._best_weights = [np.copy(array) for array in self._averager.average]
            else:
                self._best_weights = synced(self.model).get_weights()
        best = -1 if self.best is None else self.best
        self._stopped = self.epoch - 1 - best >= self.recipe.patience

    def _standing(self, key: str) -> Standing:
        model = synced(self.model)
        facts = {
            "history": self.history,
            "best": self.best,
            "stopped": self._stopped,
            "seconds": self.seconds,
            "clock": [self._clock.images, self._clock.seconds],
            "averaged_steps": self._averager.steps if self._averager else 0,
        }
        arrays = {
            "model": [np.asarray(value) for value in map(_value, model.variables)],
            "optimizer": [np.asarray(value) for value in map(_value, model.optimizer.variables)],
            "best": self._best_weights,
            "average": self._averager.average if self._averager else [],
        }
        return Standing(key, facts, arrays)

    def _go_on_from(self, standing: Standing) -> None:
        model, facts, arrays = self.model, standing.facts, standing.arrays
        kept = (("model", model.variables), ("optimizer", model.optimizer.variables))
        for name, variables in kept:
            if [tuple(v.shape) for v in variables] != [array.shape for array in arrays.get(name, [])]:
                return  # of another version of Keras: begin anew
        for name, variables in kept:
            for variable, array in zip(variables, arrays[name], strict=True):
                variable.assign(array)
        self.history, self.best = list(facts["history"]), facts["best"]
        self._stopped, self._seconds = bool(facts["stopped"]), float(facts["seconds"])
        self._clock.images, self._clock.seconds = facts["clock"]
        self._best_weights = arrays.get("best", [])
        if self._averager is not None:
            self._averager.steps = facts["averaged_steps"]
            self._averager.average = arrays.get("average", [])


def score_of(entry: dict[str, float]) -> float:
    """What an epoch is judged by: accuracy, the task's error, or the loss where neither is known."""
    error = epoch_error(entry)
    return entry.get("val_accuracy", -(entry["val_loss"] if error is None else error))


def _value(variable: Any) -> Any:
    import keras

    return keras.ops.convert_to_numpy(variable)


def _recorder(course: Course) -> Any:
    """The last callback of an epoch, so that nothing happens after the standing was kept."""
    import keras

    class Recorder(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            if course.record(logs or {}):
                self.model.stop_training = True

    return Recorder()


def _clock(batch_size: int) -> Any:
    """A keras callback that times the steps after the first ones, which build the graph."""
    import keras

    class Clock(keras.callbacks.Callback):
        def __init__(self) -> None:
            super().__init__()
            self.images, self.seconds, self.started, self.count = 0, 0.0, 0.0, StepCount()
            self.first = True

        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
            self.started = time.perf_counter()

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            taken = self.count.taken(batch, self.params["steps"])
            if not self.first:
                self.seconds += time.perf_counter() - self.started
                self.images += taken * batch_size
            self.first = False

    return Clock()
