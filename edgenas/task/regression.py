"""Regression: one number or several; the error is the RMSE relative to that of guessing the mean.

Networks learn standardized targets, ``(target - offset) / scale`` with mean and standard deviation
of the training split, so that their int8 outputs use the whole range. A device undoes that:
``target = output * scale + offset``; both stand in the manifest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgenas.errors import ConfigError
from edgenas.registry import unknown_name
from edgenas.task.task import TASKS, Array, Task, flat

LOSSES = {"mse": "mean_squared_error", "huber": "huber"}
"""Names that users give, and Keras's. Huber (1964) is linear beyond one standard deviation: for outliers."""


@TASKS.register("regression")
@dataclass(frozen=True)
class Regression(Task):
    """Labels are float32 of shape (n, k).

    Attributes:
        scale: Standard deviation of each target in the training split, in units of the target.
        offset: Mean of each, likewise.
        names: What the targets are called.
        train_loss: ``mse`` or ``huber``, on standardized targets.

    Raises:
        UnknownNameError: Another loss.
        ConfigError: Lengths that differ, or a scale that is not positive.
    """

    scale: tuple[float, ...] = (1.0,)
    offset: tuple[float, ...] = (0.0,)
    names: tuple[str, ...] = ("target",)
    train_loss: str = "mse"

    name = "regression"
    head = "linear"
    higher_is_better = False

    def __post_init__(self) -> None:
        if self.train_loss not in LOSSES:
            raise unknown_name("loss", self.train_loss, LOSSES)
        if len({len(self.scale), len(self.offset), len(self.names)}) != 1 or not min(self.scale) > 0:
            raise ConfigError(
                f"regression with scale {self.scale}, offset {self.offset} and names {self.names} was given; "
                "expected one positive scale, one offset and one name for each target"
            )

    @property
    def metric(self) -> str:
        """RMSE in units of the target; the relative one where there are several, of different units."""
        return "rmse" if len(self.scale) == 1 else "relative_rmse"

    @property
    def label(self) -> str:
        """See `metric`."""
        return "RMSE" if len(self.scale) == 1 else "relative RMSE"

    @property
    def full_label(self) -> str:
        """With the target's name."""
        name = self.names[0]
        return self.label if name == "target" or len(self.names) > 1 else f"{self.label} of {name}"

    @property
    def maker(self) -> str:
        """In words."""
        return f"a regression of {', '.join(self.names)}" if self.names != ("target",) else "a regression"

    @property
    def loss(self) -> str:
        """Of standardized targets."""
        return LOSSES[self.train_loss]

    def targets(self, x: Array, y: Array) -> Array:
        """Standardized targets, float32 (n, k)."""
        scaled = (flat(y) - np.asarray(self.offset)) / np.asarray(self.scale)
        return np.asarray(scaled, np.float32)

    def restore(self, outputs: Array) -> Array:
        """Outputs of a network in units of the targets, float64 (n, k)."""
        return np.asarray(flat(outputs) * np.asarray(self.scale) + np.asarray(self.offset))

    def figures(self, outputs: Array, x: Array, y: Array) -> dict[str, float]:
        """``relative_rmse`` and ``r2``; ``rmse`` and ``mae`` in units of the target, by name where several.

        The relative RMSE is the root of the summed squared errors of standardized targets over the
        summed squares around their means in these same labels: 0 is perfect, 1 is as good as always
        guessing the mean. For one target it is ``sqrt(1 - r2)``.
        """
        errors = self.restore(outputs) - flat(y)
        around = flat(y) - flat(y).mean(axis=0)
        scale = np.asarray(self.scale)
        spread = float(np.sum((around / scale) ** 2))
        share = float(np.sum((errors / scale) ** 2)) / spread if spread else float("nan")
        found = {"relative_rmse": float(np.sqrt(share)), "r2": 1.0 - share}
        rmse, mae = np.sqrt(np.mean(errors**2, axis=0)), np.mean(np.abs(errors), axis=0)
        for position, name in enumerate(self.names):
            suffix = "" if len(self.names) == 1 else f"_{name}"
            found[f"rmse{suffix}"], found[f"mae{suffix}"] = float(rmse[position]), float(mae[position])
        return found

    def error(self, figures: Mapping[str, float]) -> float:
        """The relative RMSE."""
        return figures["relative_rmse"]

    def format(self, value: float) -> str:
        """In units of the target."""
        return f"{value:.4g}" if abs(value) < 1000 else f"{value:,.0f}"

    def describe(self) -> dict[str, Any]:
        """How a device turns outputs into targets."""
        return {"target": "output * scale + offset"}
