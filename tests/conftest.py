"""What all tests share: the command line as a real process, and one finished run."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Command = Callable[..., "subprocess.CompletedProcess[str]"]

# A job that a shell starts in the background ignores interrupts, and so would all its children.
signal.signal(signal.SIGINT, signal.default_int_handler)

SHORT = ("--epochs", "6", "--final-epochs", "10", "--winners", "2", "--seeds", "1", "--trials", "5")
"""A search on digits of well under a minute."""


def command(*words: str) -> list[str]:
    """The command line of this environment, without an installed script."""
    return [sys.executable, "-m", "edgenas", *words]


@pytest.fixture(scope="session")
def edgenas() -> Command:
    """Runs one command to its end and returns its exit code and output."""

    def call(*words: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "COLUMNS": "160"}
        return subprocess.run(
            command(*map(str, words)),
            capture_output=True,
            text=True,
            cwd=cwd,
            env=environment,
            check=False,
            timeout=300,
        )

    return call


@pytest.fixture(scope="session")
def finished_run(edgenas: Command, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small finished run on digits; tests read it and leave it as it is.

    It is made once; each test process has a copy of its own, as a run is in use by one process at a time.
    """
    base = tmp_path_factory.getbasetemp()
    made = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "finished-run" / "digits"
    made.parent.mkdir(exist_ok=True)
    with (made.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (made / "printed.json").exists():
            done = edgenas("search", "--data", "digits", "--ram-kib", "48", "--out", made, "--json", *SHORT)
            assert done.returncode == 0, done.stderr
            (made / "printed.json").write_text(done.stdout)
    folder = tmp_path_factory.mktemp("runs") / "digits"
    shutil.copytree(made, folder)
    printed = (made / "printed.json").read_text()
    (folder / "printed.json").write_text(printed.replace(str(made), str(folder)))
    return folder
