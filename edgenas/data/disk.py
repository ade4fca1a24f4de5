"""Examples that are larger than memory should hold: ``.npy`` files on disk, read as they are used.

An image or WAV folder above the limit is decoded once into such files in a cache folder beside the
run, and from then on its splits are ``np.memmap``: arrays whose pages the system reads and drops again
as it likes. Whatever walks over all examples does so in `chunks`, so that the memory stays bounded.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgenas.errors import StoreError

Array = NDArray[Any]
MEMORY_BYTES = 4 * 2**30
"""Most memory that examples of a folder take before they are decoded to disk, all splits together."""

CHUNK_BYTES = 2**24
"""Bytes that are in memory at once while a file is walked over."""


def chunks(x: Array) -> Iterator[Array]:
    """The array in pieces of some `CHUNK_BYTES` along its first axis; one in memory comes whole."""
    if not isinstance(x, np.memmap):
        yield x
        return
    rows = rows_at_once(x.shape[1:], x.dtype)
    for start in range(0, len(x), rows):
        yield x[start : start + rows]


def rows_at_once(shape: tuple[int, ...], dtype: Any) -> int:
    """How many examples of a shape make up `CHUNK_BYTES`, at least one."""
    return max(1, CHUNK_BYTES // max(1, prod(shape) * int(np.dtype(dtype).itemsize)))


def rows_for(shape: tuple[int, ...], dtype: Any, file: Path | None) -> Array:
    """Room for examples: in memory, or in a new ``.npy`` file.

    Raises:
        StoreError: The file cannot be written, for example because the disk is full.
    """
    if file is None:
        return np.empty(shape, dtype)
    with disk_errors(file):
        file.parent.mkdir(parents=True, exist_ok=True)
        need = prod(shape) * np.dtype(dtype).itemsize
        space = os.statvfs(file.parent)
        if need > space.f_bavail * space.f_frsize:  # a mapped file would end the process later
            raise OSError(28, f"{need / 2**30:.1f} GiB are needed, more than is free")
        return np.lib.format.open_memmap(file, mode="w+", dtype=np.dtype(dtype), shape=shape)


def taken(x: Array, positions: Array) -> Array:
    """The examples at some positions, int64 of shape (m,): in memory, or as a file beside that of ``x``."""
    if not isinstance(x, np.memmap) or x.filename is None:
        return np.asarray(x[positions])
    if len(positions) == len(x) and np.array_equal(positions, np.arange(len(x))):
        return x
    source = Path(x.filename)
    digest = hashlib.sha256(np.ascontiguousarray(positions).data).hexdigest()[:16]
    file = source.with_name(f"{source.stem}.{digest}.npy")
    if not file.is_file():
        fresh = file.with_suffix(f".{os.getpid()}.tmp")
        out = rows_for((len(positions), *x.shape[1:]), x.dtype, fresh)
        rows = rows_at_once(x.shape[1:], x.dtype)
        for start in range(0, len(positions), rows):
            out[start : start + rows] = x[positions[start : start + rows]]
        finish(out, fresh, file)
    return mapped(file)


def finish(out: Array, fresh: Path, file: Path) -> None:
    """Give a file that was written to its name: it is there whole or not at all.

    Raises:
        StoreError: It cannot be written.
    """
    with disk_errors(file):
        if isinstance(out, np.memmap):
            out.flush()
        fresh.replace(file)


def mapped(file: Path) -> Array:
    """A ``.npy`` file as an array that is read from disk as it is used."""
    return np.lib.format.open_memmap(file, mode="r")


@contextlib.contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Errors of the disk as one line that says how to mend them.

    Raises:
        StoreError: The block raised an OSError.
    """
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"decoded data cannot be written to '{path.parent}' ({error.strerror or error}); free space, or "
            "choose a run folder (--out) on another disk"
        ) from error
