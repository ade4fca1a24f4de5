"""Commands in processes of their own, forked from one that has imported the frameworks.

A command imports for two to six seconds before it does anything, and the tests run a hundred. So one process
imports, without running anything, and forks a child for each command: as the training process does, see
`edgenas.train.worker`. The child is the command itself, `python -m edgenas`, from its arguments to its exit.
Tests of what an import does or prints, and those that kill, start Python anew: `tests.conftest.command`.
"""

from __future__ import annotations

import atexit
import importlib
import json
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

IMPORTED = (
    "edgenas.cli.main", "edgenas.pipeline", "edgenas.long_training", "edgenas.merging",
    "edgenas.export.bundle", "tensorflow", "keras", "tf_keras", "onnxruntime", "tf2onnx",
)  # fmt: skip


class Forking:
    """Runs commands one after the other; the process that forks them ends with `close`."""

    def __init__(self) -> None:
        path = os.pathsep.join(map(os.path.abspath, filter(None, sys.path)))
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115  closed in close
        self._process = subprocess.Popen(
            [sys.executable, __file__], text=True, start_new_session=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log,
            env={**os.environ, "PYTHONPATH": path, "TF_CPP_MIN_LOG_LEVEL": "3"},
        )  # fmt: skip

    def run(self, words: list[str], cwd: Path | None, seconds: float) -> subprocess.CompletedProcess[str]:
        """One command to its end.

        Args:
            words: What follows ``edgenas``.
            cwd: Folder it runs in; None is this process's.
            seconds: After these it is killed, and all that it started.
        """
        with tempfile.TemporaryDirectory() as folder:
            out, error = Path(folder, "out"), Path(folder, "error")
            request = {
                "words": words, "cwd": str(cwd or Path.cwd()), "out": str(out), "error": str(error),
                "environment": {**os.environ, "COLUMNS": "160"},
            }  # fmt: skip
            assert self._process.stdin is not None and self._process.stdout is not None
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            killer = threading.Timer(seconds, os.killpg, (self._process.pid, signal.SIGKILL))
            killer.start()
            answer = self._process.stdout.readline()
            killer.cancel()
            if not answer:
                self._log.seek(0)
                raise AssertionError(f"edgenas {words} gave no answer within {seconds} s; {self._log.read()}")
            return subprocess.CompletedProcess(words, int(answer), out.read_text(), error.read_text())

    def close(self) -> None:
        """End the process that forks."""
        self._process.communicate()
        self._log.close()


def serve() -> None:
    """Fork a child for every line of standard input and answer with its exit code."""
    for name in IMPORTED:
        importlib.import_module(name)
    while line := sys.stdin.readline():
        child = os.fork()
        if child == 0:
            ends_with(become, json.loads(line))
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def ends_with(become: Callable[[Any], None], request: Any) -> NoReturn:
    """End as an interpreter does, but for the threads of frameworks, which a child does not have."""
    code: Any = 1
    try:
        become(request)
        code = 0
    except SystemExit as stop:
        code = stop.code or 0
    except BaseException:
        traceback.print_exc()
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def become(request: dict[str, Any]) -> None:
    """Be the command that was asked for; ends as it ends, with ``SystemExit``."""
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["cwd"])
    for number, path, flags in (
        (0, os.devnull, os.O_RDONLY),
        (1, request["out"], os.O_WRONLY | os.O_CREAT),
        (2, request["error"], os.O_WRONLY | os.O_CREAT),
    ):
        file = os.open(path, flags, 0o600)
        os.dup2(file, number)
        os.close(file)
    sys.argv = ["edgenas", *request["words"]]
    runpy.run_module("edgenas", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    serve()
