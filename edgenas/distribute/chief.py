"""The chief of keras-tuner's workers: an executor whose trainings run wherever a worker asks for one.

The search's loop stays the one of all executors (`edgenas.train.pool`): a place waits for one training,
and here it lays that on a desk, from which the worker takes it by keras-tuner's ``CreateTrial``. Only
the chief writes the run folder; figures and weights come back in ``EndTrial``. keras-tuner's chief
waits for ever for a worker that was killed; this one notices, and gives the training to another.
"""

from __future__ import annotations

import queue
import threading
import time
import uuid
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent import futures
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgenas.data.dataset import Dataset
from edgenas.distribute.chief_role import IP, KEY, LOST_SECONDS, PORT, Role, job_text, read_end
from edgenas.distribute.executor import ENDS, Executor, check_workers, kept
from edgenas.errors import ConfigError, EdgenasError, WorkerLostError
from edgenas.train.job import Job
from edgenas.train.limits import Overdue
from edgenas.train.trainer import Progress, TrainResult

LOOK_SECONDS = 1.0


@dataclass(eq=False)
class Task:
    """One training on its way to a worker and back.

    Attributes:
        number: keras-tuner's id of it; another one for each attempt.
        text: What the worker gets.
        events: What comes back: ``("began", name)``, ``("epoch", entry)``, ``("end", text)``,
            ``("lost", reason)``.
    """

    text: str
    number: str = field(default_factory=lambda: uuid.uuid4().hex)
    events: queue.Queue[tuple[str, Any]] = field(default_factory=queue.Queue)


class Desk:
    """Where places lay trainings and workers take them; what keras-tuner's servicer takes for its oracle."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: deque[Task] = deque()
        self._held: dict[str, Task] = {}
        self._heard: dict[str, float] = {}
        self._closed = False

    def lay(self, task: Task) -> None:
        """Offer a training to whichever worker asks next."""
        with self._lock:
            self._waiting.append(task)

    def withdraw(self, task: Task) -> None:
        """Forget a training; a worker that has it hears so at its next word."""
        with self._lock:
            if task in self._waiting:
                self._waiting.remove(task)
            self._held = {name: held for name, held in self._held.items() if held is not task}

    def look(self) -> None:
        """Tell the places of workers that have not been heard for `LOST_SECONDS`."""
        with self._lock:
            for name in self._silent():
                del self._heard[name]
                if (task := self._held.pop(name, None)) is not None:
                    reason = f"worker '{name}' was lost: no word of it for {LOST_SECONDS:.0f} s"
                    task.events.put(("lost", reason))

    def close(self) -> None:
        """Send every worker home, and wait until those that are alive have heard it."""
        with self._lock:
            self._closed = True
            self._held.clear()
        while True:
            with self._lock:
                for name in self._silent():
                    del self._heard[name]
                if not self._heard:
                    return
            time.sleep(LOOK_SECONDS / 10)

    def _silent(self) -> list[str]:
        now = time.monotonic()
        return [name for name, heard in self._heard.items() if now - heard > LOST_SECONDS]

    # --- what keras-tuner's servicer calls, in threads of gRPC ---

    def create_trial(self, tuner_id: str) -> Any:
        """The training that a worker holds (it was begun anew under its name), the next one, or none yet."""
        with self._lock:
            if self._closed:
                self._heard.pop(tuner_id, None)
                return _trial("STOPPED")
            self._heard[tuner_id] = time.monotonic()
            if tuner_id not in self._held:
                if not self._waiting:
                    return _trial("IDLE")
                self._held[tuner_id] = self._waiting.popleft()
            task = self._held[tuner_id]
            task.events.put(("began", tuner_id))
            return _trial("RUNNING", task.number, task.text)

    def get_trial(self, trial_id: str) -> Any:
        """Whether a training is still wanted: RUNNING or STOPPED; and the word of a worker that is there."""
        return _trial("STOPPED" if self._holder(trial_id) is None else "RUNNING", trial_id)

    def update_trial(self, trial_id: str, metrics: Mapping[str, float], step: int = 0) -> Any:
        """An epoch ended."""
        if (task := self._holder(trial_id)) is not None:
            task.events.put(("epoch", {**metrics, "epoch": int(step)}))
        return self.get_trial(trial_id)

    def end_trial(self, trial: Any) -> None:
        """A training ended; one that nobody waits for any more is passed over."""
        if (task := self._holder(trial.trial_id)) is not None:
            self.withdraw(task)
            task.events.put(("end", trial.hyperparameters.values.get(KEY, "")))

    def get_space(self) -> Any:
        """Nothing: a training says what is built."""
        import keras_tuner

        return keras_tuner.HyperParameters()

    def update_space(self, hyperparameters: Any) -> None:
        """Nothing."""

    def get_best_trials(self, number: int = 1) -> list[Any]:
        """None: workers look into the run folder."""
        return []

    def _holder(self, trial_id: str) -> Task | None:
        with self._lock:
            for name, task in self._held.items():
                if task.number == trial_id:
                    self._heard[name] = time.monotonic()
                    return task
        return None


def _trial(status: str, trial_id: str = "", text: str | None = None) -> Any:
    import keras_tuner
    from keras_tuner.engine.trial import Trial

    hyperparameters = keras_tuner.HyperParameters()
    if text is not None:
        hyperparameters.values = {KEY: text}
    return Trial(hyperparameters, trial_id, status)


class ChiefExecutor(Executor):
    """Places that keras-tuner's workers fill; it serves them while it is entered.

    Args:
        role: Of this process: the chief.
    """

    def __init__(self, role: Role) -> None:
        super().__init__()
        self.role = role
        self.desk = Desk()
        self._server: Any = None

    def __enter__(self) -> ChiefExecutor:
        """Serve.

        Raises:
            ConfigError: The address is not one of this machine, or in use.
        """
        import grpc
        from keras_tuner.src import protos
        from keras_tuner.src.distribute.oracle_chief import OracleServicer

        self.desk = Desk()
        # keras-tuner's messages are small; ours bring weights.
        options = [("grpc.max_receive_message_length", -1), ("grpc.so_reuseport", 0)]
        server = grpc.server(futures.ThreadPoolExecutor(4), options=options)
        protos.get_service_grpc().add_OracleServicer_to_server(OracleServicer(self.desk), server)
        try:
            bound = server.add_insecure_port(self.role.address)
        except RuntimeError:
            bound = 0
        if not bound:
            raise ConfigError(
                f"the chief cannot listen at {self.role.address}; set {IP} to an address of this machine and "
                f"{PORT} to a port that is free"
            )
        server.start()
        self._server = server
        return self

    def __exit__(self, *exception: object) -> None:
        """Send the workers home."""
        self.desk.close()
        self._server.stop(grace=1.0).wait()

    def default_workers(self) -> int:
        """One; how many there are nobody knows before they ask."""
        return 1

    def places(self, dataset: Dataset, log_path: Path, workers: int) -> Sequence[ChiefPlace]:
        """A place for each training at a time; workers have the data themselves."""
        check_workers(workers)
        return [ChiefPlace(self, dataset.fingerprint) for _ in range(workers)]

    def describe(self) -> dict[str, object]:
        """That keras-tuner's workers trained."""
        return {"executor": "keras-tuner's workers"}


