"""Which schemes are worth their files: the front over error, latency, RAM and flash."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from edgenas.arch.graph import OpGraph
from edgenas.errors import ConfigError, UnsupportedError
from edgenas.quantize import SCHEMES
from edgenas.quantize.scheme import STANDARD, TUNING_IMAGES, scheme_names
from edgenas.task import CLASSIFICATION, Task

Latency = Callable[[OpGraph, str], float | None]
"""Gives the predicted milliseconds of a network in a precision, or None where nothing is known."""


def no_latency(graph: OpGraph, precision: str) -> float | None:
    """Where nothing is known."""
    return None


@dataclass(frozen=True)
class SchemePlan:
    """Which schemes are tried on a network, and how they are judged.

    Attributes:
        schemes: Names of schemes; full int8 is tried in any case.
        runtime: Runtime id of the device, which refuses schemes that it cannot run; None refuses none.
        latency: Predicted milliseconds of a network in a precision.
        images: Images that each training sees.
        seed: Of trainings.
        keep_all: Whether to keep the files of schemes that are not on the front.
        sensitivity: Whether to look for the layer that loses the accuracy even where little is lost.
    """

    schemes: Sequence[str] = (STANDARD,)
    runtime: str | None = None
    latency: Latency = no_latency
    images: int = TUNING_IMAGES
    seed: int = 0
    keep_all: bool = False
    sensitivity: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The schemes as they stand in the register, full int8 first.

        Raises:
            UnknownNameError: There is no such scheme.
        """
        return scheme_names([STANDARD, *self.schemes])

    def check(self, device: str, graph: OpGraph | None = None, task: Task = CLASSIFICATION) -> None:
        """Refuse schemes that cannot work, before anything is trained.

        Args:
            device: Device id, for messages.
            graph: A network that is to be compressed, where one is known.
            task: What it is for.

        Raises:
            UnknownNameError: No scheme of that name.
            UnsupportedError: The device's runtime, or a layer, does not go with one.
            ConfigError: No image to train with.
        """
        if self.images < 1:
            raise ConfigError(f"{self.images} images to train with were given; expected 1 or more")
        for name in self.names:
            scheme = SCHEMES.get(name)()
            if obstacle := scheme.task_obstacle(task):
                raise UnsupportedError(f"scheme '{name}' was given: {obstacle}")
            known = scheme.why_not(graph, self.runtime) if graph else scheme.runtime_obstacle(self.runtime)
            if name != STANDARD and known:
                raise UnsupportedError(
                    f"scheme '{name}' was given for device '{device}': {known}; leave it out"
                )

    @property
    def trains(self) -> bool:
        """Whether one of them trains."""
        return any(SCHEMES.get(name).trains for name in self.names)


@dataclass(frozen=True, slots=True)
class SchemeResult:
    """How a scheme did on a network.

    Attributes:
        scheme: Its name.
        files: Its files in the bundle; empty where they were not kept.
        accuracy: Share of right classes of its ``.tflite`` file on validation images, or None; None for
            other tasks.
        flash_bytes: Size of that file, or None.
        compressed_bytes: Its size after deflate, as in a zip archive or a compressed update, or None.
        peak_ram_bytes: Arena of TFLite-Micro on this 64-bit machine, or None where it does not run there.
        latency_ms: Predicted, or None where nothing is known of this precision.
        on_front: Whether no other scheme is at least as good in everything.
        adopted: Whether its files are ``model.int8.*``.
        reason: Why it was not made or not kept, or None.
        facts: What it did: epochs, sparsity, channels ...
        metrics: The file's figures of another task on validation inputs, see `edgenas.task`.
        error: What is minimized, from 0: by default 1 - accuracy; None where it was not made.
    """

    scheme: str
    files: tuple[str, ...] = ()
    accuracy: float | None = None
    flash_bytes: int | None = None
    compressed_bytes: int | None = None
    peak_ram_bytes: int | None = None
    latency_ms: float | None = None
    on_front: bool = False
    adopted: bool = False
    reason: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    error: float | None = None

    def __post_init__(self) -> None:
        if self.error is None and self.accuracy is not None:
            object.__setattr__(self, "error", 1 - self.accuracy)

    def figure(self, task: Task) -> float | None:
        """The one figure of a task that people read first, or None."""
        return self.accuracy if task == CLASSIFICATION else self.metrics.get(task.metric)

    def to_json(self) -> dict[str, Any]:
        """A plain document."""
        parts = {"files": list(self.files), "facts": dict(self.facts), "metrics": dict(self.metrics)}
        return {**asdict(self), **parts}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> SchemeResult:
        """What `to_json` wrote."""
        return cls(**{**document, "files": tuple(document["files"])})

    @property
    def values(self) -> tuple[float | None, ...]:
        """What is minimized; None where it is not known."""
        return self.error, self.latency_ms, self.peak_ram_bytes, self.flash_bytes


def dominates(one: SchemeResult, other: SchemeResult) -> bool:
    """Whether a scheme is at least as good in everything and better in something.

    What is known of one only cannot be compared, so there is no domination then.
    """
    better = False
    for a, b in zip(one.values, other.values, strict=True):
        if (a is None) != (b is None):
            return False
        if a is None or b is None:
            continue
        if a > b:
            return False
        better |= a < b
    return better


def adopted_scheme(results: Sequence[SchemeResult], same_cost: Sequence[str]) -> str | None:
    """Which scheme gives ``model.int8.*``: the best of the same cost, `STANDARD` where level."""
    fit = [(one.error, one.scheme != STANDARD, one.scheme) for one in results if one.error is not None]
    fit = [entry for entry in fit if entry[2] in same_cost]
    return min(fit)[2] if fit else None


def judged(results: Sequence[SchemeResult], same_cost: Sequence[str]) -> list[SchemeResult]:
    """The results with what was adopted, what is on the front, and why the others are not kept."""
    adopted = adopted_scheme(results, same_cost)
    found = []
    for one in results:
        rivals = [other for other in results if other.error is not None and other.scheme not in same_cost] + [
            other for other in results if other.scheme == adopted
        ]
        if one.error is None:
            found.append(one)
            continue
        worse_than = next((r.scheme for r in rivals if r is not one and dominates(r, one)), None)
        reason = None
        if one.scheme in same_cost and one.scheme != adopted:
            reason = f"{adopted} costs the same and is as good or better on validation data"
        elif worse_than is not None:
            reason = f"{worse_than} is at least as good in everything"
        found.append(replace(one, adopted=one.scheme == adopted, on_front=reason is None, reason=reason))
    return found


def compressed_bytes(content: bytes) -> int:
    """Size of a file after deflate at its highest level."""
    return len(zlib.compress(content, 9))
