"""What is logged of a trial, the same in every tool."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any

from edgenas.records import TrialRecord
from edgenas.search.objective import COST_METRICS


def trial_figures(record: TrialRecord) -> dict[str, float]:
    """A trial's validation error, its task's figures and its costs, by names with units."""
    result = record.result or {}
    found: dict[str, Any] = {"val_error": record.val_error, "val_accuracy": result.get("val_accuracy")}
    found |= {f"val_{name}": value for name, value in (result.get("metrics") or {}).items()}
    found |= {name: getattr(record.cost, name) for name in COST_METRICS}
    found |= {"fidelity": record.fidelity, "training_seconds": result.get("seconds")}
    return _numbers(found)


def epoch_figures(entry: Mapping[str, Any]) -> dict[str, float]:
    """The figures of one epoch of a history."""
    return _numbers({name: value for name, value in entry.items() if name not in ("epoch", "epochs")})


def winner_figures(winner: Mapping[str, Any]) -> dict[str, float]:
    """The figures of a winner in the summary of a run: its files on validation and test data."""
    return _numbers({name: value for name, value in winner.items() if "_val_" in name or "_test_" in name})


def _numbers(found: Mapping[str, Any]) -> dict[str, float]:
    return {
        name: float(value)
        for name, value in found.items()
        if isinstance(value, (int, float)) and not isinstance(value, bool) and isfinite(value)
    }
