"""What all tests share: the command line as a real process, and one finished run."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.forked import Forking

Command = Callable[..., "subprocess.CompletedProcess[str]"]

# A job that a shell starts in the background ignores interrupts, and so would all its children.
signal.signal(signal.SIGINT, signal.default_int_handler)

SHORT = ("--epochs", "6", "--final-epochs", "10", "--winners", "2", "--seeds", "1", "--trials", "5")
"""A search on digits of well under a minute."""

SEVERAL = ("--winners", "3")
"""The fastest candidate is then among them, so that processors with other arithmetic keep two winners too."""


LONGEST = (
    "oneshot/test_search.py", "oneshot/test_gradient.py", "cli/test_kill_and_resume.py", "test_examples.py",
    "distribute/test_cluster.py", "docs/test_guides.py", "oneshot/test_supernet.py", "cli/test_train.py",
    "search/test_tuner.py", "cli/test_search.py", "cli/test_data_kinds.py", "docs/test_notebooks.py",
)  # fmt: skip
"""Files that take longest; they begin first, so that no core is idle while one of them is the last."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the files; tests within one stay as they are."""
    folder = Path(__file__).parent
    places = {folder / name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path, len(LONGEST)))


def command(*words: str) -> list[str]:
    """The command line of this environment, without an installed script."""
    return [sys.executable, "-m", "edgenas", *words]


@pytest.fixture(scope="session")
def forking() -> Iterator[Forking]:
    """Runs commands of this test process; a socket's path must be short."""
    with tempfile.TemporaryDirectory() as folder:
        process = Forking(Path(folder))
        yield process
        process.close()


@pytest.fixture(scope="session")
def edgenas(forking: Forking) -> Command:
    """Runs one command to its end, in a process of its own, and returns its exit code and output."""

    def call(*words: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        return forking.run([*map(str, words)], cwd, seconds=900)

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
            words = ("--ram-kib", "48", "--workers", "1", "--out", made, "--json", *SHORT, *SEVERAL)
            done = edgenas("search", "--data", "digits", *words)
            assert done.returncode == 0, done.stderr
            (made / "printed.json").write_text(done.stdout)
    folder = tmp_path_factory.mktemp("runs") / "digits"
    shutil.copytree(made, folder)
    printed = (made / "printed.json").read_text()
    (folder / "printed.json").write_text(printed.replace(str(made), str(folder)))
    return folder
