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
import select
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, NoReturn

IMPORTED = (
    "edgenas.cli.main", "edgenas.pipeline", "edgenas.long_training", "edgenas.merging",
    "edgenas.export.bundle", "tensorflow", "keras", "tf_keras", "onnxruntime", "tf2onnx",
)  # fmt: skip


class Forking:
    """The process that forks; it and all that it started end with `close`.

    Attributes:
        address: Where it is asked for commands.
    """

    def __init__(self, folder: Path) -> None:
        self.address = folder / "commands"
        self._log = (folder / "log").open("w+")
        path = os.pathsep.join(map(os.path.abspath, filter(None, sys.path)))
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(self.address))
            listener.listen()
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(listener.fileno())], pass_fds=[listener.fileno()],
                stdin=subprocess.PIPE, stdout=self._log, stderr=self._log, start_new_session=True,
                env={**os.environ, "PYTHONPATH": path, "TF_CPP_MIN_LOG_LEVEL": "3"},
            )  # fmt: skip

    def run(self, words: list[str], cwd: Path | None, seconds: float) -> subprocess.CompletedProcess[str]:
        """One command to its end, which must come within so many seconds."""
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as error:
            environment = {**os.environ, "COLUMNS": "160"}
            try:
                code = ask(self.address, words, cwd or Path.cwd(), environment, (out, error), seconds)
            except (TimeoutError, EOFError) as reason:
                self._log.seek(0)
                raise AssertionError(f"edgenas {shlex.join(words)}: {reason!r}; {self._log.read()}") from None
            out.seek(0)
            error.seek(0)
            return subprocess.CompletedProcess(words, code, out.read(), error.read())

    def write_command(self, path: Path) -> None:
        """An executable file that runs such commands from a shell."""
        words = [sys.executable, "-E", "-S", __file__, str(self.address)]
        path.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
        path.chmod(0o755)

    def close(self) -> None:
        """Also ends a command that is under way."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.communicate()
        self._log.close()


def ask(
    address: Path,
    words: Sequence[str],
    cwd: Path,
    environment: Mapping[str, str],
    streams: tuple[IO[str], IO[str]],
    seconds: float | None = None,
) -> int:
    """Have a command run and return its exit code.

    Raises:
        EOFError: The process that forks ended.
        TimeoutError: The command took longer.
    """
    request = json.dumps({"words": list(words), "cwd": str(cwd), "environment": dict(environment)})
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(seconds)
        connection.connect(str(address))
        socket.send_fds(connection, [b"\n"], [stream.fileno() for stream in streams])
        connection.sendall(request.encode() + b"\n")
        answer = connection.makefile().readline()
    if not answer:
        raise EOFError("no answer")
    return int(answer)


def serve(listener: socket.socket) -> None:
    """Fork a child for each command, one after the other, until whoever holds the standard input is gone."""
    for name in IMPORTED:
        importlib.import_module(name)
    while sys.stdin not in select.select([listener, sys.stdin], [], [])[0]:
        connection, _ = listener.accept()
        with connection:
            _, streams, _, _ = socket.recv_fds(connection, 1, 2)
            request = json.loads(connection.makefile().readline())
            child = os.fork()
            if child == 0:
                listener.close()
                connection.close()
                os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
                run_and_exit(request, streams)
            for stream in streams:
                os.close(stream)
            _, status = os.waitpid(child, 0)
            connection.sendall(b"%d\n" % os.waitstatus_to_exitcode(status))


def run_and_exit(request: dict[str, Any], streams: Sequence[int]) -> NoReturn:
    """Be the command, and end as Python does but for the threads of frameworks, which a child lacks."""
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["cwd"])
    for number, stream in enumerate(streams, 1):
        os.dup2(stream, number)
        os.close(stream)
    sys.argv = ["edgenas", *request["words"]]
    code: Any = 1
    try:
        runpy.run_module("edgenas", run_name="__main__", alter_sys=True)
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


if __name__ == "__main__":
    if sys.argv[1].isdecimal():
        serve(socket.socket(fileno=int(sys.argv[1])))
    sys.exit(ask(Path(sys.argv[1]), sys.argv[2:], Path.cwd(), os.environ, (sys.stdout, sys.stderr)))
