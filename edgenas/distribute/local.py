"""Trainings in processes of this machine.

Every training on one machine has a process of its own anyway (`edgenas.train.worker`), so ``local`` and
``processes`` are two names of one executor.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edgenas.data.dataset import Dataset
from edgenas.distribute.executor import EXECUTORS, Allotment, Executor, check_workers
from edgenas.environment import cores
from edgenas.errors import ConfigError
from edgenas.train.pool import default_workers
from edgenas.train.process import TrainingProcess


@EXECUTORS.register("local")
@EXECUTORS.register("processes")
class LocalExecutor(Executor):
    """A training process for each worker; a single one may use all cores, several share them."""

    def __init__(self, allotment: Allotment | None = None) -> None:
        super().__init__(allotment)
        given = {
            "--address": self.allotment.address,
            "--gpus-per-trial": self.allotment.gpus,
            "--runtime-env": self.allotment.runtime_env,
        }
        for option, value in given.items():
            if value is not None:
                raise ConfigError(
                    f"{option} {value} was given with trainings on this machine; leave it out or add "
                    "--executor ray"
                )

    def __enter__(self) -> LocalExecutor:
        """Nothing to get ready."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Nothing to let go of."""

    def default_workers(self) -> int:
        """One for each core, or each share of cores, up to four, or eight on a GPU."""
        if self.allotment.cpus is None:
            return default_workers()
        return max(1, min(default_workers(), int(cores() / self.allotment.cpus)))

    def places(self, dataset: Dataset, log_path: Path, workers: int) -> Sequence[TrainingProcess]:
        """Training processes that share the data, which are written beside the log meanwhile."""
        check_workers(workers)
        threads = None if workers == 1 else max(1, cores() // workers)
        if self.allotment.cpus is not None:
            threads = self.allotment.threads
        return [TrainingProcess(dataset, log_path, threads=threads) for _ in range(workers)]

    def describe(self) -> dict[str, object]:
        """Nothing beyond the machine, which a run writes down already."""
        return {"executor": "local"}
