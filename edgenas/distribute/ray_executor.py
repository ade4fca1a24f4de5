"""Trainings as Ray tasks: on this machine, or on a cluster that people already run.

One task is one training. It streams its epochs and ends with figures and weights, which this process
alone writes to the run folder. A task whose worker or node is lost is begun again elsewhere by the pool
(`edgenas.train.pool`), not by Ray, so that there is one rule for all executors.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from edgenas.data.dataset import Dataset
from edgenas.data.storage import Shipment
from edgenas.distribute.executor import ENDS, EXECUTORS, Executor, check_workers, kept
from edgenas.distribute.ray_cluster import check_nodes, connect, needs, node_errors, room
from edgenas.distribute.ray_node import Assignment, sweep, train_here, training_versions
from edgenas.errors import ConfigError, EdgenasError, WorkerLostError
from edgenas.train.job import Job
from edgenas.train.limits import Overdue
from edgenas.train.pool import default_workers
from edgenas.train.process import packed
from edgenas.train.trainer import Progress, TrainResult


@EXECUTORS.register("ray")
class RayExecutor(Executor):
    """Places on the Ray cluster at the allotment's address, or on a Ray started on this machine."""

    _ray: Any = None
    _task: Any = None
    _data: tuple[str, Any] | None = None
    versions: Mapping[str, str] = MappingProxyType({})
    """Versions of this process, which nodes must have."""

    def __enter__(self) -> RayExecutor:
        """Connect, and make sure that a trial can run.

        Raises:
            ConfigError: No cluster answers, its versions differ, or no node has what a trial needs.
        """
        self._ray = connect(self.allotment)
        try:
            check_nodes(self._ray, self.allotment)
        except BaseException:
            self._ray.shutdown()
            raise
        self.versions = training_versions()
        needed = needs(self.allotment)
        self._task = self._ray.remote(
            num_returns="streaming",
            num_cpus=needed["CPU"],
            num_gpus=needed.get("GPU", 0),
            memory=needed.get("memory", 0),
            max_retries=0,
            max_calls=0,  # keeps a worker from trial to trial, also with a GPU
        )(train_here)
        return self

    def __exit__(self, *exception: object) -> None:
        """Disconnect; a Ray that was started here ends, a cluster goes on."""
        self._data = None
        self._ray.shutdown()
        with suppress(OSError, EdgenasError):
            sweep()

    def default_workers(self) -> int:
        """As many as the cluster has room for; on this machine no more than without Ray."""
        fitting = max(1, room(self._ray, self.allotment))
        return fitting if self.allotment.address else min(fitting, default_workers())

    def places(self, dataset: Dataset, log_path: Path, workers: int) -> Sequence[RayPlace]:
        """Places that share one copy of the data in the cluster; nodes keep their own logs."""
        check_workers(workers)
        if self._data is None or self._data[0] != dataset.fingerprint:
            self._data = (dataset.fingerprint, self._ray.put(Shipment.of(dataset)))
        return [RayPlace(self, *self._data) for _ in range(workers)]

    def describe(self) -> dict[str, object]:
        """How many nodes there were."""
        alive = sum(bool(node["Alive"]) for node in self._ray.nodes())
        return {"executor": "ray", "nodes": alive}

    def begin(self, assignment: Assignment) -> Any:
        """Hand a training to the cluster; a stream of references to what `train_here` yields."""
        return self._task.remote(assignment)

    def cancel(self, stream: Any) -> None:
        """End a training."""
        with suppress(Exception):  # it has ended, or its node is gone
            self._ray.cancel(stream, force=True)

    def answers(self, stream: Any) -> Iterator[tuple[str, Any]]:
        """What a training yields, with Ray's errors told apart.

        Raises:
            WorkerLostError: Its worker or node was lost.
            EdgenasError: Its environment could not be set up, or `train_here` itself failed.
        """
        with node_errors(self._ray, "train"):
            for reference in stream:
                yield self._ray.get(reference)


class RayPlace:
    """One training at a time, wherever the cluster has room.

    Args:
        executor: The one that made it.
        fingerprint: Of the data.
        data: Reference to them in the cluster.
    """

    def __init__(self, executor: RayExecutor, fingerprint: str, data: Any) -> None:
        self._executor = executor
        self._fingerprint = fingerprint
        self._data = data
        self._stream: Any = None

    def __enter__(self) -> RayPlace:
        """Nothing: a training waits for room in the cluster itself."""
        return self

    def __exit__(self, *exception: object) -> None:
        """End a training that goes on."""
        self.interrupt()

    def interrupt(self) -> None:
        """End the training, so that a `run` in another thread fails."""
        if (stream := self._stream) is not None:
            self._executor.cancel(stream)

    def run(self, job: Job, on_epoch: Progress) -> TrainResult:
        """Train one network somewhere in the cluster; blocks until it ends.

        Raises:
            TrialError: The training failed.
            WorkerLostError: Its worker or node was lost.
            StoreError: The weights could not be written, here or there.
            ConfigError: A node has other versions than this process, or the job needs files of this machine.
        """
        if job.teachers:
            raise ConfigError("a training that learns from teachers was given to Ray; train it with local")
        if job.heritage:
            raise ConfigError(
                "a training that inherits weights was given to Ray; search with --executor local"
            )
        assignment = Assignment(
            packed(replace(job, checkpoint_path=None)),
            job.weights_path is not None, (self._data,), self._fingerprint,
            self._executor.allotment.threads, dict(self._executor.versions),
        )  # fmt: skip
        self._stream = self._executor.begin(assignment)
        overdue: Overdue | None = None
        try:
            for kind, content in self._executor.answers(self._stream):
                if kind == "began":
                    overdue = Overdue(job.limits, self.interrupt)
                elif kind == "epoch":
                    on_epoch(content)
                elif kind == "done":
                    return kept(job, *content)
                else:
                    raise ENDS[kind](content)
            raise WorkerLostError("the training ended without a result")
        except WorkerLostError:
            if overdue is not None:
                overdue.check()
            raise
        except BaseException:
            self.interrupt()
            raise
        finally:
            self._stream = None
            if overdue is not None:
                overdue.cancel()
