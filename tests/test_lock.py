"""One process holds a folder; the operating system lifts the lock when that process dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from edgenas.errors import StoreError
from edgenas.export.folder import replaced_folder
from edgenas.lock import FolderLock, WriterLock, turn_at

HOLDER = """
import sys, time
from pathlib import Path
from edgenas.lock import FolderLock
lock = FolderLock.acquire(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(60)
"""


def test_a_lock_is_held_once_and_can_be_had_again(tmp_path: Path) -> None:
    lock = FolderLock.acquire(tmp_path)
    with pytest.raises(StoreError, match=f"in use by process {os.getpid()} "):
        FolderLock.acquire(tmp_path)
    lock.release()
    FolderLock.acquire(tmp_path).release()


def test_two_folders_have_two_locks(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    one, two = FolderLock.acquire(tmp_path / "one"), FolderLock.acquire(tmp_path / "two")
    one.release()
    two.release()


def test_another_process_is_named_and_its_death_lifts_the_lock(tmp_path: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE)
    assert holder.stdout is not None and holder.stdout.readline() == b"held\n"
    with pytest.raises(StoreError, match=f"in use by process {holder.pid}; wait for it, stop it"):
        FolderLock.acquire(tmp_path)
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    holder.stdout.close()
    FolderLock.acquire(tmp_path).release()


def test_programs_that_the_holder_starts_do_not_inherit_the_lock(tmp_path: Path) -> None:
    """A training process that outlives a killed search must not keep the folder locked."""
    lock = FolderLock.acquire(tmp_path)
    child = subprocess.Popen(
        [sys.executable, "-c", "print('started', flush=True); input()"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, close_fds=False,
    )  # fmt: skip
    assert child.stdout is not None and child.stdout.readline() == b"started\n"
    lock.release()
    FolderLock.acquire(tmp_path).release()
    child.communicate(b"\n")


def test_one_process_at_a_time_has_its_turn_at_a_board(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    script = "import sys; from edgenas.lock import turn_at\nwith turn_at('board'): print('mine', flush=True)"
    with turn_at("board"), turn_at("another board"):
        other = subprocess.Popen(
            [sys.executable, "-c", script],
            stdout=subprocess.PIPE, env={**os.environ, "TMPDIR": str(tmp_path)},
        )  # fmt: skip
        with pytest.raises(subprocess.TimeoutExpired):
            other.wait(timeout=2)
    assert other.communicate(timeout=20)[0] == b"mine\n"


WRITER = """
import sys, time
from pathlib import Path
from edgenas.export.folder import replaced_folder
with replaced_folder(Path(sys.argv[1]), "marker") as folder:
    (folder / "marker").write_text("theirs")
    print("writing", flush=True)
    time.sleep(60)
"""


def test_two_processes_do_not_fill_one_folder(tmp_path: Path) -> None:
    """The second is refused; when the first is killed, the next finds its way free and nothing of it."""
    out = tmp_path / "out"
    other = subprocess.Popen([sys.executable, "-c", WRITER, str(out)], stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None and other.stdout.readline() == "writing\n"
    with pytest.raises(StoreError, match=f"another process is writing {out}"), replaced_folder(out, "marker"):
        pass
    assert (tmp_path / ".out.new" / "marker").read_text() == "theirs"
    other.send_signal(signal.SIGKILL)
    other.wait()
    with replaced_folder(out, "marker") as folder:
        assert not list(folder.iterdir())
        (folder / "marker").write_text("ours")
    assert (out / "marker").read_text() == "ours"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_writer_does_not_clear_away_what_the_next_one_began(tmp_path: Path) -> None:
    with replaced_folder(tmp_path / "out", "marker") as folder:
        (folder / "marker").write_text("first")
        folder.rename(tmp_path / "out")  # as if it had been put in place already
        lock = WriterLock.take(folder, tmp_path / "out")
        (folder / "marker").write_text("second")
        assert not lock.is_at(tmp_path / "out")
        lock.release()
    assert (tmp_path / "out" / "marker").read_text() == "second"
