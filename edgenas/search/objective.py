"""What a search minimizes and what it must not exceed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgenas.cost.types import Cost
from edgenas.errors import BudgetError, ConfigError
from edgenas.registry import unknown_name

VAL_ERROR = "val_error"
COST_METRICS = ("latency_ms", "peak_ram_bytes", "flash_bytes", "macs", "params")
"""Costs that can be objectives or constraints; each is known before training."""

BUDGET_OPTIONS = {"latency_ms": "--latency-ms", "peak_ram_bytes": "--ram-kib", "flash_bytes": "--flash-kib"}


@dataclass(frozen=True, slots=True)
class Constraint:
    """An upper limit on a cost, checked before training.

    Raises:
        BudgetError: The limit is zero or less.
    """

    metric: str
    limit: float

    def __post_init__(self) -> None:
        if self.metric not in COST_METRICS:
            raise unknown_name("budget", self.metric, COST_METRICS)
        if not self.limit > 0:
            raise BudgetError(
                f"budget {BUDGET_OPTIONS.get(self.metric, self.metric)} {self.limit:g} was given; "
                "expected more than zero"
            )

    def excess(self, cost: Cost) -> float:
        """By how much a cost exceeds the limit, as a share of it; 0 if it fits."""
        return max(0.0, metric_value(cost, self.metric) / self.limit - 1.0)

    def __str__(self) -> str:
        return f"{metric_name(self.metric)} of at most {format_metric(self.metric, self.limit)}"


def check_objectives(objectives: Sequence[str]) -> tuple[str, ...]:
    """The objectives as a tuple, all to be minimized; the first is the validation error.

    Raises:
        UnknownNameError: An objective is neither ``val_error`` nor a cost.
        ConfigError: ``val_error`` is missing, one is named twice, or there is no cost.
    """
    known = (VAL_ERROR, *COST_METRICS)
    for name in objectives:
        if name not in known:
            raise unknown_name("objective", name, known)
    if VAL_ERROR not in objectives or len(set(objectives)) != len(objectives) or len(objectives) < 2:
        raise ConfigError(
            f"objectives {', '.join(objectives) or 'none'} were given; expected val_error and one or more of "
            f"{', '.join(COST_METRICS)}, each once"
        )
    return (VAL_ERROR, *(name for name in objectives if name != VAL_ERROR))


def metric_value(cost: Cost, metric: str) -> float:
    """One figure of a cost.

    Raises:
        ConfigError: The cost source has no latency.
    """
    value = getattr(cost, metric)
    if value is None:
        raise ConfigError(
            f"{metric} was asked of device '{cost.device}' with runtime '{cost.runtime}', which has no "
            "latency source; drop latency from budgets and objectives, or choose a device with a table "
            "(edgenas devices list)"
        )
    return float(value)


_NAMES = {
    VAL_ERROR: "validation error",
    "latency_ms": "latency",
    "peak_ram_bytes": "peak RAM",
    "flash_bytes": "flash",
    "macs": "MACs",
    "params": "parameters",
}


def metric_name(metric: str) -> str:
    """A metric as people call it."""
    return _NAMES[metric]


def format_metric(metric: str, value: float) -> str:
    """A figure with the unit that people read it in."""
    if metric == VAL_ERROR:
        return f"{100 * value:.2f} %"
    if metric == "latency_ms":
        return f"{value:.3g} ms" if value >= 0.1 else f"{1e3 * value:.3g} µs"
    if metric.endswith("_bytes"):
        return f"{value / 1024:.1f} KiB"
    for unit, size in (("M", 1e6), ("k", 1e3)):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value:g}"
