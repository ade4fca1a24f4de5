"""Rows of the table of trials, as records."""

from __future__ import annotations

import json
import sys
from typing import Any

from edgenas.arch.spec import ArchSpec
from edgenas.cost.types import Cost
from edgenas.records import TrialRecord
from edgenas.stored_spec import StoredSpec

TRIALS = """
SELECT trial_id, position, spec, cost, status, reason, recipe, result, finished - started, fidelity, parent
FROM trials
"""

BRIEF = """
SELECT trial_id, position, spec, json_remove(cost, '$.per_op'), status, reason,
CASE WHEN status = 'stopped' THEN recipe END, json_remove(result, '$.history'), finished - started, fidelity,
parent, arch_id, json_extract(spec, '$.space')
FROM trials
"""


def trial_record(
    trial_id: str, position: int, spec: str, cost: str, status: str,
    reason: str | None, recipe: str | None, result: str | None, seconds: float | None, fidelity: float,
    parent: str | None,
) -> TrialRecord:  # fmt: skip
    """A record from a row of `TRIALS`."""
    return TrialRecord(
        trial_id, position, ArchSpec.from_json(json.loads(spec)), Cost.from_json(json.loads(cost)), status,
        reason, json.loads(recipe) if recipe else None, json.loads(result) if result else None, seconds,
        fidelity, parent,
    )  # fmt: skip


def outcome(
    trial_id: str, position: int, spec: str, cost: str, status: str,
    reason: str | None, recipe: str | None, result: str | None, seconds: float | None, fidelity: float,
    parent: str | None, arch_id: str, space: str,
) -> TrialRecord:  # fmt: skip
    """A record from a row of `BRIEF`."""
    return TrialRecord(
        trial_id, position, StoredSpec(spec, arch_id, sys.intern(space)), Cost(**_lean(cost)),
        sys.intern(status), reason, json.loads(recipe) if recipe else None, _lean(result) if result else None,
        seconds, fidelity, parent,
    )  # fmt: skip


def _lean(text: str) -> dict[str, Any]:
    """A document whose names and short texts are shared with all others; they are half of its memory."""
    return {
        sys.intern(name): sys.intern(value) if type(value) is str else value
        for name, value in json.loads(text).items()
    }
