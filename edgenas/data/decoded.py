"""Files decoded into arrays: in memory, or once to disk where they are larger than memory should hold."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from edgenas.data.class_folders import ClassFolders, Corrupt, Listing
from edgenas.data.disk import Array, disk_errors, finish, mapped, rows_for
from edgenas.data.reading import Reading
from edgenas.errors import DataError
from edgenas.whole import write_whole

SCHEMA_VERSION = 1
NOTES = "decoded.json"


@dataclass(frozen=True, slots=True)
class Decoder:
    """How one file becomes one example.

    Attributes:
        shape: Shape of an example.
        dtype: ``uint8`` or ``float32``.
        decode: Gives the example of a file, an array of that shape.
        unreadable: Errors of ``decode`` that mean a damaged file.
        identity: Everything but the files that the examples depend on; a change decodes anew.
    """

    shape: tuple[int, ...]
    dtype: str
    decode: Callable[[Path], Array]
    unreadable: tuple[type[Exception], ...]
    identity: str

    def bytes_of(self, examples: int) -> int:
        """Memory of so many examples."""
        return examples * prod(self.shape) * int(np.dtype(self.dtype).itemsize)


Pairs = dict[str, tuple[Array, Array]]


def decode_all(
    folders: ClassFolders, decoder: Decoder, reading: Reading, corrupt: Corrupt
) -> tuple[Pairs, str]:
    """The examples and labels of each split, and a line about where they lie, empty if in memory.

    Raises:
        DataError: Files that cannot be read, all of them named; data larger than memory without a
            cache folder.
        StoreError: The cache folder cannot be written.
    """
    size = decoder.bytes_of(len(folders.files))
    if size <= reading.memory_bytes:
        decoded = {
            part: _decode(listing, decoder, corrupt, None) for part, listing in folders.listings.items()
        }
        corrupt.refuse()
        return decoded, ""
    if reading.cache is None:
        raise DataError(
            f"data '{folders.folder}': {len(folders.files)} {corrupt.file_type.many} of shape "
            f"{decoder.shape} take {size / 2**30:.3g} GiB, more than {reading.memory_bytes / 2**30:.3g}; "
            "give a cache folder to decode them to, Reading(cache=...), or more memory"
        )
    cache = reading.cache / _key(folders, decoder)
    decoded = _from_cache(cache, folders, corrupt) or _to_cache(cache, folders, decoder, corrupt)
    return decoded, (
        f"{len(folders.files)} {corrupt.file_type.many} take {size / 2**20:,.0f} MiB and are read from disk, "
        f"where they were decoded to once: {cache}"
    )


def _decode(listing: Listing, decoder: Decoder, corrupt: Corrupt, file: Path | None) -> tuple[Array, Array]:
    """Examples and labels of one split; files that cannot be read are noted and left out."""
    x = rows_for((len(listing.files), *decoder.shape), decoder.dtype, file)
    labels: list[int] = []
    for path, label in zip(listing.files, listing.labels, strict=True):
        try:
            x[len(labels)] = decoder.decode(path)
        except decoder.unreadable as error:
            corrupt.add(path, error)
            continue
        labels.append(label)
    return x[: len(labels)], np.array(labels, np.int64)


def _to_cache(cache: Path, folders: ClassFolders, decoder: Decoder, corrupt: Corrupt) -> Pairs:
    fresh = {part: cache / f"{part}.{os.getpid()}.tmp" for part in folders.listings}
    labels = {}
    try:
        for part, listing in folders.listings.items():
            x, labels[part] = _decode(listing, decoder, corrupt, fresh[part])
            finish(x, fresh[part], cache / f"{part}.npy")
        corrupt.refuse()
    finally:
        for file in fresh.values():
            file.unlink(missing_ok=True)
    notes = {
        "schema": SCHEMA_VERSION,
        "folder": str(folders.folder),
        "labels": {part: y.tolist() for part, y in labels.items()},
        "corrupt": {str(file): why for file, why in corrupt.found.items()},
    }
    with disk_errors(cache / NOTES):
        write_whole(cache / NOTES, json.dumps(notes), "notes on decoded data")
    return _mapped(cache, labels)


def _from_cache(cache: Path, folders: ClassFolders, corrupt: Corrupt) -> Pairs | None:
    """What was decoded before from the same files, or None."""
    try:
        notes = json.loads((cache / NOTES).read_text(encoding="utf-8"))
        if notes["schema"] != SCHEMA_VERSION:
            return None
        pairs = _mapped(cache, {part: np.array(notes["labels"][part], np.int64) for part in folders.listings})
    except (OSError, ValueError, KeyError):
        return None
    for file, why in notes["corrupt"].items():
        corrupt.add(Path(file), why)
    corrupt.refuse()
    return pairs


def _mapped(cache: Path, labels: dict[str, Array]) -> Pairs:
    return {part: (mapped(cache / f"{part}.npy")[: len(y)], y) for part, y in labels.items()}


def _key(folders: ClassFolders, decoder: Decoder) -> str:
    """Names the cache of these files, as they are now, decoded in this way."""
    digest = hashlib.sha256(f"{SCHEMA_VERSION} {decoder.shape} {decoder.dtype} {decoder.identity}".encode())
    for part, listing in folders.listings.items():
        for file, label in zip(listing.files, listing.labels, strict=True):
            state = file.stat()
            digest.update(f"{part} {label} {file.resolve()} {state.st_size} {state.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:24]


def left_out(others: Sequence[Path], types: str) -> list[str]:
    """A warning about entries that hold no examples, or none."""
    if not others:
        return []
    return [f"{len(others)} entries that are no {types} were left out (first: {others[0]})"]


def counted(odd: int, number: int, text: str) -> list[str]:
    """A warning that begins with ``odd of number``, or none where none is odd."""
    return [f"{odd} of {number} {text}"] if odd else []


def common(values: Sequence[Any]) -> Any:
    """The most common value; the smallest of those equally common."""
    counts: dict[Any, int] = {}
    for value in values:
        counts[value] = counts.get(value, 0) + 1
    return min(counts.items(), key=lambda item: (-item[1], item[0]))[0]
