"""A folder that is written whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edgenas.errors import StoreError
from edgenas.lock import WriterLock
from edgenas.store import storage_errors


@contextmanager
def replaced_folder(folder: Path, marker: str) -> Iterator[Path]:
    """Fill a temporary folder beside ``folder`` that takes its place at the end of the block.

    If the block fails, ``folder`` stays as it was and nothing is left behind. What a killed process
    left is cleared away by the next one.

    Args:
        folder: The folder to make or to replace whole; its parents are made.
        marker: Name of a file that tells a folder of this kind from others.

    Yields:
        The temporary folder, empty. Write to it within `storage_errors`.

    Raises:
        StoreError: ``folder`` holds something else, another process fills it, or it cannot be written.
    """
    folder = Path(os.path.abspath(folder))  # noqa: PTH100 - resolve() would follow a link to elsewhere
    new, old = (folder.with_name(f".{folder.name}.{suffix}") for suffix in ("new", "old"))
    with storage_errors(folder):
        lock = WriterLock.take(new, folder)
    try:
        with storage_errors(folder):
            if old.exists() and not folder.exists():
                old.rename(folder)  # a process was killed between the two renames below
            _refuse_what_is_not_ours(folder, marker)
            _clear(new)
            shutil.rmtree(old, ignore_errors=True)
        yield new
        with storage_errors(folder):
            _swap(new, folder, old)
    finally:
        if lock.is_at(new):
            shutil.rmtree(new, ignore_errors=True)
        lock.release()


def _clear(folder: Path) -> None:
    """Remove what a killed process left in a folder."""
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def _refuse_what_is_not_ours(folder: Path, marker: str) -> None:
    if not folder.exists() or (folder / marker).is_file():
        return
    if not folder.is_dir() or any(folder.iterdir()):
        raise StoreError(
            f"{folder} holds something else than an exported bundle (no {marker}); "
            "choose a new or empty folder"
        )


def _swap(new: Path, folder: Path, old: Path) -> None:
    """Two renames; a reader in between finds no folder, never a mixed one."""
    if not folder.exists():
        new.rename(folder)
        return
    folder.rename(old)
    try:
        new.rename(folder)
    except OSError:
        old.rename(folder)
        raise
    shutil.rmtree(old, ignore_errors=True)
