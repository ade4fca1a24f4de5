"""A run in the terminal: a bar with time left, the best so far, the number refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from edgenas.records import TrialRecord
from edgenas.task import epoch_error, epoch_words, error_words


class RichListener:
    """Draws a run on standard error, so that standard output stays a document."""

    def __init__(self) -> None:
        self.console = Console(stderr=True, highlight=False)
        self.progress = Progress(
            TextColumn("{task.description:>14}"),
            BarColumn(bar_width=12),
            TextColumn("{task.fields[count]:>5}"),
            TextColumn("left"),
            TimeRemainingColumn(elapsed_when_finished=False),
            TextColumn("{task.fields[note]}"),
            console=self.console,
            transient=False,
        )
        self._task: TaskID | None = None
        self._total: int | None = None
        self._seconds: float | None = None
        self._done = 0
        self._best: float | None = None
        self._best_words = ""
        self._refused = 0
        self._speed = 0.0

    def __enter__(self) -> RichListener:
        return self

    def __exit__(self, *exception: object) -> None:
        self.progress.stop()

    def stage_began(self, name: str, total: int | None, seconds: float | None) -> None:
        """Draw a new bar; it runs by steps, or by seconds where only time ends the stage."""
        self.progress.start()  # not before: an error found earlier is a line of its own
        self._finish_bar()
        self._total, self._seconds = total, seconds
        self._done, self._best, self._refused, self._speed = 0, None, 0, 0.0
        self._task = self.progress.add_task(name, total=total or seconds, count="", note="")

    def trial_began(self, record: TrialRecord) -> None:
        """Show what is being trained."""
        self._draw(f"{self._standing()}trial {record.trial_id} starts")

    def epoch_ended(self, entry: Mapping[str, Any]) -> None:
        """Show how the current training goes."""
        figure = "" if epoch_error(entry) is None else f" val {epoch_words(entry)}"
        self._draw(f"{self._standing()}epoch {entry['epoch']}/{entry['epochs']}{figure}")

    def trial_ended(self, record: TrialRecord, refused: int) -> None:
        """Advance the bar."""
        self._done += 1
        self._refused = max(refused, self._refused)
        if record.reason is not None:
            failed = "failed: " if record.status == "failed" else ""
            self.console.print(f"trial {record.trial_id} {failed}{record.reason}")
        elif record.val_error is not None and record.fidelity == 1:
            if self._best is None or record.val_error < self._best:
                self._best, self._best_words = record.val_error, error_words(record.result or {})
            self._speed = 0.0 if (record.result or {}).get("scored_by") else record.images_per_second
        self._draw(self._standing())

    def _standing(self) -> str:
        best = "" if self._best is None else f"best {self._best_words}, "
        refused = f"{self._refused} refused, " if self._refused else ""
        speed = f"{self._speed:,.0f} examples/s, " if self._speed else ""
        return best + refused + speed

    def _draw(self, note: str) -> None:
        if self._task is None:
            return
        task = self.progress.tasks[self._task]
        by_time = self._total is None and self._seconds is not None
        completed = min(task.elapsed or 0.0, self._seconds or 0.0) if by_time else self._done
        count = f"{self._done}/{self._total}" if self._total else str(self._done)
        self.progress.update(self._task, completed=completed, count=count, note=note.rstrip(", "))

    def _finish_bar(self) -> None:
        if self._task is not None:
            task = self.progress.tasks[self._task]
            self.progress.update(self._task, total=task.completed or 1, completed=task.completed or 1)
