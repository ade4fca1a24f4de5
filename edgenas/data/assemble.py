"""From what a source holds to a checked `Dataset` in three splits."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from edgenas.data.audio import from_waveforms
from edgenas.data.checks import as_split, check
from edgenas.data.dataset import Dataset, Duplicates, Normalization, Source
from edgenas.data.disk import Array
from edgenas.data.duplicates import Part, Sieve
from edgenas.data.kinds import AUDIO, Kind, kind_named, kind_of_rank
from edgenas.data.labels import LABELS, Labels
from edgenas.data.log_mel import LogMel
from edgenas.errors import DataError
from edgenas.task import CLASSIFICATION

Given = dict[str, tuple[Any, Any]]


def assemble(source: Source, *, seed: int, drop_duplicates: bool, loss: str | None = None) -> Dataset:
    """Check and split what was read, and drop examples that stand in two splits.

    Raises:
        DataError: A fault that `edgenas.data.checks` finds.
    """
    every = {"train": source.train, "validation": source.validation, "test": source.test}
    given = {part: pair for part, pair in every.items() if pair is not None}
    kind = kind_named(source.kind) if source.kind else kind_of_rank(np.ndim(_first(source.train[0])) + 1)
    front_end = source.front_end
    if kind is AUDIO and front_end is None:
        given, front_end = _spectrograms(source, given)
    reader = LABELS.get(source.task or CLASSIFICATION.name)(source, kind, loss)
    loaded = {
        part: as_split(f"data '{source.name}', {part}", *pair, kind, reader.read)
        for part, pair in given.items()
    }
    labels = {part: split.y for part, split in loaded.items()}
    names = reader.check(labels)
    sieve = Sieve(source.name, drop_duplicates, kind)
    parts = sieve.disjoint({part: Part.of(part, split.x) for part, split in loaded.items()})
    parts = sieve.disjoint(_cut(parts, labels["train"], reader, seed))
    splits = {part: loaded.get(part, loaded["train"]).take(parts[part].positions) for part in parts}
    if not len(splits["train"]):
        raise DataError(_too_few(source.name, kind, len(labels["train"])))
    dataset = Dataset(
        name=source.name,
        train=splits["train"],
        validation=splits["validation"],
        test=splits["test"],
        class_names=names,
        normalization=source.normalization or Normalization.of(splits["train"].x, kind),
        kind=kind.name,
        task=reader.task(splits),
        front_end=front_end,
        duplicates=Duplicates(**sieve.dropped),
        skipped=source.skipped,
        columns=source.columns,
    )
    return replace(dataset, warnings=(*source.warnings, *sieve.warnings, *check(dataset)))


def _too_few(name: str, kind: Kind, examples: int) -> str:
    return f"data '{name}': {examples} {kind.many} leave none for training; bring more"


def _first(x: Any) -> Any:
    """The first example, so that the number of axes can be told; None where there is none."""
    return x[0] if hasattr(x, "__getitem__") and len(x) else None


def _spectrograms(source: Source, given: Given) -> tuple[Given, LogMel]:
    """Clips of samples made into spectrograms.

    Raises:
        DataError: No sample rate is known, or the splits have clips of different lengths.
    """
    if source.sample_rate_hz is None:
        raise DataError(
            f"data '{source.name}': audio was given without a sample rate; expected sample_rate_hz beside "
            "it, or --sample-rate-hz"
        )
    made: Given = {}
    front_ends = []
    for part, (x, y) in given.items():
        spectrograms, front_end = from_waveforms(source.name, np.asarray(x), source.sample_rate_hz)
        made[part] = (spectrograms, y)
        front_ends.append(front_end)
    if len(set(front_ends)) > 1:
        raise DataError(f"data '{source.name}': clips of different lengths were given; expected one length")
    return made, front_ends[0]


def _cut(parts: dict[str, Part], y: Array, reader: Labels, seed: int) -> dict[str, Part]:
    """All three parts; those that the data do not bring are cut from train, whose labels are ``y``."""
    whole = parts["train"]
    pieces = reader.cut(
        y[whole.positions], has_validation="validation" in parts, has_test="test" in parts, seed=seed
    )
    return {
        "train": whole.take(pieces.train, "train"),
        "validation": parts.get("validation") or whole.take(pieces.validation, "validation"),
        "test": parts.get("test") or whole.take(pieces.test, "test"),
    }
