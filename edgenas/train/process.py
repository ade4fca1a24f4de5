"""The search's side of the training process: start it, hand it jobs, read its answers."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO

from edgenas.data.dataset import Dataset
from edgenas.data.storage import save_arrays
from edgenas.errors import StoreError, TrialError, UsageError
from edgenas.train.job import Job
from edgenas.train.trainer import Progress, TrainResult
from edgenas.train.worker import receive, send


class TrainingProcess:
    """Trains one job after the other in a process that returns its memory after each.

    The test split is never handed over. Use as a context manager; the data lie in a temporary
    folder until it closes.

    Args:
        dataset: Training and validation splits are written out for the process.
        log_path: File that receives what Keras prints.
    """

    def __init__(self, dataset: Dataset, log_path: Path | None = None) -> None:
        self.dataset = dataset
        self.log_path = log_path
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._answers: IO[bytes] | None = None

    def __enter__(self) -> TrainingProcess:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def start(self) -> None:
        """Write the data and start the process; it imports Keras while the caller goes on."""
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="edgenas-")
            save_arrays(self.dataset, Path(self._folder.name))
        if self._process is not None:
            return
        reading, writing = os.pipe()
        environment = {"TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow", **os.environ}
        with self._log() as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "edgenas.train.worker", str(writing)],
                stdin=subprocess.PIPE, stdout=log, stderr=log,
                pass_fds=[writing], env=environment, start_new_session=True,
            )  # fmt: skip
        os.close(writing)
        self._answers = os.fdopen(reading, "rb")
        assert self._process.stdin is not None
        send(self._process.stdin, Path(self._folder.name))

    def _log(self) -> IO[bytes]:
        return open(self.log_path or os.devnull, "ab")  # noqa: PTH123  os.devnull is no Path

    def run(self, job: Job, on_epoch: Progress = lambda entry: None) -> TrainResult:
        """Train one network; blocks until it ends.

        Raises:
            TrialError: The training failed or its process died; the next job can be run.
            StoreError: The weights could not be written.
            UsageError: The job holds something that cannot be sent to another process.
        """
        self.start()
        assert self._process is not None and self._process.stdin is not None and self._answers is not None
        try:
            send(self._process.stdin, job)
            while True:
                kind, content = receive(self._answers)
                if kind == "epoch":
                    on_epoch(content)
                elif kind == "done":
                    assert isinstance(content, TrainResult)
                    return content
                elif kind == "disk":
                    raise StoreError(content)
                else:
                    raise TrialError(content)
        except (EOFError, BrokenPipeError):
            code = self._stop()
            raise TrialError(f"training process ended with exit code {code}; see {self.log_path}") from None
        except (TypeError, AttributeError) as error:
            raise UsageError(f"the build function cannot be sent to the training process: {error}") from error
        except KeyboardInterrupt:
            self._stop()
            raise

    def _stop(self) -> int | None:
        process, self._process = self._process, None
        if process is None:
            return None
        if process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
        try:
            code = process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)  # the child that trains is in the same session
            code = process.wait()
        if self._answers is not None:
            self._answers.close()
        return code

    def close(self) -> None:
        """End the process and remove the data written for it."""
        self._stop()
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None
