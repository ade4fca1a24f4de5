"""What runs on a node of a Ray cluster: a training process that Ray's worker looks after.

Ray's worker loads no Keras. It keeps one training process (`edgenas.train.process`) from trial to trial,
so Keras is imported once, and what was said of a single machine holds on each node: a training that
leaks, crashes, hangs or takes too much memory ends alone. If Ray's worker is killed, its training
process ends with it.

The data are fetched once for each node and lie in a folder of their own in its temporary folder, from
where all training processes of the node map them into memory.
"""

from __future__ import annotations

import os
import platform
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import IO, Any

from edgenas.data.storage import save_arrays
from edgenas.errors import EdgenasError, StoreError, WorkerLostError
from edgenas.lock import lock_file, own_temporary_folder
from edgenas.train.process import TrainingProcess
from edgenas.train.worker import PackedJob

PACKAGES = ("tensorflow", "keras", "numpy", "keras-tuner")
"""Whose versions decide what a training comes to."""


@dataclass(frozen=True)
class Assignment:
    """One training for a node.

    Attributes:
        job: The `edgenas.train.job.Job`, packed.
        wants_weights: Whether the weights are to come back.
        data: A reference to the `Shipment`, in a sequence so that Ray fetches it only when asked.
        fingerprint: Of the data.
        threads: Of the training.
        versions: Of the search, see `training_versions`.
    """

    job: PackedJob
    wants_weights: bool
    data: Sequence[Any]
    fingerprint: str
    threads: int
    versions: Mapping[str, str]


def training_versions() -> dict[str, str]:
    """Versions here of what decides a training's result; ``missing`` where a package is."""
    found = {"python": ".".join(platform.python_version_tuple()[:2])}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "missing"
    return found


def differences(expected: Mapping[str, str], found: Mapping[str, str]) -> str:
    """Which versions differ, in words; empty if none does."""
    return ", ".join(
        f"{name} {found.get(name, 'missing')} instead of {version}"
        for name, version in expected.items()
        if found.get(name) != version
    )


def train_here(assignment: Assignment) -> Iterator[tuple[str, Any]]:
    """Train on this node.

    Yields:
        ``("began", node name)``, ``("epoch", entry)`` for each epoch, then ``("done", (TrainResult,
        weights file as bytes or None))``, or ``("failed" | "lost" | "disk" | "refused", reason)``.
    """
    if different := differences(assignment.versions, training_versions()):
        yield "refused", f"{platform.node()} has {different}"
        return
    yield "began", platform.node()
    descriptor, name = tempfile.mkstemp(prefix="edgenas-weights-", suffix=".npz")
    os.close(descriptor)
    path = Path(name)
    try:
        process = _HERE.process(assignment)
        answers = process.answers(assignment.job, path if assignment.wants_weights else None)
        for kind, content in answers:
            if kind == "done":
                content = (content, path.read_bytes() if assignment.wants_weights else None)
            yield kind, content
    except WorkerLostError as error:
        yield "lost", f"{error} (on {platform.node()})"
    except StoreError as error:
        yield "disk", f"{error} (on {platform.node()})"
    except EdgenasError as error:
        yield "failed", str(error)
    finally:
        path.unlink(missing_ok=True)


class _Here:
    """The training process of this worker of Ray's, and its hold on the node's data."""

    def __init__(self) -> None:
        self._process: TrainingProcess | None = None
        self._key: tuple[object, ...] = ()
        self._hold: IO[str] | None = None

    def process(self, assignment: Assignment) -> TrainingProcess:
        """The training process for an assignment: the last one, if data, threads and GPUs are the same."""
        key = (assignment.fingerprint, assignment.threads, os.environ.get("CUDA_VISIBLE_DEVICES"))
        if self._process is None or self._key != key:
            if self._process is not None:
                self._process.close()
            folder = self._placed(assignment)
            log = own_temporary_folder() / "training.log"
            self._process = TrainingProcess(None, log, threads=assignment.threads, data_folder=folder)
            self._process.start()
            self._key = key
        return self._process

    def _placed(self, assignment: Assignment) -> Path:
        """The folder of the data, written by whichever worker of the node comes first."""
        if self._hold is not None:
            self._hold.close()
        sweep()
        folder = own_temporary_folder() / assignment.fingerprint[:32]
        self._hold = folder.with_suffix(".used").open("a+")
        lock_file(self._hold, shared=True, wait=True)  # until this worker ends: nobody sweeps it away
        with folder.with_suffix(".written").open("a+") as writing:
            lock_file(writing, wait=True)
            import ray

            save_arrays(ray.get(assignment.data[0]), folder)
        return folder


_HERE = _Here()


def sweep() -> None:
    """Remove data that no process of this node uses any more."""
    for folder in own_temporary_folder().iterdir():
        if not folder.is_dir():
            continue
        with folder.with_suffix(".used").open("a+") as hold, suppress(OSError):
            lock_file(hold)
            shutil.rmtree(folder, ignore_errors=True)
