"""Event files for TensorBoard, written by TensorFlow's own summary writer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgenas.captured import captured
from edgenas.errors import ConfigError
from edgenas.records import TrialRecord
from edgenas.tracking.figures import epoch_figures, trial_figures, winner_figures

_DATA_CLASSES = {"scalars": 1, "text": 2}
"""``DATA_CLASS_SCALAR`` and ``DATA_CLASS_TENSOR`` of TensorFlow's ``summary.proto``."""


class TensorBoard:
    """One TensorBoard run for the search, by trial, and one for each trial, by epoch.

    Args:
        folder: Gets ``search`` and ``trials/ID``; a resumed run goes on in it.

    Raises:
        ConfigError: The folder cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        with captured():  # TensorFlow greets on standard error
            import tensorflow as tf

        self._tf, self._folder = tf, folder
        self._best: float | None = None
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._search = tf.summary.create_file_writer(str(folder / "search"))
        except (OSError, tf.errors.OpError) as error:
            raise ConfigError(
                f"--tensorboard {folder} cannot be written ({error}); choose another folder"
            ) from None

    def trial_ended(self, record: TrialRecord, refused: int) -> None:
        """Its figures at its number, the best error so far, and its curves."""
        figures = {f"trial/{name}": value for name, value in trial_figures(record).items()}
        if record.status == "completed" and record.fidelity == 1 and record.val_error is not None:
            self._best = min(record.val_error, self._best if self._best is not None else record.val_error)
        if self._best is not None:
            figures["search/best_val_error"] = self._best
        figures["search/refused"] = float(refused)
        self._write(self._search, figures, record.position)
        self._curves(record)

    def _curves(self, record: TrialRecord) -> None:
        history = (record.result or {}).get("history") or []
        if not history:
            return
        writer = self._tf.summary.create_file_writer(str(self._folder / "trials" / record.trial_id))
        for epoch, entry in enumerate(history, start=1):
            named = {f"epoch/{name}": value for name, value in epoch_figures(entry).items()}
            self._write(writer, named, epoch)
        choices = ", ".join(f"{name} = {value}" for name, value in record.spec.choices.items())
        with writer.as_default(step=0):
            self._summary("choices", choices, "text")
        writer.close()

    def run_ended(self, summary: Mapping[str, Any]) -> None:
        """The winners' figures, at their numbers."""
        for winner in summary["winners"]:
            figures = {f"winner/{name}": value for name, value in winner_figures(winner).items()}
            self._write(self._search, figures, int(winner["trial"]))

    def close(self, *, failed: bool) -> None:
        """Write what is held."""
        self._search.close()

    def _write(self, writer: Any, figures: Mapping[str, float], step: int) -> None:
        with writer.as_default(step=step):
            for name, value in figures.items():
                self._summary(name, self._tf.constant(value, self._tf.float32), "scalars")
        writer.flush()

    def _summary(self, name: str, value: Any, plugin: str) -> None:
        """One entry for a plugin of TensorBoard.

        ``tf.summary.scalar`` and ``text`` write the same, but need TensorBoard installed where the search
        runs.
        """
        kind = self._tf.compat.v1.SummaryMetadata
        metadata = kind(plugin_data=kind.PluginData(plugin_name=plugin), data_class=_DATA_CLASSES[plugin])
        self._tf.summary.write(name, value, metadata=metadata)
