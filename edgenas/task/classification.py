"""Classification: one of several classes; the error is the share of wrong ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from edgenas.task.task import TASKS, Array, Task


@TASKS.register("classification")
@dataclass(frozen=True)
class Classification(Task):
    """Labels are whole numbers from 0; the outputs are one number a class, the highest wins."""

    name = "classification"
    head = "softmax"

    @property
    def metric(self) -> str:
        """The share of right classes."""
        return "accuracy"

    @property
    def label(self) -> str:
        """See `metric`."""
        return "accuracy"

    @property
    def maker(self) -> str:
        """In words."""
        return "a classifier"

    @property
    def noun(self) -> str:
        """What classifiers here mostly read."""
        return "images"

    def figures(self, outputs: Array, x: Array, y: Array) -> dict[str, float]:
        """``accuracy``, 0 to 1."""
        return {"accuracy": float(np.mean(outputs.argmax(axis=-1) == y))}

    def error(self, figures: Mapping[str, float]) -> float:
        """1 - accuracy."""
        return 1.0 - figures["accuracy"]

    def format(self, value: float) -> str:
        """In percent."""
        return f"{100 * value:.2f} %"


CLASSIFICATION = Classification()
"""What every run was before there were tasks."""
