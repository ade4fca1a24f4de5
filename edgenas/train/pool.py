"""TrainingPool: several trainings at the same time, wherever they run.

A network of a microcontroller's size trains hardly faster on two cores than on one: on two cores,
two trainings at once on one thread each got through 1.7 times as many images as one on two threads.

A thread waits for each place where a training runs: a process of this machine, or one training's
share of a cluster (`edgenas.distribute`). Only the thread that holds the `Baton` touches tuner, store
and listener; it passes the baton on while its place trains. So nothing else needs a lock.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from typing import Any, Protocol

from edgenas.environment import cores
from edgenas.errors import EdgenasError, TrialError, WorkerLostError
from edgenas.train.job import Job
from edgenas.train.precision import gpu_memory_gib
from edgenas.train.trainer import Progress, TrainResult

MOST_WORKERS = 4
"""Trainings at the same time by default."""

MOST_ON_A_GPU = 8
"""The same where they share a GPU, which small networks leave idle between steps: on an H100, eight trainings
of a network of 5 million MACs got through 6.2 times as many images as one, and the GPU was busy for 99
instead of 17 % of the time (`benchmarks/gpu.py`)."""

GPU_GIB, GPU_GIB_EACH = 1.8, 0.85
"""Its memory that the first of them took besides, and that each took: 2.6 GiB for one, 8.5 for eight."""

ATTEMPTS = 4
"""How often a training is begun whose process or node gets lost; then it fails with the reason."""


class Place(Protocol):
    """Where one training after the other runs; `edgenas.train.process.TrainingProcess` is one."""

    def __enter__(self) -> Any:
        """Get ready."""

    def __exit__(self, *exception: object) -> None:
        """Leave nothing behind."""

    def run(self, job: Job, on_epoch: Progress) -> TrainResult:
        """Train one network; blocks until it ends.

        Raises:
            TrialError: The training failed.
            WorkerLostError: It was lost, and can be run again.
            StoreError: The weights could not be written.
        """

    def interrupt(self) -> None:
        """Make a `run` in another thread fail soon."""


def default_workers() -> int:
    """Trainings at the same time: one for each core, up to four, or eight on a GPU of known memory."""
    memory = gpu_memory_gib()
    if memory is None:
        return min(cores(), MOST_WORKERS)
    return max(1, min(cores(), MOST_ON_A_GPU, int((memory - GPU_GIB) / GPU_GIB_EACH)))


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
    """Places for trainings; a context manager.

    Args:
        places: One for each training at a time.
    """

    def __init__(self, places: Sequence[Place]) -> None:
        self.places = places
        self.baton = Baton()
        self._stack = ExitStack()
        self._spare = ThreadPoolExecutor(1)

    def __enter__(self) -> TrainingPool:
        try:
            self._stack.enter_context(self._spare)
            for place in self.places:
                self._stack.enter_context(place)
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    def train(self, place: Place, job: Job, on_epoch: Progress) -> TrainResult:
        """Train one network while other threads go on; called with the baton, which it holds again after.

        A training that gets lost is begun again: its seed makes it the same one.

        Raises:
            TrialError: The training failed, or was lost four times.
            StoppedError: It was cut off.
            StoreError: The weights could not be written.
        """
        reached = 0

        def report(entry: dict[str, Any]) -> None:
            nonlocal reached
            with self.baton:
                self.baton.check()
                if int(entry["epoch"]) > reached:  # an epoch of a second attempt was told before
                    reached = int(entry["epoch"])
                    on_epoch(entry)

        for attempt in range(1, ATTEMPTS + 1):
            try:
                with self.baton.passed():
                    return place.run(job, report)
            except WorkerLostError as error:
                if attempt == ATTEMPTS:
                    raise TrialError(f"{error}; it was lost {ATTEMPTS} times") from error
        raise AssertionError("the last attempt returns or raises")

    def meanwhile(self, work: Callable[[], None]) -> None:
        """Call a function with the baton as soon as nobody has it.

        Its work must be done again where it is needed and missing: what it raises is heard of there alone.
        """
        self._spare.submit(self._with_baton, lambda place: work(), self.places[0])

    def each(self, work: Callable[[Place], None]) -> None:
        """Call a function once for each place, in a thread each, with the baton.

        Raises:
            BaseException: Whatever the first call to fail raised, after all others were stopped.
        """
        if len(self.places) == 1:
            self._with_baton(work, self.places[0])
            return
        with ThreadPoolExecutor(len(self.places)) as threads:
            calls: list[Future[None]] = []
            try:
                for place in self.places:
                    calls.append(threads.submit(self._with_baton, work, place))
                wait(calls, return_when=FIRST_EXCEPTION)
            finally:  # all are done, or one failed, or the user interrupts
                if not all(call.done() and call.exception() is None for call in calls):
                    self._stop()
        errors = [error for call in calls if (error := call.exception()) is not None]
        for error in sorted(errors, key=lambda error: isinstance(error, StoppedError)):
            raise error

    def _with_baton(self, work: Callable[[Place], None], place: Place) -> None:
        with self.baton:
            work(place)

    def _stop(self) -> None:
        self.baton.break_it()
        for place in self.places:
            place.interrupt()
