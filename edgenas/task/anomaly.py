"""Anomaly detection by reconstruction: trained on normal data only, it fails where something is new.

The score of an input is the mean squared difference between it and the network's output (Sakurada
and Yairi 2014; MLPerf Tiny's anomaly detection). How well scores tell anomalous from normal ones is
the area under the ROC curve, which needs no threshold. A device needs one: a stated quantile of
the scores of normal training data, found for each file anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgenas.errors import ConfigError
from edgenas.task.task import TASKS, Array, Task, flat

NORMAL = ("normal", "anomalous")
"""Names of labels 0 and 1."""


@TASKS.register("anomaly")
@dataclass(frozen=True)
class Anomaly(Task):
    """Labels are int64 of shape (n,): 0 normal, 1 anomalous; training data are all normal.

    Attributes:
        quantile: Share of normal training inputs whose score is at most the threshold.

    Raises:
        ConfigError: The quantile is not between 0 and 1.
    """

    quantile: float = 0.99

    name = "anomaly"
    head = "reconstruction"

    def __post_init__(self) -> None:
        if not 0 < self.quantile < 1:
            raise ConfigError(
                f"quantile {self.quantile} was given; expected above 0 and below 1, such as 0.99"
            )

    @property
    def metric(self) -> str:
        """Area under the ROC curve."""
        return "auc"

    @property
    def label(self) -> str:
        """See `metric`."""
        return "AUC"

    @property
    def full_label(self) -> str:
        """In words."""
        return "AUC (area under the ROC curve)"

    @property
    def maker(self) -> str:
        """In words."""
        return "an anomaly detector"

    @property
    def loss(self) -> str:
        """Of the reconstruction."""
        return "mean_squared_error"

    def targets(self, x: Array, y: Array) -> Array:
        """The inputs themselves."""
        return x

    def scores(self, outputs: Array, x: Array) -> Array:
        """Mean squared difference of each output from its input, float64 (n,)."""
        return np.asarray(np.mean((flat(outputs) - flat(x)) ** 2, axis=1))

    def figures(self, outputs: Array, x: Array, y: Array) -> dict[str, float]:
        """``auc`` (NaN where one of both kinds is missing) and ``normal_score``, that of normal inputs."""
        scores, anomalous = self.scores(outputs, x), np.asarray(y).reshape(-1) != 0
        normal = scores[~anomalous]
        return {
            "auc": area_under_curve(scores, anomalous),
            "normal_score": float(normal.mean()) if len(normal) else float("nan"),
        }

    def condensed(self, outputs: Array, x: Array) -> tuple[Array, Array]:
        """One value for each input, whose square is its score."""
        roots = np.sqrt(self.scores(outputs, x))[:, None]
        return roots, np.zeros_like(roots)

    def error(self, figures: Mapping[str, float]) -> float:
        """1 - AUC; a coin has 0.5."""
        return 1.0 - figures["auc"]

    def format(self, value: float) -> str:
        """With three digits."""
        return f"{value:.3f}"

    def describe(self) -> dict[str, Any]:
        """How a device comes to a score."""
        return {
            "score": "mean over all values of (output - input)^2, both as float",
            "anomalous_above": "threshold",
        }

    def threshold(self, normal_scores: Array) -> float:
        """The score above which an input counts as anomalous, from the scores of normal training inputs."""
        return float(np.quantile(normal_scores, self.quantile))


def area_under_curve(scores: Array, positive: Array) -> float:
    """Area under the ROC curve: how likely a positive's score is above a negative's; ties count half.

    Args:
        scores: Numbers of shape (n,).
        positive: bool of shape (n,).

    Returns:
        0 to 1; NaN where one of both kinds is missing or a score is not finite.
    """
    positives, negatives = scores[positive], np.sort(scores[~positive])
    if not len(positives) or not len(negatives) or not np.isfinite(scores).all():
        return float("nan")
    below = np.searchsorted(negatives, positives, "left") + np.searchsorted(negatives, positives, "right")
    return float(below.mean() / (2 * len(negatives)))
