"""The search's side of the training process: start it, hand it jobs, read its answers."""

from __future__ import annotations

import contextlib
import os
import pickle
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import cloudpickle

from edgenas.data.dataset import Dataset
from edgenas.data.storage import save_arrays
from edgenas.errors import StoreError, TrialError, UsageError, WorkerLostError
from edgenas.train.job import Job
from edgenas.train.limits import Overdue
from edgenas.train.own_parts import own_parts
from edgenas.train.trainer import Progress, TrainResult
from edgenas.train.worker import PackedJob, Request, Start, pack, receive, send

THREAD_SETTINGS = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS")
"""What TensorFlow, oneDNN and PyTorch read their number of threads from."""

SHARED_GPU = {"TF_FORCE_GPU_ALLOW_GROWTH": "true", "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
"""Without these, the first of several trainings takes all memory of a GPU for itself."""


def packed(job: Job) -> PackedJob:
    """A job with the user's own blocks and layers, for another process.

    Raises:
        UsageError: It holds something that cannot be sent.
    """
    try:
        body: bytes = cloudpickle.dumps(replace(job, parts=own_parts()))
        return PackedJob(body, job.spec.input_shape, job.limits)
    except (TypeError, AttributeError, pickle.PicklingError) as error:
        raise UsageError(
            f"the build function, a callback or a block cannot be sent to the training process: {error}; "
            "create what it uses inside it"
        ) from error


class TrainingProcess:
    """Trains one job after the other in a process that returns its memory after each.

    The test split is never handed over. Use as a context manager; the data lie in a folder of their
    own until it closes.

    Args:
        dataset: Training and validation splits are written out for the process.
        log_path: File that receives what Keras prints; the data are written beside it, so that a
            killed search leaves them where the next one finds them. Without it, both are temporary.
        threads: Threads of a training, or None for all cores.
        data_folder: Where the data lie already; they stay there. ``dataset`` may be None then.
    """

    def __init__(
        self,
        dataset: Dataset | None,
        log_path: Path | None = None,
        *,
        threads: int | None = None,
        data_folder: Path | None = None,
    ) -> None:
        self.dataset = dataset
        self.data_folder = data_folder
        self.log_path = log_path
        self.threads = threads
        self._folder: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._answers: IO[bytes] | None = None

    def __enter__(self) -> TrainingProcess:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def start(self) -> None:
        """Write the data and start the process; it imports Keras while the caller goes on.

        Raises:
            StoreError: The data cannot be written.
        """
        folder = self._place_data()
        if self._process is not None and self._process.poll() is None:
            return
        self._stop()
        reading, writing = os.pipe()
        environment = {
            "TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow", **SHARED_GPU, **os.environ,
        }  # fmt: skip
        if self.threads is not None:
            environment |= dict.fromkeys(THREAD_SETTINGS, str(self.threads))
        with self._log() as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "edgenas.train.worker", str(writing)],
                stdin=subprocess.PIPE, stdout=log, stderr=log,
                pass_fds=[writing], env=environment, start_new_session=True,
            )  # fmt: skip
        os.close(writing)
        self._answers = os.fdopen(reading, "rb")
        assert self._process.stdin is not None
        send(self._process.stdin, Start(tuple(sys.path), folder))

    def _place_data(self) -> Path:
        """The folder of the data, which are written unless they lie there."""
        if self._folder is None:
            beside = self.log_path and self.log_path.parent / "training_data"
            folder = self.data_folder or beside or Path(tempfile.mkdtemp(prefix="edgenas-"))
            if self.dataset is not None:
                save_arrays(self.dataset, folder)
            self._folder = folder
        return self._folder

    def _log(self) -> IO[bytes]:
        return open(self.log_path or os.devnull, "ab")  # noqa: PTH123  os.devnull is no Path

    def run(self, job: Job, on_epoch: Progress = lambda entry: None) -> TrainResult:
        """Train one network; blocks until it ends.

        Raises:
            TrialError: The training failed; the next job can be run.
            WorkerLostError: The process was killed; the same job can be run again.
            StoreError: The weights could not be written.
            UsageError: The job holds something that cannot be sent to another process.
        """
        answers = self.answers(packed(job), job.weights_path)
        try:
            for kind, content in answers:
                if kind == "epoch":
                    on_epoch(content)
                else:
                    result: TrainResult = content
        finally:
            answers.close()
        return result

    def answers(self, job: PackedJob, weights_path: Path | None) -> Generator[tuple[str, Any], None, None]:
        """Train one job: ``("epoch", entry)`` for each epoch, then ``("done", TrainResult)``.

        Closed early, it ends the training. Raises what `run` raises.
        """
        if self._folder is None:
            raise UsageError("a job was given to a training process that is closed; call start first")
        self.start()
        last: tuple[str, Any] | None = None
        overdue = Overdue(job.limits, self.interrupt)
        try:
            self._ask(pack(Request(job, weights_path)))
            while (answer := self._answer())[0] != "end":
                if answer[0] == "epoch":
                    yield answer
                else:
                    last = answer
        except WorkerLostError:
            overdue.check()
            raise
        except BaseException:  # also an interrupt or an error of on_epoch: later answers are for nobody
            self._stop()
            raise
        finally:
            overdue.cancel()
        kind, content = last or answer[1]
        if kind == "done":
            yield kind, content
        else:
            errors = {"disk": StoreError, "lost": WorkerLostError}
            raise errors.get(kind, TrialError)(content)

    def _ask(self, request: bytes) -> None:
        assert self._process is not None and self._process.stdin is not None
        try:
            self._process.stdin.write(request)
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._died() from None

    def _answer(self) -> tuple[str, Any]:
        assert self._answers is not None
        try:
            kind, content = receive(self._answers)
        except EOFError:
            raise self._died() from None
        return kind, content

    def _died(self) -> TrialError:
        code = self._stop()
        kind = TrialError if code is not None and code >= 0 else WorkerLostError
        return kind(f"training process ended with exit code {code}; see {self.log_path}")

    def _stop(self) -> int | None:
        """End the process and a training in it; its exit code, or None if there was none."""
        process, self._process = self._process, None
        if process is None:
            return None
        if process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
        try:
            code = process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # the child that trains is in the same session
            code = process.wait()
        if self._answers is not None:
            self._answers.close()
        return code

    def interrupt(self) -> None:
        """Kill the process, so that a `run` in another thread fails; the next `run` starts a new one."""
        if (process := self._process) is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)

    def close(self) -> None:
        """End the process and remove the data written for it."""
        self._stop()
        if self._folder is not None and self.data_folder is None:
            shutil.rmtree(self._folder, ignore_errors=True)
        self._folder = None
