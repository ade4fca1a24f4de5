"""Runs in MLflow, through its own client: one for the search, and one within it for each trial."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgenas.errors import ConfigError
from edgenas.records import TrialRecord
from edgenas.tracking.figures import epoch_figures, trial_figures, winner_figures

EXPERIMENT = "edgenas"
FOLDER_TAG = "edgenas.folder"
_PARENT_TAG = "mlflow.parentRunId"
_MOST_AT_ONCE = 500


class MLflow:
    """Tells an MLflow server, or a folder or database in its format.

    Args:
        uri: Tracking URI, as `mlflow.set_tracking_uri` takes it.
        folder: Of the run; a resumed one goes on in the MLflow run that it began.

    Raises:
        ConfigError: MLflow is not installed, or the URI does not answer.
    """

    def __init__(self, uri: str, folder: Path) -> None:
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
        os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
        try:
            from mlflow import MlflowClient
            from mlflow.entities import Metric, Param
        except ImportError:
            raise ConfigError(
                "--mlflow was given, but MLflow is not installed; install it with: "
                "pip install 'edgenas[tracking]'"
            ) from None
        self._metric, self._param = Metric, Param
        try:
            self._client = MlflowClient(tracking_uri=uri)
            self._experiment = self._experiment_id()
            self._run = self._begun(folder.resolve())
        except Exception as error:  # of many kinds, by the kind of store
            words = " ".join(str(error).split())[:200]
            raise ConfigError(
                f"--mlflow {uri} does not answer as a tracking server ({words}); start it, or name another"
            ) from None

    def _experiment_id(self) -> str:
        found = self._client.get_experiment_by_name(EXPERIMENT)
        return str(found.experiment_id if found else self._client.create_experiment(EXPERIMENT))

    def _begun(self, folder: Path) -> str:
        """The id of the run of a folder, a new one if there is none."""
        named = str(folder).replace("'", "_")
        found = self._client.search_runs(
            [self._experiment], f"tags.`{FOLDER_TAG}` = '{named}'", max_results=1
        )
        if found:
            self._client.update_run(found[0].info.run_id, status="RUNNING")
            return str(found[0].info.run_id)
        tags = {FOLDER_TAG: named}
        return str(self._client.create_run(self._experiment, tags=tags, run_name=folder.name).info.run_id)

    def trial_ended(self, record: TrialRecord, refused: int) -> None:
        """A run of its own within the search's: its choices, curves, figures and how it ended."""
        run = self._client.create_run(
            self._experiment, tags={_PARENT_TAG: self._run}, run_name=f"trial {record.trial_id}"
        ).info.run_id
        now = int(1000 * time.time())
        metrics = [
            self._metric(name, value, now, epoch)
            for epoch, entry in enumerate((record.result or {}).get("history") or [], start=1)
            for name, value in _named("epoch", epoch_figures(entry)).items()
        ]
        figures = trial_figures(record)
        metrics += [self._metric(name, value, now, 0) for name, value in figures.items()]
        params = [self._param(name, str(value)) for name, value in record.spec.choices.items()]
        self._log(run, metrics, params)
        if record.reason:
            self._client.set_tag(run, "edgenas.reason", record.reason[:500])
        self._client.set_terminated(run, "FAILED" if record.status == "failed" else "FINISHED")
        told = {**figures, "refused": float(refused)}
        self._log(
            self._run,
            [
                self._metric(name, value, now, record.position)
                for name, value in _named("trial", told).items()
            ],
            [],
        )

    def run_ended(self, summary: Mapping[str, Any]) -> None:
        """The winners' figures, and what was searched."""
        now = int(1000 * time.time())
        for winner in summary["winners"]:
            figures = _named("winner", winner_figures(winner))
            step = int(winner["trial"])
            self._log(
                self._run, [self._metric(name, value, now, step) for name, value in figures.items()], []
            )
        facts = {"space": summary["space"], "device": (summary["device"] or {}).get("id")}
        facts |= {"data": (summary["data"] or {}).get("name"), "seed": summary["seed"]}
        for name, value in facts.items():
            self._client.set_tag(self._run, f"edgenas.{name}", str(value))

    def close(self, *, failed: bool) -> None:
        """End the search's run; one that was stopped goes on when it is resumed."""
        self._client.set_terminated(self._run, "KILLED" if failed else "FINISHED")

    def _log(self, run: str, metrics: list[Any], params: list[Any]) -> None:
        for start in range(0, max(1, len(metrics)), _MOST_AT_ONCE):
            part = metrics[start : start + _MOST_AT_ONCE]
            self._client.log_batch(run, metrics=part, params=params if start == 0 else [])


def _named(kind: str, figures: Mapping[str, float]) -> dict[str, float]:
    return {f"{kind}.{name}": value for name, value in figures.items()}
