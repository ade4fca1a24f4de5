"""A lock on a run folder that the operating system lifts when its holder dies."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import IO

from edgenas.errors import StoreError


class FolderLock:
    """Held by the one process that may write a run folder."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file

    @classmethod
    def acquire(cls, folder: Path) -> FolderLock:
        """Take the lock of a folder.

        Raises:
            StoreError: Another process holds it; the message names the process.
        """
        path = folder / "run.lock"
        file = path.open("a+")
        try:
            _lock(file)
        except OSError:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            if holder == str(os.getpid()):
                holder += " (this one; close the store or tuner that has it)"
            file.close()
            raise StoreError(
                f"{folder} is in use by process {holder}; wait for it, stop it, or choose another --out"
            ) from None
        file.seek(0)
        file.truncate()
        file.write(str(os.getpid()))
        file.flush()
        return cls(file)

    def release(self) -> None:
        """Let the next process in."""
        self._file.close()


class WriterLock:
    """Held by the one process that fills a folder; it goes with the folder under whatever name.

    Windows has no locks on folders: there nothing is held.
    """

    def __init__(self, number: int | None) -> None:
        self._number = number

    @classmethod
    def take(cls, folder: Path, shown: Path) -> WriterLock:
        """Make the folder if it is missing, and take its lock.

        Args:
            folder: The folder to fill.
            shown: What messages call it.

        Raises:
            StoreError: Another process holds it.
            OSError: It cannot be made.
        """
        while True:
            folder.mkdir(parents=True, exist_ok=True)
            if sys.platform == "win32":
                return cls(None)
            try:
                lock = cls(os.open(folder, os.O_RDONLY))
            except FileNotFoundError:
                continue  # its last holder gave it another name, or removed it
            try:
                lock._lock()
            except BlockingIOError:
                lock.release()
                raise StoreError(
                    f"another process is writing {shown}; wait for it or choose another folder"
                ) from None
            if lock.is_at(folder):
                return lock
            lock.release()

    def is_at(self, folder: Path) -> bool:
        """Whether the folder of this name is the one that was locked."""
        if self._number is None:
            return folder.exists()
        try:
            return os.path.samestat(os.fstat(self._number), folder.stat())
        except FileNotFoundError:
            return False

    def release(self) -> None:
        """Let the next process in."""
        if self._number is not None:
            os.close(self._number)

    def _lock(self) -> None:
        import fcntl

        assert self._number is not None
        fcntl.flock(self._number, fcntl.LOCK_EX | fcntl.LOCK_NB)


if sys.platform == "win32":

    def _lock(file: IO[str]) -> None:
        import msvcrt

        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)

else:

    def _lock(file: IO[str]) -> None:
        import fcntl

        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
