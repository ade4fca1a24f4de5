"""How files are read, as a value: the settings that a run has for its data."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, fields
from math import isfinite
from pathlib import Path
from typing import Any

from edgenas.data.disk import MEMORY_BYTES
from edgenas.data.kinds import kind_named
from edgenas.errors import DataError

CORRUPT = ("refuse", "skip")
MISSING = ("refuse", "drop")


@dataclass(frozen=True, slots=True)
class Reading:
    """How files are read; a setting is for some sources only, and refused with any other.

    Attributes:
        size: (height, width) in pixels that a folder of images is resized to; None for the most
            common size in train.
        kind: What arrays hold: ``image``, ``series``, ``features`` or ``audio``; None tells by the
            number of axes.
        label: Column of a ``.csv`` file that holds the labels.
        numeric_labels: Labels of a ``.csv`` file are taken as the numbers that they are, which a
            regression predicts, and not as classes.
        missing: What happens to rows of a ``.csv`` file with a missing value: ``refuse`` or ``drop``.
        corrupt: What happens to images and WAVs that cannot be read: ``refuse`` or ``skip``.
        sample_rate_hz: Rate that WAVs are resampled to; None takes theirs, if they have but one.
        clip_seconds: Length that clips are filled up or cut to; None for the most common in train.
        memory_bytes: Folders that would take more are decoded to disk and read from there.
        cache: Folder that decoded data are kept in; None refuses what is larger than memory.
    """

    size: tuple[int, int] | None = None
    kind: str | None = None
    label: str | None = None
    numeric_labels: bool = False
    missing: str | None = None
    corrupt: str | None = None
    sample_rate_hz: int | None = None
    clip_seconds: float | None = None
    memory_bytes: int = MEMORY_BYTES
    cache: Path | None = None

    def __post_init__(self) -> None:
        if self.kind is not None:
            kind_named(self.kind)
        for name, known in (("corrupt", CORRUPT), ("missing", MISSING)):
            value = getattr(self, name)
            if value is not None and value not in known:
                raise DataError(f"{name} '{value}' was given; expected {' or '.join(known)}")
        if self.sample_rate_hz is not None and not 1000 <= self.sample_rate_hz <= 384_000:
            raise DataError(f"sample rate {self.sample_rate_hz} was given; expected 1000 to 384000 Hz")
        seconds = self.clip_seconds
        if seconds is not None and not (isfinite(seconds) and 0 < seconds <= 3600):
            raise DataError(f"clips of {seconds:g} seconds were asked for; expected above 0, at most 3600")
        if self.memory_bytes < 1:
            raise DataError(f"a memory of {self.memory_bytes} bytes was given; expected more than zero")

    def only(self, text: str, allowed: Collection[str], where: str) -> None:
        """Refuse settings that the data at hand have no use for.

        Args:
            text: The data as the user named them.
            allowed: Settings that these data take.
            where: What the data are, for the message, for example ``a .csv file``.

        Raises:
            DataError: Another setting was given.
        """
        for field in fields(self):
            value: Any = getattr(self, field.name)
            if field.name in (*allowed, *ANYWHERE) or value is None:
                continue
            home = HOMES[field.name]
            raise DataError(
                f"{field.name} {value} was given for data '{text}', {where}; expected only for {home}"
            )


ANYWHERE = ("memory_bytes", "cache", "numeric_labels")
"""Settings that no data refuse: those that have no use for them are read the same without."""

HOMES = {
    "size": "a folder of images",
    "kind": "an .npz file or arrays",
    "label": "a .csv file",
    "missing": "a .csv file",
    "corrupt": "a folder of images or WAVs",
    "sample_rate_hz": "a folder of WAVs or an .npz file of audio",
    "clip_seconds": "a folder of WAVs",
}
"""What each setting is for."""
