"""Rows of the tables of trials and winners, as records."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from edgenas.arch.spec import ArchSpec
from edgenas.cost.types import Cost
from edgenas.facts import COST, COST_BY_OPERATION, TRIAL, WINNER, check, stored
from edgenas.records import TrialRecord, WinnerRecord
from edgenas.stored_spec import StoredSpec

AT_HAND = 256
"""Specs and costs that are not read again: a search looks three times at each trial while it goes on."""

TRIALS = """
SELECT trial_id, position, spec, cost, status, reason, recipe, result, finished - started, fidelity, parent
FROM trials
"""

BRIEF = """
SELECT trial_id, position, spec,
    CASE WHEN json_valid(cost) THEN json_remove(cost, '$.per_op') ELSE cost END, status, reason,
    CASE WHEN status = 'stopped' THEN recipe END,
    CASE WHEN json_valid(result) THEN json_remove(result, '$.history') ELSE result END,
    finished - started, fidelity, parent, arch_id,
    CASE WHEN json_valid(spec) THEN json_extract(spec, '$.space') ELSE '' END
FROM trials
"""


WINNERS = """
SELECT trial_id, why, w.recipe, w.result, w.reason, manifest FROM winners AS w
LEFT JOIN trials USING (trial_id) ORDER BY position
"""


def trial_record(folder: Path, row: Sequence[Any]) -> TrialRecord:
    """A record from a row of `TRIALS`.

    Args:
        folder: Of the run.
        row: Of its database.

    Raises:
        StoreError: It holds what no version of edgenas wrote.
    """
    trial_id, position, spec, cost, status, reason, recipe, result, seconds, fidelity, parent = row
    with stored(folder, "trials", trial_id):
        found = TrialRecord(
            trial_id, position, _spec(spec), _cost(folder, trial_id, cost),
            status, reason, document(recipe), document(result), seconds, fidelity, parent,
        )  # fmt: skip
    _check(folder, found)
    return found


@lru_cache(maxsize=AT_HAND)
def _spec(text: str) -> ArchSpec:
    return ArchSpec.from_json(json.loads(text))


@lru_cache(maxsize=AT_HAND)
def _cost(folder: Path, trial_id: str, text: str) -> Cost:
    return Cost.from_json(check(folder, "trials", trial_id, json.loads(text), COST_BY_OPERATION))


def outcome(folder: Path, row: Sequence[Any]) -> TrialRecord:
    """A record from a row of `BRIEF`.

    Raises:
        StoreError: It holds what no version of edgenas wrote.
    """
    trial_id, position, spec, cost, status, reason, recipe, result, seconds, fidelity, parent, *brief = row
    arch_id, space = brief
    with stored(folder, "trials", trial_id):
        found = TrialRecord(
            trial_id, position, StoredSpec(spec, arch_id, sys.intern(space), folder, trial_id),
            Cost(**check(folder, "trials", trial_id, _lean(cost), COST)), sys.intern(status), reason,
            document(recipe), _lean(result) if result else None, seconds, fidelity, parent,
        )  # fmt: skip
    _check(folder, found)
    return found


def winner_record(folder: Path, row: Sequence[Any]) -> WinnerRecord:
    """A record from a row of `WINNERS`.

    Raises:
        StoreError: It holds what no version of edgenas wrote.
    """
    trial_id, why, recipe, result, reason, manifest = row
    with stored(folder, "winners", trial_id):
        found = WinnerRecord(trial_id, why, document(recipe), document(result), reason, document(manifest))
    check(folder, "winners", trial_id, vars(found), WINNER)
    return found


def document(text: str | None) -> Any:
    """What a text of JSON holds; None for none."""
    return json.loads(text) if text else None


def _check(folder: Path, record: TrialRecord) -> None:
    check(folder, "trials", record.trial_id, vars(record), TRIAL)


_DECODER = json.JSONDecoder()


def _lean(text: str) -> dict[str, Any]:
    """A document whose names and short texts are shared with all others; they are half of its memory."""
    found, end = _DECODER.raw_decode(text) if text.startswith("{") else ({}, -1)
    if end != len(text):  # blanks around it, or an error
        found = json.loads(text)
    intern = sys.intern
    return {intern(name): intern(value) if type(value) is str else value for name, value in found.items()}
