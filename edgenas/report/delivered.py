"""What the manifest of a winner's artifacts says; fields that are missing are simply not known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class DeliveredFile:
    """One exported file.

    Attributes:
        file: Its name within the winner's folder.
        format: For example ``tflite``.
        precision: ``int8`` or ``float32``, or empty.
        size_bytes: Its size, or None.
        sha256: Its checksum, or empty.
        parity: How well it agrees with its Keras model, as written down, or None.
        accuracy: Share of right classes by split (``validation``, ``test``).
    """

    file: str
    format: str
    precision: str
    size_bytes: int | None
    sha256: str
    parity: Any
    accuracy: Mapping[str, float]

    def to_json(self) -> dict[str, Any]:
        """A plain document."""
        return {
            "file": self.file,
            "format": self.format,
            "precision": self.precision,
            "bytes": self.size_bytes,
            "sha256": self.sha256,
            "parity": self.parity,
            "accuracy": dict(self.accuracy),
        }


@dataclass(frozen=True)
class Delivered:
    """All exported files of a winner; empty if nothing was exported so far."""

    files: tuple[DeliveredFile, ...] = ()

    def accuracy(self, precision: str, split: str) -> float | None:
        """Accuracy of the first file of a precision, TFLite before other formats, or None."""
        fitting = [file for file in self.files if file.precision == precision and split in file.accuracy]
        fitting.sort(key=lambda file: file.format != "tflite")
        return fitting[0].accuracy[split] if fitting else None

    def size_bytes(self, precision: str) -> int | None:
        """Size of the TFLite file of a precision, or None."""
        sizes = [f.size_bytes for f in self.files if (f.format, f.precision) == ("tflite", precision)]
        return next(iter(sizes), None)


def read_manifest(manifest: Mapping[str, Any] | None) -> Delivered:
    """The files that a manifest lists."""
    entries = (manifest or {}).get("artifacts") or (manifest or {}).get("files") or []
    if isinstance(entries, Mapping):
        entries = [{"file": name, **entry} for name, entry in entries.items() if isinstance(entry, Mapping)]
    return Delivered(tuple(_file(entry) for entry in entries if isinstance(entry, Mapping)))


def _file(entry: Mapping[str, Any]) -> DeliveredFile:
    name = str(entry.get("file") or entry.get("name") or "?")
    size = entry.get("bytes")
    accuracy = entry.get("accuracy") or {}
    return DeliveredFile(
        file=name,
        format=str(entry.get("format") or name.rpartition(".")[2]),
        precision=str(entry.get("precision") or ""),
        size_bytes=size if isinstance(size, int) else None,
        sha256=str(entry.get("sha256") or ""),
        parity=entry.get("parity"),
        accuracy={
            split: share for split in ("validation", "test") if (share := _share(accuracy, split)) is not None
        },
    )


def _share(accuracy: Any, split: str) -> float | None:
    value = accuracy.get(split) if isinstance(accuracy, Mapping) else None
    if isinstance(value, Mapping):
        value = value.get("accuracy")
    return float(value) if isinstance(value, (int, float)) else None
