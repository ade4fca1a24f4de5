"""keras-tuner's chief and workers: who this process is, and what the two sides send each other.

keras-tuner's users start one script in several processes and tell each by environment variables who it is:
``KERASTUNER_TUNER_ID`` (``chief`` for one of them), ``KERASTUNER_ORACLE_IP`` and ``KERASTUNER_ORACLE_PORT``.
The same variables, the same gRPC service and keras-tuner's own client and servicer are used here. What
edgenas has to say travels as one JSON text among the values of a trial's hyperparameters.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from edgenas.arch.spec import ArchSpec
from edgenas.distribute.ray_node import training_versions
from edgenas.documents import check_fields, reading
from edgenas.errors import ConfigError
from edgenas.train.job import Job
from edgenas.train.limits import Limits
from edgenas.train.recipe import Recipe
from edgenas.train.trainer import TrainResult

ID, IP, PORT = VARIABLES = ("KERASTUNER_TUNER_ID", "KERASTUNER_ORACLE_IP", "KERASTUNER_ORACLE_PORT")

KEY = "edgenas"
"""Under which our text stands among the values of hyperparameters."""

BEAT_SECONDS = 3.0
"""How often a worker that trains says that it is there."""

LOST_SECONDS = 30.0
"""After how long without a word a worker counts as lost."""


@dataclass(frozen=True)
class Role:
    """Who a process is.

    Attributes:
        tuner_id: Its name.
        address: ``IP:PORT`` of the chief.
    """

    tuner_id: str
    address: str

    @property
    def is_chief(self) -> bool:
        """Whether it is the one that proposes and writes; by keras-tuner's rule its name says so."""
        return "chief" in self.tuner_id


def role_here() -> Role | None:
    """Who this process is by its environment; None without a chief.

    Raises:
        ConfigError: One of the three variables is missing.
    """
    if IP not in os.environ:
        return None
    for name in (PORT, ID):
        if name not in os.environ:
            raise ConfigError(
                f"{IP} is set and {name} is not; set all of {', '.join(VARIABLES)} for a chief and its "
                f"workers, or unset {IP}"
            )
    return Role(os.environ[ID], f"{os.environ[IP]}:{os.environ[PORT]}")


@contextmanager
def alone() -> Iterator[None]:
    """Without the variables: keras-tuner's own Tuner must not serve or ask beside us."""
    kept = {name: os.environ.pop(name) for name in VARIABLES if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(kept)


def job_text(job: Job, fingerprint: str) -> str:
    """A training as a text; build function and callbacks stay out, as the worker runs the same script.

    Args:
        job: The training.
        fingerprint: Of the data.

    Raises:
        ConfigError: It is no plain training of a candidate.
    """
    if type(job) is not Job or job.heritage or job.teachers:
        raise ConfigError(
            "the search trains more than single candidates, which keras-tuner's workers cannot do; leave out "
            f"what shares or inherits weights, or unset {IP} and use RayExecutor"
        )
    document = {
        "spec": job.spec.to_json(),
        "recipe": job.recipe.to_json(),
        "cutoffs": list(job.cutoffs),
        "limits": asdict(job.limits),
        "wants_weights": job.weights_path is not None,
        "fingerprint": fingerprint,
        "versions": training_versions(),
    }
    return json.dumps(document)


@dataclass(frozen=True)
class Order:
    """A training as a worker reads it.

    Attributes:
        job: Without build function, callbacks and weights' path.
        wants_weights: Whether the weights are to come back.
        fingerprint: Of the data.
        versions: Of the chief.
    """

    job: Job
    wants_weights: bool
    fingerprint: str
    versions: Mapping[str, str]

    @classmethod
    def read(cls, text: str) -> Order:
        """The training of a text.

        Raises:
            ConfigError: It is none.
        """
        with reading("training of a keras-tuner chief", _SAME):
            document = json.loads(text)
            job = Job(
                ArchSpec.from_json(document["spec"]),
                Recipe.from_json(document["recipe"]),
                cutoffs=tuple(document["cutoffs"]),
                limits=Limits(**document["limits"]),
            )
            return cls(job, document["wants_weights"], document["fingerprint"], document["versions"])


def done_text(result: TrainResult, weights: bytes | None) -> str:
    """What a training came to, as a text."""
    encoded = None if weights is None else base64.b64encode(weights).decode()
    return json.dumps({"kind": "done", "result": asdict(result), "weights": encoded})


def ended_text(kind: str, reason: str) -> str:
    """Why a training has no result, as a text; the kinds are those of `edgenas.distribute.executor.ENDS`."""
    return json.dumps({"kind": kind, "reason": reason})


def read_end(text: str) -> tuple[str, Any]:
    """``("done", (TrainResult, weights file or None))``, or the kind and the reason.

    Raises:
        ConfigError: The text is neither.
    """
    with reading("result of a keras-tuner worker", _SAME):
        document = json.loads(text)
        if document["kind"] != "done":
            return str(document["kind"]), str(document["reason"])
        result, weights = TrainResult(**document["result"]), document["weights"]
        check_fields(result, "result of a keras-tuner worker", _SAME)
        return "done", (result, None if weights is None else base64.b64decode(weights))


_SAME = "run the same script with the same edgenas in all processes"
