"""RunConfig: what a run was asked for; typed, validated, TOML in and out."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from edgenas.data.disk import MEMORY_BYTES
from edgenas.data.reading import Reading
from edgenas.errors import BudgetError, ConfigError
from edgenas.registry import unknown_name
from edgenas.task import check_task
from edgenas.task.regression import LOSSES

DEFAULT_TRIALS = 30
GRADIENT_TRIALS = 12
"""Trials of a gradient search, whose first ones are what it has derived."""

SCORED_TRIALS = 200
"""Candidates of a search whose candidates a supernet scores."""

MAX_WINNERS = 20
FEWEST_TRUST, MAX_TRUST = 3, 100
HALVING = ("epochs", "images", "resolution")
_COUNTS = (
    "trials", "epochs", "images", "final_epochs", "winners", "seeds", "workers", "supernet_epochs",
)  # fmt: skip
_LISTS = ("objectives", "anomalous", "augment", "schemes")


@dataclass(frozen=True)
class RunConfig:
    """What a run was asked for.

    Attributes:
        data: Name, file or folder of the data set.
        size: ``HEIGHTxWIDTH`` that a folder of images is resized to, or None for the most common size.
        drop_duplicates: Whether to drop examples that stand in two splits, however many there are.
        task: ``classification``, ``regression`` or ``anomaly``; None for what the data say, else
            classification.
        anomalous: Names of the classes that count as anomalous, for ``anomaly``; None where labels are
            0 and 1.
        loss: ``mse`` or ``huber``, for ``regression``; None for ``mse``.
        kind: What arrays hold: ``image``, ``series``, ``features`` or ``audio``; None tells by their axes.
        label: Column of a ``.csv`` file that holds the labels; None for one of that name, else the last.
        missing: Rows of a ``.csv`` file with missing values: ``refuse`` (None) or ``drop``.
        corrupt: Images and WAVs that cannot be read: ``refuse`` (None) or ``skip``.
        sample_rate_hz: Rate that WAVs are resampled to; None for theirs, if they have but one.
        clip_seconds: Length that WAVs are filled up or cut to; None for the most common one.
        memory_gib: Image and WAV folders that take more are read from disk; None for 4 GiB.
        class_weights: ``balanced`` lets all classes weigh the same in the loss; None lets all examples.
        augment: Names of what changes training examples in the final training; None for what suits the kind.
        space: Name of the search space.
        device: Device id; its memory limits are budgets and its latency table the cost source.
        latency_ms: Budget in milliseconds, or None.
        ram_kib: Budget for peak RAM in KiB, or None for the device's own.
        flash_kib: Budget for the ``.tflite`` file in KiB, or None for the device's own.
        objectives: What is minimized; None for the validation error and latency (MACs where the
            device has no latency source).
        searcher: Name of the search method.
        halving: Successive halving: what short trainings cut, ``epochs``, ``images`` or ``resolution``;
            None trains every candidate in full.
        stop_curves: Whether to stop trainings whose learning curve cannot reach the front any more.
        supernet: Folder of an earlier run whose supernet scores candidates, ``new`` to train one for any
            searcher; None trains one for searcher ``one-shot`` only.
        supernet_epochs: Passes of the supernet's training, or None for what the data size suggests.
        supernet_rate: Peak learning rate of it for batches of 128, or None for the default.
        supernet_frames: Frames that its networks have, each with tensors of its own, or None for one.
        supernet_shrinking: Whether its largest networks train first and smaller ones join.
        trust: Networks that are trained alone to make a supernet's scores by, and to see how far they hold;
            None for 10.
        proxy: Name of a training-free proxy that chooses the first candidates and screens later ones.
        inherit: Share of the epochs that a candidate with its parent's weights gets, above 0 and below 1;
            None trains every candidate from random weights.
        warm_start: Folder of an earlier run to learn from, or None.
        trials: Candidates to train or score; None for no limit if there is a time limit, else 30 (200 where
            a supernet scores them, 12 by gradients).
        minutes: Time for everything, search, final trainings and export; None for no limit.
        epochs: Epochs per candidate, or None for what the data size suggests.
        images: Training images per epoch of a candidate, or None likewise.
        final_epochs: Epochs of the winners' final training, or None likewise.
        shift: Largest random shift of images in the final training, as a share of a side; None for 1/12
            where ``augment`` has ``shift`` or is None, 0 where the place in the image matters.
        schemes: Names of compression schemes that winners are tried under (docs/quantization.md).
        winners: How many candidates are trained again and may be exported.
        seeds: How often each of them is trained, with another seed each time; None for 3, or with a time
            limit for as many up to 3 as the time allows.
        workers: Trainings at the same time; None for one a core up to four, or eight with a GPU.
        executor: Where trainings run: ``local``, its other name ``processes``, or ``ray``.
        address: Of a Ray cluster, ``auto`` or ``HOST:PORT``; None starts Ray on this machine.
        runtime_env: JSON file with a runtime environment of Ray's, or None.
        cpus_per_trial: Cores of one training, also a fraction; None for the executor's choice.
        gpus_per_trial: GPUs of one training, also a fraction; only with ``ray``.
        trial_minutes: A training of a candidate that takes longer fails; None for no limit.
        trial_gib: A training that takes more memory fails; None for no limit.
        seed: Seeds the split, the search and the trainings.
        out: Run folder, or None for a new one under ``runs/``.

    Raises:
        ConfigError: A number out of range.
        BudgetError: A budget of zero or less.
    """

    data: str
    size: str | None = None
    drop_duplicates: bool | None = None
    task: str | None = None
    anomalous: tuple[str, ...] | None = None
    loss: str | None = None
    kind: str | None = None
    label: str | None = None
    missing: str | None = None
    corrupt: str | None = None
    sample_rate_hz: int | None = None
    clip_seconds: float | None = None
    memory_gib: float | None = None
    class_weights: str | None = None
    augment: tuple[str, ...] | None = None
    space: str = "micro"
    device: str = "host"
    latency_ms: float | None = None
    ram_kib: float | None = None
    flash_kib: float | None = None
    objectives: tuple[str, ...] | None = None
    searcher: str = "front"
    halving: str | None = None
    stop_curves: bool | None = None
    supernet: str | None = None
    supernet_epochs: int | None = None
    supernet_rate: float | None = None
    supernet_frames: int | None = None
    supernet_shrinking: bool | None = None
    trust: int | None = None
    proxy: str | None = None
    inherit: float | None = None
    warm_start: str | None = None
    trials: int | None = None
    minutes: float | None = None
    epochs: int | None = None
    images: int | None = None
    final_epochs: int | None = None
    shift: float | None = None
    schemes: tuple[str, ...] = ("full-int8",)
    winners: int = 5
    seeds: int | None = None
    workers: int | None = None
    executor: str = "local"
    address: str | None = None
    runtime_env: str | None = None
    cpus_per_trial: float | None = None
    gpus_per_trial: float | None = None
    trial_minutes: float | None = None
    trial_gib: float | None = None
    seed: int = 0
    out: str | None = None

    def __post_init__(self) -> None:
        for name in ("latency_ms", "ram_kib", "flash_kib", "minutes"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise BudgetError(f"{_option(name)} {value:g} was given; expected more than zero")
        for name in _COUNTS:
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"{_option(name)} {value} was given; expected 1 or more")
        if self.shift is not None and not 0 <= self.shift <= 0.5:
            raise ConfigError(f"--shift {self.shift:g} was given; expected 0 to 0.5")
        if self.winners > MAX_WINNERS:
            raise ConfigError(f"--winners {self.winners} was given; expected at most {MAX_WINNERS}")
        if self.size is not None and not re.fullmatch(r"[1-9]\d{0,4}x[1-9]\d{0,4}", self.size):
            raise ConfigError(f"--size {self.size} was given; expected HEIGHTxWIDTH in pixels, such as 96x96")
        if self.halving is not None and self.halving not in HALVING:
            raise unknown_name("--halving", self.halving, HALVING)
        if self.seed < 0:
            raise ConfigError(f"--seed {self.seed} was given; expected 0 or more")
        if self.task is not None:
            check_task(self.task)
        if self.loss is not None and self.loss not in LOSSES:
            raise unknown_name("--loss", self.loss, LOSSES)
        self._check_data()
        self._check_supernet()
        for name in _LISTS:
            if getattr(self, name) is not None:
                object.__setattr__(self, name, tuple(getattr(self, name)))

    def _check_supernet(self) -> None:
        """Refuse settings of shared weights that are out of range, or that say how candidates are trained."""
        if self.supernet_rate is not None and not 0 < self.supernet_rate < 10:
            raise ConfigError(
                f"--supernet-rate {self.supernet_rate:g} was given; expected above 0 and below 10"
            )
        if self.trust and not FEWEST_TRUST <= self.trust <= MAX_TRUST:
            raise ConfigError(
                f"--trust {self.trust} was given; expected {FEWEST_TRUST} to {MAX_TRUST}, as fewer networks "
                "have no ranks to compare, or 0 for none"
            )
        for name in ("halving", "stop_curves", "proxy", "inherit") if self.on_supernet else ():
            if getattr(self, name):
                raise ConfigError(
                    f"{_option(name)} was given for a search that a supernet scores; no candidate is trained "
                    "in it: leave it out"
                )

    def _check_data(self) -> None:
        """Refuse settings of the data that are out of range."""
        if self.memory_gib is not None and not 0 < self.memory_gib < 1e9:
            raise ConfigError(
                f"--memory-gib {self.memory_gib} was given; expected more than zero, and less than 1e9"
            )
        if self.class_weights not in (None, "balanced"):
            raise ConfigError(f"--class-weights {self.class_weights} was given; expected balanced")
        self.reading()  # checks the others

    def reading(self, cache: Path | None = None) -> Reading:
        """How the data are read.

        Args:
            cache: Folder that data larger than memory are decoded to.
        """
        limit = MEMORY_BYTES if self.memory_gib is None else max(1, round(self.memory_gib * 2**30))
        return Reading(
            size=self.image_size,
            kind=self.kind, label=self.label, missing=self.missing, corrupt=self.corrupt,
            sample_rate_hz=self.sample_rate_hz, clip_seconds=self.clip_seconds,
            cache=cache, memory_bytes=limit,
        )  # fmt: skip

    @property
    def image_size(self) -> tuple[int, int] | None:
        """(height, width) that images are resized to, or None."""
        if self.size is None:
            return None
        height, width = self.size.split("x")
        return int(height), int(width)

    @property
    def trial_limit(self) -> int | None:
        """Candidates to train, or None where only time ends the search."""
        return self.trials or (None if self.minutes else usual_trials(self.searcher, self.supernet))

    @property
    def on_supernet(self) -> bool:
        """Whether a supernet scores candidates, and none is trained in the search."""
        return scores_candidates(self.searcher, self.supernet)

    def changed(self, **changes: Any) -> RunConfig:
        """A copy with some settings changed; None leaves a setting as it is."""
        return replace(self, **{name: value for name, value in changes.items() if value is not None})

    def to_json(self) -> dict[str, Any]:
        """A plain document."""
        document = asdict(self)
        for name in _LISTS:
            document[name] = list(document[name]) if document[name] else None
        return document

    def to_toml(self) -> str:
        """The settings that are set, as a TOML file that `read_config` reads."""
        lines = [
            f"{name} = {json.dumps(value, ensure_ascii=False)}"
            for name, value in self.to_json().items()
            if value is not None and name != "out"  # so that the file can be run again
        ]
        return "\n".join(["# edgenas search config.toml", *lines, ""])


def scores_candidates(searcher: str | None, supernet: str | None) -> bool:
    """Whether a supernet scores candidates instead of a training."""
    return searcher == "one-shot" or supernet is not None


def usual_trials(searcher: str | None, supernet: str | None) -> int:
    """Candidates of a search where neither trials nor time are given."""
    if scores_candidates(searcher, supernet):
        return SCORED_TRIALS
    return GRADIENT_TRIALS if (searcher or "").startswith("gradient") else DEFAULT_TRIALS


def config_from(document: Mapping[str, Any]) -> RunConfig:
    """A configuration from a plain document.

    Raises:
        UnknownNameError: A setting that does not exist.
        ConfigError: A setting of the wrong type, or no data set.
    """
    known = {field.name: str(field.type) for field in fields(RunConfig)}
    for name, value in document.items():
        if name not in known:
            raise unknown_name("setting", name, known)
        if value is not None and not _fits(value, known[name]):
            raise ConfigError(f"setting {name} = {value!r} was given; expected {known[name]}")
    if not document.get("data"):
        raise ConfigError("no data set was given; name one with --data, for example --data digits")
    return RunConfig(**document)


def read_config(path: Path) -> dict[str, Any]:
    """The settings in a TOML file, not yet checked.

    Raises:
        ConfigError: The file is missing or is no TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"configuration {path} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:  # of TOML, of UTF-8, of a number of thousands of digits
        raise ConfigError(f"configuration {path} is not TOML: {error}") from None


def _fits(value: Any, annotation: str) -> bool:
    if isinstance(value, bool) or "bool" in annotation:
        return isinstance(value, bool) and "bool" in annotation
    if "tuple" in annotation:
        return isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value)
    if "float" in annotation:
        return isinstance(value, (int, float))
    return isinstance(value, int if "int" in annotation else str)


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"
