"""Locks that the operating system lifts when their holder dies: on a run folder, on a board."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from edgenas.errors import StoreError


def own_temporary_folder() -> Path:
    """A folder of this user's in the temporary folder of this machine.

    Raises:
        StoreError: Somebody else has made it.
    """
    user = os.getuid() if hasattr(os, "getuid") else 0
    folder = Path(tempfile.gettempdir()) / f"edgenas-{user}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.is_symlink() or (hasattr(os, "getuid") and folder.stat().st_uid != user):
        raise StoreError(f"{folder} belongs to another user; remove it")
    return folder


@contextlib.contextmanager
def turn_at(what: str) -> Iterator[None]:
    """Wait for this process's turn at something that serves one at a time, for example a board.

    It holds between processes of one user on this machine; a dead process has no turn.
    """
    name = hashlib.sha256(what.encode()).hexdigest()[:16]
    with (own_temporary_folder() / f"turn-{name}.lock").open("a+") as file:
        lock_file(file, wait=True)
        yield


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
            lock_file(file)
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

    @staticmethod
    def is_held(folder: Path) -> bool:
        """Whether a process writes a folder; looking does not hinder it."""
        path = folder / "run.lock"
        try:
            holder = int(path.read_text())
            os.kill(holder, 0)
            with path.open() as file:
                lock_file(file, shared=True)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True  # another user's process
        except BlockingIOError:
            return True
        except (OSError, ValueError):
            return False
        return False

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

    def lock_file(file: IO[str], *, shared: bool = False, wait: bool = False) -> None:
        """Lock an open file until it is closed; raises OSError if another one holds it."""
        import msvcrt

        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)

else:

    def lock_file(file: IO[str], *, shared: bool = False, wait: bool = False) -> None:
        """Lock an open file until it is closed; raises OSError if another one holds it.

        Args:
            file: Locked again, it changes from exclusive to shared or back.
            shared: Whether others may share it.
            wait: Whether to wait for the others instead.
        """
        import fcntl

        kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        fcntl.flock(file.fileno(), kind | (0 if wait else fcntl.LOCK_NB))
