"""Who is told how a search goes on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from edgenas.records import TrialRecord
from edgenas.task import error_words


class SearchListener(Protocol):
    """Told what a search does while it goes on."""

    def trial_began(self, record: TrialRecord) -> None:
        """A candidate is about to be trained."""

    def epoch_ended(self, entry: Mapping[str, Any]) -> None:
        """An epoch of the current training ended."""

    def trial_ended(self, record: TrialRecord, refused: int) -> None:
        """A training ended; ``refused`` proposals were over budget so far."""


class StageListener(SearchListener, Protocol):
    """Told of the stages of a run as well."""

    def stage_began(self, name: str, total: int | None, seconds: float | None) -> None:
        """A stage begins, of so many steps and seconds, where known."""


class PrintingListener:
    """One line a trial."""

    def trial_began(self, record: TrialRecord) -> None:
        """Nothing yet."""

    def epoch_ended(self, entry: Mapping[str, Any]) -> None:
        """Nothing yet."""

    def trial_ended(self, record: TrialRecord, refused: int) -> None:
        """Print how it went."""
        where = "" if (record.result or {}).get("scored_by") else "validation "
        outcome = record.reason or f"{where}{error_words(record.result or {})}"
        print(f"trial {record.trial_id}: {outcome} ({refused} refused so far)")
