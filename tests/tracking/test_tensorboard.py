"""Event files, read back by TensorFlow."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from edgenas.errors import ConfigError
from edgenas.store import Store
from tests.report.made_up import DESCRIPTION, choose_winners, fill


def events(folder: Path) -> dict[str, dict[int, float]]:
    """Scalars by tag and step."""
    import tensorflow as tf

    found: dict[str, dict[int, float]] = defaultdict(dict)
    for file in sorted(folder.glob("events*")):
        for event in tf.compat.v1.train.summary_iterator(str(file)):
            for value in event.summary.value:
                if value.metadata.plugin_data.plugin_name == "scalars":
                    found[value.tag][event.step] = float(tf.make_ndarray(value.tensor))
    return found


def test_trials_curves_and_winners_stand_in_event_files(tmp_path: Path) -> None:
    from edgenas.report import summarize
    from edgenas.tracking.tensorboard import TensorBoard

    with Store.create(tmp_path / "run") as store:
        store.set_meta(status="done", **DESCRIPTION)
        choose_winners(store, fill(store, 8))
        records: list[Any] = [trial for trial in store.trials() if trial.status != "running"]
        summary = summarize(store)
    board = TensorBoard(tmp_path / "board")
    for record in records:
        board.trial_ended(record, 3)
    board.run_ended(summary)
    board.close(failed=False)
    search = events(tmp_path / "board" / "search")
    done = [record for record in records if record.status == "completed"]
    assert search["trial/val_error"] == pytest.approx({one.position: one.val_error for one in done}, abs=1e-6)
    assert search["trial/macs"][0] == records[0].cost.macs
    best = search["search/best_val_error"]
    assert best[max(best)] == pytest.approx(min(one.val_error for one in done), abs=1e-6)
    assert len(search["winner/int8_test_accuracy"]) == 3
    curve = events(tmp_path / "board" / "trials" / "0000")["epoch/val_accuracy"]
    expected = {epoch: entry["val_accuracy"] for epoch, entry in enumerate(records[0].result["history"], 1)}
    assert curve == pytest.approx(expected, abs=1e-6)


def test_a_folder_that_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    from edgenas.tracking.tensorboard import TensorBoard

    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be written"):
        TensorBoard(tmp_path / "file" / "board")
