"""Executor: where trainings run. An implementation is one file and one registration.

The search's loop is the same everywhere (`edgenas.train.pool.TrainingPool`): results are told in the
order of their trials, so one seed and one number of workers give one sequence, whatever the executor.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgenas.data.dataset import Dataset
from edgenas.errors import ConfigError, EdgenasError, StoreError, TrialError, WorkerLostError
from edgenas.registry import Registry
from edgenas.train.job import Job
from edgenas.train.limits import Limits
from edgenas.train.pool import Place
from edgenas.train.trainer import TrainResult
from edgenas.whole import write_bytes_whole


@dataclass(frozen=True)
class Allotment:
    """What each training gets, and where from.

    Attributes:
        cpus: Cores of one training, 0.5 for half of one; None for the executor's choice.
        gpus: GPUs of one training, 0.25 for a quarter of one.
        minutes: Longest time of one training, or None.
        memory_gib: Most memory of one training, or None.
        address: Of the cluster, or None for this machine.
        runtime_env: JSON file with a runtime environment for the cluster, or None.

    Raises:
        ConfigError: A number out of range.
    """

    cpus: float | None = None
    gpus: float | None = None
    minutes: float | None = None
    memory_gib: float | None = None
    address: str | None = None
    runtime_env: str | None = None

    def __post_init__(self) -> None:
        if self.cpus is not None and not self.cpus > 0:
            raise ConfigError(f"--cpus-per-trial {self.cpus:g} was given; expected more than zero")
        if self.gpus is not None and not self.gpus >= 0:
            raise ConfigError(f"--gpus-per-trial {self.gpus:g} was given; expected 0 or more")
        _ = self.limits  # refuses limits of zero or less

    @property
    def limits(self) -> Limits:
        """Beyond these a trial fails."""
        return Limits(self.minutes, self.memory_gib)

    @property
    def threads(self) -> int:
        """Threads of one training: one for each of its cores, one at least."""
        return max(1, int(self.cpus or 1))


class Executor(ABC):
    """Offers places where trainings run; a context manager.

    Args:
        allotment: What each training gets.

    Raises:
        ConfigError: It cannot give that.
    """

    def __init__(self, allotment: Allotment | None = None) -> None:
        self.allotment = allotment or Allotment()

    @abstractmethod
    def __enter__(self) -> Executor:
        """Get ready: connect to the cluster, if there is one.

        Raises:
            ConfigError: There is no cluster, or it cannot run a trial.
        """

    @abstractmethod
    def __exit__(self, *exception: object) -> None:
        """Let go of everything."""

    @abstractmethod
    def default_workers(self) -> int:
        """Trainings at the same time where the user names no number."""

    @abstractmethod
    def places(self, dataset: Dataset, log_path: Path, workers: int) -> Sequence[Place]:
        """Places for so many trainings at a time; each is a context manager.

        Args:
            dataset: What they train on; the test split is never handed over.
            log_path: File that receives what Keras prints, where it runs on this machine.
            workers: How many.
        """

    def describe(self) -> dict[str, object]:
        """What a run writes down of where its trainings ran."""
        return {}


def check_workers(workers: int) -> None:
    """Refuse a number of workers that nothing could be trained with.

    Raises:
        ConfigError: Fewer than one.
    """
    if workers < 1:
        raise ConfigError(f"{workers} workers were asked for; expected 1 or more")


ENDS: dict[str, type[EdgenasError]] = {
    "failed": TrialError, "lost": WorkerLostError, "disk": StoreError, "refused": ConfigError,
}  # fmt: skip
"""Errors by the words in which another machine says why a training ended."""


def kept(job: Job, result: TrainResult, weights: bytes | None) -> TrainResult:
    """The result of a training elsewhere, whose weights are written here.

    Raises:
        StoreError: They cannot be written.
    """
    if job.weights_path is not None and weights is not None:
        try:
            write_bytes_whole(job.weights_path, weights)
        except OSError as error:
            raise StoreError(
                f"{job.weights_path} cannot be written: {error.strerror or error}; free space and resume"
            ) from error
    return result


EXECUTORS: Registry[type[Executor]] = Registry("executor")