class ChiefPlace:
    """One training at a time, at whichever worker asks.

    Args:
        executor: The one that made it.
        fingerprint: Of the data.
    """

    def __init__(self, executor: ChiefExecutor, fingerprint: str) -> None:
        self._executor = executor
        self._fingerprint = fingerprint
        self._task: Task | None = None

    def __enter__(self) -> ChiefPlace:
        return self

    def __exit__(self, *exception: object) -> None:
        self.interrupt()

    def interrupt(self) -> None:
        """End the training, so that a `run` in another thread fails."""
        if (task := self._task) is not None:
            task.events.put(("lost", "the training was interrupted"))

    def run(self, job: Job, on_epoch: Progress) -> TrainResult:
        """Have one network trained; blocks until it ends, also while no worker is there.

        Raises:
            TrialError: The training failed.
            WorkerLostError: Its worker was lost.
            StoreError: The weights could not be written, here or there.
            ConfigError: The worker has other data or versions, or the job is no plain training.
        """
        desk = self._executor.desk
        self._task = task = Task(job_text(job, self._fingerprint))
        desk.lay(task)
        overdue: Overdue | None = None
        try:
            while True:
                kind, content = self._next(desk, task)
                if kind == "began" and overdue is None:
                    overdue = Overdue(job.limits, self.interrupt)
                elif kind == "epoch":
                    on_epoch(content)
                elif kind == "end":
                    return _result(job, content)
                elif kind == "lost":
                    if overdue is not None:
                        overdue.check()
                    raise WorkerLostError(content)
        finally:
            self._task = None
            desk.withdraw(task)
            if overdue is not None:
                overdue.cancel()

    @staticmethod
    def _next(desk: Desk, task: Task) -> tuple[str, Any]:
        while True:
            try:
                return task.events.get(timeout=LOOK_SECONDS)
            except queue.Empty:
                desk.look()


def _result(job: Job, text: str) -> TrainResult:
    kind, content = read_end(text)
    if kind == "done":
        return kept(job, *content)
    raise ENDS.get(kind, EdgenasError)(content)
