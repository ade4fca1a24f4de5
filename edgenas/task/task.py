"""What a task is, and the register of tasks. No TensorFlow.

A task says what the outputs of a network are compared with in training, how good they are in figures
by name, and which single number a search minimizes (``val_error``). It is a value: what it needs to
know of the data, such as the scaling of regression targets, it carries with it, into a run, a
training process and a manifest.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from edgenas.errors import ConfigError
from edgenas.registry import Registry, unknown_name

Array = NDArray[Any]
Head = Literal["softmax", "linear", "reconstruction"]
"""How a network ends: class probabilities, plain numbers, or its own input again."""


@dataclass(frozen=True)
class Task(ABC):
    """What a network is for.

    A new task is one file in this folder with ``@TASKS.register("name")``, imported in
    ``__init__.py``, and its labels in `edgenas.data.labels`.
    """

    name: ClassVar[str]
    head: ClassVar[Head]
    higher_is_better: ClassVar[bool] = True
    """Of the figure that people read, see `metric`; the error is always minimized."""

    @property
    @abstractmethod
    def metric(self) -> str:
        """Name, among `figures`, of the one figure that people read first."""

    @property
    @abstractmethod
    def label(self) -> str:
        """That figure's name in a sentence, for example ``accuracy`` or ``RMSE``."""

    @property
    def full_label(self) -> str:
        """The figure's name with its unit or range, for a caption."""
        return self.label

    @property
    def maker(self) -> str:
        """What a search for this task makes, with its article."""
        return "a network"

    @property
    def noun(self) -> str:
        """What one input is called, in the plural."""
        return "inputs"

    @property
    def loss(self) -> str | None:
        """Name of the Keras loss; None for the cross-entropy of class labels."""
        return None

    def targets(self, x: Array, y: Array) -> Array:
        """What the outputs are compared with in training.

        Args:
            x: Network inputs, float32 (n, ...).
            y: Labels as the data hold them.
        """
        return y

    @abstractmethod
    def figures(self, outputs: Array, x: Array, y: Array) -> dict[str, float]:
        """How good outputs are, by name.

        Args:
            outputs: Of a network, float32 (n, ...).
            x: What it read, float32 (n, ...).
            y: Labels as the data hold them.
        """

    def condensed(self, outputs: Array, x: Array) -> tuple[Array, Array]:
        """Smaller outputs and inputs with the same `figures`, for resampling."""
        return outputs, x

    @abstractmethod
    def error(self, figures: Mapping[str, float]) -> float:
        """What a search minimizes, from `figures`: 0 is perfect."""

    @abstractmethod
    def format(self, value: float) -> str:
        """A value of `metric` with its unit."""

    def format_difference(self, difference: float) -> str:
        """A difference of two such values with its sign."""
        sign = "−" if difference < 0 else "+"
        return f"{sign}{self.format(abs(difference))}"

    def describe(self) -> dict[str, Any]:
        """What a manifest says of the outputs, beside `to_json`."""
        return {}

    def to_json(self) -> dict[str, Any]:
        """A plain document."""
        values = {
            key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()
        }
        return {"name": self.name, **values}


TASKS: Registry[type[Task]] = Registry("task")
"""Every task by name."""


def task_from(document: Mapping[str, Any] | None) -> Task:
    """The task that `Task.to_json` wrote; classification for runs and manifests that name none.

    What `Task.describe` added is left alone.

    Raises:
        ConfigError: The document lacks a field.
    """
    found = dict(document or {"name": "classification"})
    try:
        kind = TASKS.get(found["name"])
        known = {field.name: found[field.name] for field in fields(kind)}
        values = {key: tuple(value) if isinstance(value, list) else value for key, value in known.items()}
        return kind(**values)
    except (KeyError, TypeError) as error:
        raise ConfigError(
            f"a damaged task {document} was given ({error}); expected what a run wrote"
        ) from None


def check_task(name: str) -> str:
    """The name of a task.

    Raises:
        UnknownNameError: There is no such task.
    """
    if name not in TASKS.names():
        raise unknown_name("task", name, TASKS.names())
    return name


def epoch_error(entry: Mapping[str, float]) -> float | None:
    """The validation error in one epoch of a history, or None if none was measured."""
    if "val_accuracy" in entry:
        return 1.0 - float(entry["val_accuracy"])
    return float(entry["val_error"]) if "val_error" in entry else None


def epoch_words(entry: Mapping[str, float]) -> str:
    """How good a network was after an epoch, for people: ``93.1 %``, ``R2 0.48`` or ``AUC 0.97``."""
    if "val_accuracy" in entry:
        return f"{100 * entry['val_accuracy']:.1f} %"
    return f"AUC {entry['val_auc']:.3f}" if "val_auc" in entry else f"R2 {entry['val_r2']:.3f}"


def error_words(result: Mapping[str, Any]) -> str:
    """A training's validation error with its name, from the document of a `TrainResult`; or a score."""
    if result.get("scored_by"):
        return f"score {100 * result['val_accuracy']:.2f} %"
    if result.get("val_accuracy") is not None:
        return f"error {100 * (1 - result['val_accuracy']):.2f} %"
    if result.get("val_error") is None:
        return "error unknown"
    name = "1 - AUC" if "auc" in (result.get("metrics") or {}) else "relative RMSE"
    return f"{name} {result['val_error']:.3f}"


def flat(values: Array) -> NDArray[np.float64]:
    """Float64 of shape (n, values of one)."""
    return np.asarray(values, np.float64).reshape(len(values), -1)
