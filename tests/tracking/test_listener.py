"""Trackers that fail are dropped and the run goes on; MLflow runs where it is installed."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from edgenas.errors import ConfigError
from edgenas.records import TrialRecord
from edgenas.store import Store
from edgenas.tracking import TrackingListener
from tests.report.made_up import fill


class Notes:
    """A listener and a tracker that writes down what it hears."""

    def __init__(self, *, fails: bool = False) -> None:
        self.heard: list[str] = []
        self.fails = fails

    def stage_began(self, name: str, total: int | None, seconds: float | None) -> None:
        self.heard.append(f"stage {name}")

    def trial_began(self, record: TrialRecord) -> None:
        self.heard.append(f"began {record.trial_id}")

    def epoch_ended(self, entry: Mapping[str, Any]) -> None:
        self.heard.append("epoch")

    def trial_ended(self, record: TrialRecord, refused: int) -> None:
        self.heard.append(f"ended {record.trial_id}")
        if self.fails:
            raise OSError("the server is gone")

    def run_ended(self, summary: Mapping[str, Any]) -> None:
        self.heard.append("run ended")

    def close(self, *, failed: bool) -> None:
        self.heard.append(f"closed {failed}")


@pytest.fixture
def record(tmp_path: Path) -> TrialRecord:
    with Store.create(tmp_path / "run") as store:
        fill(store, 3)
        return store.trials()[0]


def test_only_trials_of_the_search_are_told(record: TrialRecord) -> None:
    listener, tracker = Notes(), Notes()
    told = TrackingListener(listener, [tracker], lambda words: None)
    for stage in ("search", "final training"):
        told.stage_began(stage, 1, None)
        told.trial_began(record)
        told.epoch_ended({"epoch": 1})
        told.trial_ended(record, 0)
    told.run_ended({})
    told.close(failed=False)
    assert tracker.heard == ["ended 0000", "run ended", "closed False"]
    assert listener.heard == [
        "stage search", "began 0000", "epoch", "ended 0000",
        "stage final training", "began 0000", "epoch", "ended 0000",
    ]  # fmt: skip


def test_a_tracker_that_fails_is_warned_of_once_and_left_alone(record: TrialRecord) -> None:
    listener, bad, good, warnings = Notes(), Notes(fails=True), Notes(), []
    told = TrackingListener(listener, [bad, good], warnings.append)
    told.stage_began("search", 2, None)
    told.trial_ended(record, 0)
    told.trial_ended(record, 0)
    told.close(failed=True)
    assert warnings == ["Notes gets nothing more, the run goes on (OSError: the server is gone)"]
    assert bad.heard == ["ended 0000"]
    assert good.heard == ["ended 0000", "ended 0000", "closed True"]


@pytest.mark.skipif(importlib.util.find_spec("mlflow") is not None, reason="MLflow is installed")
def test_without_mlflow_the_way_to_get_it_is_named(tmp_path: Path) -> None:
    from edgenas.tracking.mlflow import MLflow

    with pytest.raises(ConfigError, match=r"pip install 'edgenas\[tracking\]'"):
        MLflow("http://127.0.0.1:1", tmp_path)


def test_mlflow_keeps_trials_within_the_search_and_goes_on_after_a_stop(
    record: TrialRecord, tmp_path: Path
) -> None:
    pytest.importorskip("mlflow")
    pytest.importorskip("sqlalchemy")
    from mlflow import MlflowClient

    from edgenas.tracking.mlflow import EXPERIMENT, MLflow

    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    for _ in range(2):
        tracker = MLflow(uri, tmp_path / "run")
        tracker.trial_ended(record, 5)
        tracker.close(failed=True)
    client = MlflowClient(uri)
    runs = client.search_runs([client.get_experiment_by_name(EXPERIMENT).experiment_id])
    parents = [run for run in runs if run.info.run_name == "run"]
    assert len(parents) == 1 and parents[0].info.status == "KILLED"
    trials = [run for run in runs if run.data.tags.get("mlflow.parentRunId") == parents[0].info.run_id]
    assert len(trials) == 2
    assert trials[0].data.metrics["val_error"] == pytest.approx(record.val_error)
    assert trials[0].data.params == {name: str(value) for name, value in record.spec.choices.items()}
