"""The forms of what a run's database holds: facts by name, documents of trials, trainings and winners.

They are compared where texts of a `run.db` become values, so that all else takes those as they are. What
no version of edgenas wrote ends in one line that names the run folder, the table and the row.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edgenas.documents import WRONG_FORM
from edgenas.errors import ConfigError, StoreError
from edgenas.forms import Form, Such, fault

METRICS = ("val_error", "latency_ms", "peak_ram_bytes", "flash_bytes", "macs", "params")
_METRIC = frozenset(METRICS)
_STATUS = frozenset({"running", "completed", "failed", "stopped", "given"})
_MAYBE_TEXT, _MAYBE_NUMBER, _MAYBE_WHOLE = (str, None), (float, None), (int, None)
_FRAME: Form = {str: (str, float, bool)}

RECIPE: Form = {"epochs?": int, "seed?": int, "optimizer?": str}

RESULT: Form = Such(
    {
        "val_accuracy?": _MAYBE_NUMBER, "val_error?": _MAYBE_NUMBER, "val_loss?": _MAYBE_NUMBER,
        "train_accuracy?": _MAYBE_NUMBER, "calibrated_val_error?": _MAYBE_NUMBER,
        "expected_val_error?": _MAYBE_NUMBER, "epochs?": int, "stopped_early?": bool, "seconds?": float,
        "images_per_second?": _MAYBE_NUMBER, "history?": [{str: _MAYBE_NUMBER}],
        "metrics?": ({str: _MAYBE_NUMBER}, None), "metric?": str, "scored_by?": _MAYBE_TEXT,
        "inherited?": ({"share": float, "preserved": bool}, None), "mean_*": _MAYBE_NUMBER,
        "std_*": _MAYBE_NUMBER,
        "seeds?": [{"number?": int, "seed?": int, "delivered?": bool, "reason?": _MAYBE_TEXT, "epochs?": int,
                    "stopped_early?": bool, "seconds?": float, "val_*": _MAYBE_NUMBER,
                    "test_*": _MAYBE_NUMBER}],
    },
    lambda result: (result.get("val_accuracy"), result.get("val_error")) != (None, None),
    "a val_accuracy or a val_error",
)  # fmt: skip

COST: Form = {
    "device": str, "runtime": str, "precision": str, "source": str, "latency_ms": _MAYBE_NUMBER,
    "latency_low_ms": _MAYBE_NUMBER, "latency_high_ms": _MAYBE_NUMBER, "peak_ram_bytes": int,
    "flash_bytes": int, "macs": int, "params": int, "threads?": int, "arena_head_bytes?": int,
    "energy_mj?": _MAYBE_NUMBER,
}  # fmt: skip
COST_BY_OPERATION: Form = {
    **COST,
    "per_op": [{"name": str, "kind": str, "macs": int, "weight_bytes": int, "latency_ms?": _MAYBE_NUMBER}],
}
TRIAL: Form = {
    "trial_id": str, "position": int, "status": _STATUS, "reason": _MAYBE_TEXT, "recipe": (RECIPE, None),
    "result": (RESULT, None), "seconds": _MAYBE_NUMBER, "fidelity": float, "parent": _MAYBE_TEXT,
}  # fmt: skip
WINNER: Form = {
    "trial_id": str, "why": str, "recipe": (RECIPE, None), "result": (RESULT, None), "reason": _MAYBE_TEXT,
    "manifest": (dict, None),
}  # fmt: skip
TRAINING: Form = {
    "name": str, "number": int, "trial_id": str, "recipe": {**RECIPE, "epochs": int, "seed": int},
    "teachers": [str], "result": (RESULT, None), "reason": _MAYBE_TEXT,
}  # fmt: skip

_COUNTS: Form = ({str: [int]}, None)
_FRONT_END: Form = {
    "kind": str, "sample_rate_hz": int, "clip_samples": int, "window_samples": int, "hop_samples": int,
    "mel_bands": int, "low_hz": float, "high_hz": float,
}  # fmt: skip
_DATA: Form = {
    "name?": _MAYBE_TEXT, "fingerprint?": _MAYBE_TEXT, "train?": _MAYBE_WHOLE, "validation?": _MAYBE_WHOLE,
    "test?": _MAYBE_WHOLE, "class_names?": ([(str, int)], None), "input_shape?": ([int], None),
    "warnings?": ([str], None), "kind?": _MAYBE_TEXT, "class_counts?": _COUNTS,
    "class_weights?": ([float], None), "front_end?": (_FRONT_END, None), "on_disk?": (bool, None),
    "normalization?": ({"scale": float, "offset": float}, {"scale": [float], "offset": [float]}, None),
    "features?": ([str], None), "skipped?": ([str], None), "augment?": ([str], None), "task?": (dict, None),
}  # fmt: skip
_CONFIG: Form = {
    "minutes?": _MAYBE_NUMBER, "trials?": _MAYBE_WHOLE, "winners?": _MAYBE_WHOLE, "seeds?": _MAYBE_WHOLE,
    "halving?": _MAYBE_TEXT, "searcher?": _MAYBE_TEXT, "supernet?": _MAYBE_TEXT, "data?": _MAYBE_TEXT,
}  # fmt: skip
_LENGTH: Form = {"stopped_early": bool, "seconds": float, "epochs": int}
_AGREEMENT: Form = (
    {"networks": int, "kendall": float, "low": _MAYBE_NUMBER, "high": _MAYBE_NUMBER, "spearman": float}, None,
)  # fmt: skip
_RANKS: Form = {"proxy": _MAYBE_NUMBER, "macs": _MAYBE_NUMBER, "params": _MAYBE_NUMBER}
_DECISION: Form = Such(
    {"name": str, "options": list, "shares": [float]},
    lambda decision: len(decision["options"]) == len(decision["shares"]),
    "as many shares as options",
)
_TARGET: Form = {
    "metric": _METRIC, "target": Such(float, lambda target: target > 0, "more than 0"), "seconds": float,
    "reached": _MAYBE_NUMBER, "outer": dict, "decisions": Such([_DECISION], len, "one decision or more"),
    "history": Such(
        [{"share_of_target": float, "multiplier": float, "entropy": float}], len, "one epoch or more"
    ),
}  # fmt: skip

FACTS: dict[str, Form] = {
    "status": str, "space": str, "seed": _MAYBE_WHOLE, "elapsed_seconds": float, "own_seconds": float,
    "supernet_seconds": float, "config": _CONFIG, "versions": {str: _MAYBE_TEXT},
    "machine": {str: (str, float, None)}, "data": _DATA,
    "objectives": Such(
        [_METRIC],
        lambda names: len(names) > 1 and names[0] == "val_error" and len(set(names)) == len(names),
        "val_error and one metric or more, each once",
    ),
    "constraints": [{"metric": _METRIC, "limit": Such(float, lambda limit: limit > 0, "more than 0")}],
    "device": {"id?": _MAYBE_TEXT, "name?": _MAYBE_TEXT, "runtime?": _MAYBE_TEXT, "note?": _MAYBE_TEXT},
    "search": {"own_seconds?": _MAYBE_NUMBER, "stop_reason?": _MAYBE_TEXT}, "fidelity": dict,
    "warm_start": ({
        "run": str, "space": str, "data": _MAYBE_TEXT, "fingerprint": _MAYBE_TEXT, "device": _MAYBE_TEXT,
        "task?": str, "trials": [Such([(dict, float)], lambda pair: len(pair) == 2, "choices and an error")],
    }, None),
    "gained": (Such(
        {"seeds": int, "share": _MAYBE_NUMBER, "needed": _MAYBE_WHOLE, "correlation": _MAYBE_NUMBER},
        lambda gained: not gained["seeds"] or None not in (gained["share"], gained["needed"]),
        "what the seeds reached and what that had needed",
    ), None),
    "proxy": ({
        "name": str, "scores": {str: float}, "first": [str], "off_after": _MAYBE_WHOLE,
        "verdict": {"networks": int, "kendall": _RANKS, "spearman": _RANKS},
    }, None),
    "inheritance": ({"ratio": float, "low": float, "high": float, "spread": float, "pairs": int}, None),
    "gradient": ({"mode": str, "targets": [_TARGET]}, None),
    "supernet": ({"run": _MAYBE_TEXT, "networks": int, "least_macs": int, "most_macs": int, "capped": bool,
                  "result": _LENGTH, "frame?": _FRAME,
                  "frames?": [{"frame": _FRAME, "least_macs": int, "most_macs": int}],
                  "anchors?": [{"arch": str, "loss": float, "macs": int, "params": int, "alone": float,
                                "seconds": float}], "failed?": int, "asked?": int, "scored?": str}, None),
    "measuring": ({
        "device": str, "runtime": str, "at": str, "waiting": [str], "measured": int, "process": int,
    }, None),
    "measured": ([{
        "trial": str, "file": str, "sha256": str, "device": str, "runtime": str, "threads": int,
        "latency_ms": Such(float, lambda latency: latency > 0, "more than 0"), "low_ms": float,
        "high_ms": float, "median_ms": _MAYBE_NUMBER,
        "p90_ms": _MAYBE_NUMBER, "spread": float, "repeats": int, "statistic": str,
        "governor": _MAYBE_TEXT, "cpu": str, "version": str, "seconds_since_1970": float,
        "predicted_ms": _MAYBE_NUMBER, "predicted_low_ms": _MAYBE_NUMBER, "predicted_high_ms": _MAYBE_NUMBER,
    }], None),
    "trust": ({
        "pairs": [{"trial": str, "score": float, "alone": float, "macs": int, "seconds?": _MAYBE_NUMBER}],
        "failed": int,
        "agreement": _AGREEMENT, "agreement_of_macs": _AGREEMENT,
    }, None),
}  # fmt: skip


@contextmanager
def stored(folder: Path, table: str, row: object) -> Iterator[None]:
    """Stand around what makes values of one row.

    Args:
        folder: Of the run.
        table: Of its database.
        row: The row's key.

    Raises:
        StoreError: The row holds what no version of edgenas wrote.
    """
    try:
        yield
    except (ConfigError, *WRONG_FORM) as error:
        raise _foreign(folder, table, row, " ".join(str(error).split()) or type(error).__name__) from None


def check(folder: Path, table: str, row: object, value: Any, form: Form) -> Any:
    """A value of one row, as it is.

    Raises:
        StoreError: It has another form.
    """
    if (found := fault(value, form)) is not None:
        raise _foreign(folder, table, row, found)
    return value


def fact(folder: Path, key: str, text: str) -> Any:
    """A fact of the table ``meta``.

    Raises:
        StoreError: It has another form.
    """
    with stored(folder, "meta", key):
        value = json.loads(text)
    return check(folder, "meta", key, value, FACTS.get(key, Any))


UNREADABLE = (sqlite3.Error, UnicodeDecodeError)
"""What is raised over a damaged database; the latter where its own messages name what is damaged."""


@contextmanager
def readable(folder: Path) -> Iterator[None]:
    """Stand around reading the database.

    Raises:
        StoreError: SQLite cannot read it.
    """
    try:
        yield
    except UNREADABLE as error:
        raise unreadable(folder, error) from None


def unreadable(folder: Path, error: Exception) -> StoreError:
    """What is said of a database that SQLite cannot read."""
    return StoreError(f"{folder / 'run.db'} cannot be read: {error}; restore it from a copy")


def _foreign(folder: Path, table: str, row: object, reason: str) -> StoreError:
    return StoreError(
        f"{folder / 'run.db'} holds in table '{table}', row '{row}', what edgenas does not write: {reason}; "
        "restore it from a copy"
    )
