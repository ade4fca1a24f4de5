"""A listener that tells trackers what it hears. A tracker that fails is dropped; the run goes on."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from edgenas.records import TrialRecord
from edgenas.search.listener import StageListener

SEARCH = "search"
"""The stage whose trials are told."""


class Tracker(Protocol):
    """A tool that keeps figures of experiments."""

    def trial_ended(self, record: TrialRecord, refused: int) -> None:
        """A candidate of the search has ended, well or not."""

    def run_ended(self, summary: Mapping[str, Any]) -> None:
        """The whole run is done; the document is that of `edgenas.report.summarize`."""

    def close(self, *, failed: bool) -> None:
        """Nothing more comes, because the run is done or was stopped."""


class TrackingListener:
    """Passes everything on to another listener, and ended trials of the search to trackers.

    Args:
        listener: Hears all.
        trackers: Hear of trials.
        warn: Told once of each tracker that fails.
    """

    def __init__(
        self, listener: StageListener, trackers: Sequence[Tracker], warn: Callable[[str], None]
    ) -> None:
        self._listener, self._trackers, self._warn = listener, list(trackers), warn
        self._stage = ""

    def stage_began(self, name: str, total: int | None, seconds: float | None) -> None:
        """Pass it on."""
        self._stage = name
        self._listener.stage_began(name, total, seconds)

    def trial_began(self, record: TrialRecord) -> None:
        """Pass it on."""
        self._listener.trial_began(record)

    def epoch_ended(self, entry: Mapping[str, Any]) -> None:
        """Pass it on; curves are told with the trial, as entries of several trials come mixed."""
        self._listener.epoch_ended(entry)

    def trial_ended(self, record: TrialRecord, refused: int) -> None:
        """Pass it on, and tell trackers of a trial of the search."""
        self._listener.trial_ended(record, refused)
        if self._stage == SEARCH:
            self._tell(lambda tracker: tracker.trial_ended(record, refused))

    def run_ended(self, summary: Mapping[str, Any]) -> None:
        """Tell trackers how the run ended."""
        self._tell(lambda tracker: tracker.run_ended(summary))

    def close(self, *, failed: bool) -> None:
        """Let trackers write what they hold."""
        self._tell(lambda tracker: tracker.close(failed=failed))

    def _tell(self, what: Callable[[Tracker], None]) -> None:
        for tracker in list(self._trackers):
            try:
                what(tracker)
            except Exception as error:  # another program's trouble must not end a search
                self._trackers.remove(tracker)
                words = " ".join(f"{type(error).__name__}: {error}".split())[:300]
                self._warn(f"{type(tracker).__name__} gets nothing more, the run goes on ({words})")


@contextmanager
def tracked(
    listener: StageListener, folder: Path, tensorboard: str | None, mlflow: str | None
) -> Iterator[TrackingListener]:
    """A listener with the trackers that were asked for.

    Args:
        listener: Hears all.
        folder: Of the run; names it in the tools.
        tensorboard: Folder for event files, or None.
        mlflow: Tracking URI, or None.

    Raises:
        ConfigError: A tool is not installed or does not answer.
    """
    trackers: list[Tracker] = []
    if mlflow is not None:
        from edgenas.tracking.mlflow import MLflow

        trackers.append(MLflow(mlflow, folder))
    if tensorboard is not None:
        from edgenas.tracking.tensorboard import TensorBoard

        trackers.append(TensorBoard(Path(tensorboard) / folder.name))
    told = TrackingListener(listener, trackers, lambda words: print(f"edgenas: {words}", file=sys.stderr))
    try:
        yield told
    except BaseException:
        told.close(failed=True)
        raise
    told.close(failed=False)
