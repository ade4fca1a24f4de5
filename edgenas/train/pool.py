"""TrainingPool: several training processes on one machine, for networks too small to keep it busy.

A network of a microcontroller's size trains hardly faster on two cores than on one: on two cores,
two trainings at once on one thread each got through 1.7 times as many images as one on two threads.

A thread waits for each process. Only the thread that holds the `Baton` touches tuner, store and
listener; it passes the baton on while its process trains. So nothing else needs a lock.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from pathlib import Path

from edgenas.data.dataset import Dataset
from edgenas.environment import cores
from edgenas.errors import ConfigError, EdgenasError, TrialError
from edgenas.train.job import Job
from edgenas.train.process import TrainingProcess
from edgenas.train.trainer import Progress, TrainResult

MOST_WORKERS = 4
"""Trainings at the same time by default. Small networks leave a GPU idle between steps, and four of them
need some 4 GiB of its memory, most of it for the framework itself."""


def default_workers() -> int:
    """Trainings at the same time: one for each core, up to four, also where they share a GPU."""
    return min(cores(), MOST_WORKERS)


class StoppedError(EdgenasError):
    """Another thread failed or the user interrupted; what this one did is cut off, not failed."""


class Baton:
    """A lock that threads pass on, and that stops them all when it is broken."""

    def __init__(self) -> None:
        self._changed = threading.Condition(threading.Lock())
        self._broken = False

    def __enter__(self) -> Baton:
        self._changed.acquire()
        return self

    def __exit__(self, *exception: object) -> None:
        self._changed.notify_all()
        self._changed.release()

    @contextmanager
    def passed(self) -> Iterator[None]:
        """Let others go on during the block.

        Raises:
            StoppedError: The block failed because the baton was broken.
        """
        self._changed.notify_all()
        self._changed.release()
        try:
            yield
        except TrialError:
            self._changed.acquire()
            self.check()
            raise
        except BaseException:
            self._changed.acquire()
            raise
        self._changed.acquire()

    def wait(self) -> None:
        """Let others go on until one of them passes the baton on.

        Raises:
            StoppedError: The baton is broken.
        """
        self.check()
        self._changed.wait()
        self.check()

    def check(self) -> None:
        """Raise StoppedError if the baton is broken."""
        if self._broken:
            raise StoppedError("the search was stopped")

    def break_it(self) -> None:
        """Stop every thread at its next step."""
        with self:
            self._broken = True


class TrainingPool:
    """Training processes that share a machine; a context manager.

    Args:
        dataset: What they train on; the test split is never handed over.
        log_path: File that receives what Keras prints; the data lie beside it meanwhile.
        workers: How many. A single one may use all cores; several share them.
    """

    def __init__(self, dataset: Dataset, log_path: Path, workers: int = 1) -> None:
        if workers < 1:
            raise ConfigError(f"{workers} workers were asked for; expected 1 or more")
        threads = None if workers == 1 else max(1, cores() // workers)
        self.processes = [TrainingProcess(dataset, log_path, threads=threads) for _ in range(workers)]
        self.baton = Baton()
        self._stack = ExitStack()

    def __enter__(self) -> TrainingPool:
        try:
            for process in self.processes:
                self._stack.enter_context(process)
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    def train(self, process: TrainingProcess, job: Job, on_epoch: Progress) -> TrainResult:
        """Train one network while other threads go on; called with the baton, which it holds again after.

        Raises:
            TrialError: The training failed.
            StoppedError: It was cut off.
            StoreError: The weights could not be written.
        """

        def report(entry: dict[str, float]) -> None:
            with self.baton:
                self.baton.check()
                on_epoch(entry)

        with self.baton.passed():
            return process.run(job, report)

    def each(self, work: Callable[[TrainingProcess], None]) -> None:
        """Call a function once for each process, in a thread each, with the baton.

        Raises:
            BaseException: Whatever the first call to fail raised, after all others were stopped.
        """
        if len(self.processes) == 1:
            self._with_baton(work, self.processes[0])
            return
        with ThreadPoolExecutor(len(self.processes)) as threads:
            calls: list[Future[None]] = []
            try:
                for process in self.processes:
                    calls.append(threads.submit(self._with_baton, work, process))
                wait(calls, return_when=FIRST_EXCEPTION)
            finally:  # all are done, or one failed, or the user interrupts
                if not all(call.done() and call.exception() is None for call in calls):
                    self._stop()
        errors = [error for call in calls if (error := call.exception()) is not None]
        for error in sorted(errors, key=lambda error: isinstance(error, StoppedError)):
            raise error

    def _with_baton(self, work: Callable[[TrainingProcess], None], process: TrainingProcess) -> None:
        with self.baton:
            work(process)

    def _stop(self) -> None:
        self.baton.break_it()
        for process in self.processes:
            process.interrupt()
