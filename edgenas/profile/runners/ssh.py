"""A Linux board over ssh: the agent and the models travel over one connection, nothing is left there.

OpenSSH's client starts Python on the board, which reads the agent (`edgenas.profile.agent`, one file)
from the connection and answers requests until the connection ends; models stay in the board's memory. The
board needs Python 3.7 or later with ``ai_edge_litert``, ``tflite_runtime`` or ``onnxruntime``. No password
is ever asked for, and a host key that is unknown or has changed is refused.
"""

from __future__ import annotations

import json
import re
import shlex
import struct
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar

from edgenas.errors import ConfigError, MeasurementError, UnsupportedError
from edgenas.lock import turn_at
from edgenas.profile import agent
from edgenas.profile.device import Device
from edgenas.profile.protocol import Measurement, summarized
from edgenas.profile.runner import RUNNERS, Route, Runner
from edgenas.profile.synthesize import tiny_model

CONNECT_SECONDS = 15
START_SECONDS = 120  # importing a runtime on a small board
BYTES_PER_SECOND = 50_000  # a slow wireless link
_BOOT = (
    "import sys;n=int.from_bytes(sys.stdin.buffer.read(4),'big');"
    "exec(compile(sys.stdin.buffer.read(n),'agent.py','exec'),{'__name__':'__edgenas_agent__'})"
)


@RUNNERS.register("ssh")
class SshRunner(Runner):
    """Measures on a board that answers ssh with a key."""

    runtimes: ClassVar[tuple[str, ...]] = ("litert", "onnxruntime")
    _connection: _Connection | None = None

    @classmethod
    def reaches(cls, device: Device, route: Route) -> bool:
        """Any device, if the route names a host and the runtime is one that the agent knows.

        Raises:
            ConfigError: What the route names is no host.
        """
        if route.ssh is None:
            return False
        parse_host(route.ssh)
        return device.runtime in cls.runtimes

    def measure_batch(self, models: Sequence[bytes]) -> list[Measurement | None]:
        """Measure models in turns on the board.

        Raises:
            UnsupportedError: A model that the runtime cannot load, or a board without the runtime.
            MeasurementError: The board cannot be reached, or went away: nothing of the batch is kept.
        """
        if not models:
            return []
        sent = [tiny_model(self.model_format), *models]
        request = {
            "what": "measure", "runtime": self.runtime, "threads": self.threads,
            "settings": asdict(self.protocol),
        }  # fmt: skip
        with turn_at(f"ssh {self.route.ssh}"):  # measurements of two processes would disturb each other
            answer = self._ask(request, sent, self.protocol.limit_s)
        if "refused" in answer:
            raise UnsupportedError(f"{self.runtime} on '{self.device.id}' cannot run {answer['refused']}")
        timed = answer["bursts_ns"]
        return self.told([summarized([float(v) for v in bursts], self.protocol) for bursts in timed])

    def machine(self) -> dict[str, Any]:
        """Processor, system and the version of the board's runtime."""
        return dict(self._ask({"what": "machine", "runtime": self.runtime}, [], 0)["machine"])

    def governor(self) -> str | None:
        """The clock governor of the board's cores."""
        found = self._ask({"what": "machine", "runtime": self.runtime}, [], 0)["governor"]
        return None if found is None else str(found)

    def close(self) -> None:
        """End the connection; the agent on the board ends with it."""
        if self._connection is not None:
            self._connection.end()
            self._connection = None

    def _ask(self, request: dict[str, Any], models: Sequence[bytes], seconds: float) -> dict[str, Any]:
        limit_s = seconds + START_SECONDS + sum(map(len, models)) / BYTES_PER_SECOND
        try:
            if self._connection is None:
                self._connection = _Connection(ssh_command(self.route))
            answer = self._connection.ask(
                {**request, "sizes": [len(model) for model in models]}, models, limit_s
            )
        except _Lost as lost:
            self.close()
            raise MeasurementError(explained(lost, self.route, self.device.id)) from None
        except BaseException:  # an answer may still be under way: the next request must not read it
            self.close()
            raise
        if "missing" in answer:
            self.close()  # what is installed there meanwhile is seen by a new agent only
            raise UnsupportedError(
                f"'{self.route.ssh}' has no {self.runtime} for its {self.route.python}: {answer['missing']}; "
                "install it there (pip install ai-edge-litert, or onnxruntime) or give --python"
            )
        return answer


class _Lost(Exception):
    """The connection ended: how ssh ended and what it said."""

    def __init__(self, code: int | None, said: str, limit_s: float | None) -> None:
        super().__init__(said)
        self.code, self.said, self.limit_s = code, said, limit_s


class _Connection:
    """One ssh process with the agent at its other end."""

    def __init__(self, command: list[str]) -> None:
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the connection
        try:
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors
            )
        except OSError as error:
            self.errors.close()
            raise UnsupportedError(
                f"OpenSSH's client cannot be started ({error.strerror}); install it"
            ) from None
        source = Path(agent.__file__).read_bytes()
        self.prelude = struct.pack(">I", len(source)) + source

    def ask(self, request: dict[str, Any], models: Sequence[bytes], limit_s: float) -> dict[str, Any]:
        """Send a request and wait for its answer, at most ``limit_s`` seconds."""
        expired = threading.Event()

        def expire() -> None:
            expired.set()
            self.process.kill()

        timer = threading.Timer(limit_s, expire)
        timer.daemon = True
        timer.start()
        try:
            answer = self._exchange(request, models)
        except (OSError, EOFError, ValueError):
            raise self._lost(limit_s if expired.is_set() else None) from None
        finally:
            timer.cancel()
        return answer

    def _exchange(self, request: dict[str, Any], models: Sequence[bytes]) -> dict[str, Any]:
        source, target = self.process.stdout, self.process.stdin
        assert source is not None and target is not None
        text = json.dumps(request).encode()
        target.write(self.prelude + struct.pack(">I", len(text)) + text)
        self.prelude = b""
        for model in models:
            target.write(model)
        target.flush()
        head = source.read(4)
        if len(head) < 4:
            raise EOFError
        answer = json.loads(source.read(struct.unpack(">I", head)[0]))
        if not isinstance(answer, dict):
            raise ValueError(answer)
        return answer

    def _lost(self, limit_s: float | None) -> _Lost:
        try:
            code = self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = None
        self.errors.seek(0)
        return _Lost(code, self.errors.read().decode("utf-8", "replace"), limit_s)

    def end(self) -> None:
        """Kill ssh, which ends the agent, and close the pipes."""
        self.process.kill()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except OSError:  # what was still to be written has nowhere to go
                    continue
        self.process.wait()
        self.errors.close()


def parse_host(text: str) -> tuple[str, str | None]:
    """The destination for ssh, and the port or None, of ``[user@]host[:port]``.

    Raises:
        ConfigError: The text is something else; IPv6 addresses stand in brackets if a port follows.
    """
    found = re.fullmatch(
        r"((?:[\w.+-]+@)?)(\[[\w:.%]+\]|[\w.-]+|[\w:.%]*:[\w:.%]*:[\w.%]*)(?::(\d{1,5}))?", text, re.ASCII
    )
    if not found or text.startswith("-") or found[2].startswith("-"):
        raise ConfigError(f"ssh host '{text}' was given; expected user@host or user@host:port")
    return found[1] + found[2].strip("[]"), found[3]


def ssh_command(route: Route) -> list[str]:
    """The command that starts the agent on the board, as a list of arguments.

    ssh hands its last argument to a shell on the board: nothing but the Python's path and a constant
    text stands there, both quoted.

    Raises:
        ConfigError: The host is not one.
    """
    assert route.ssh is not None
    host, port = parse_host(route.ssh)
    options = {
        "BatchMode": "yes", "StrictHostKeyChecking": "yes", "ConnectTimeout": CONNECT_SECONDS,
        "ServerAliveInterval": 5, "ServerAliveCountMax": 3, "ClearAllForwardings": "yes",
        "RequestTTY": "no", "LogLevel": "INFO",
    }  # fmt: skip
    config = [] if route.ssh_config is None else ["-F", str(route.ssh_config)]
    settings = [part for name, value in options.items() for part in ("-o", f"{name}={value}")]
    remote = f"exec {shlex.quote(route.python)} -c {shlex.quote(_BOOT)}"
    return ["ssh", *config, *settings, *([] if port is None else ["-p", port]), "--", host, remote]


def explained(lost: _Lost, route: Route, device_id: str) -> str:
    """One line on why the connection ended and what mends it."""
    assert route.ssh is not None
    host, port = parse_host(route.ssh)
    name = host.rpartition("@")[2]
    known = f"'[{name}]:{port}'" if port and port != "22" else f"'{name}'"
    where = f"board '{device_id}' ({route.ssh})"
    login = f"ssh {f'-p {port} ' if port else ''}{host}"
    lines = [line.strip() for line in lost.said.splitlines() if line.strip()]
    last = lines[-1] if lines else "the connection ended without a word"
    if lost.limit_s is not None:
        return f"{where} did not answer within {lost.limit_s:.0f} s; nothing of this measurement was kept"
    if (
        "REMOTE HOST IDENTIFICATION HAS CHANGED" in lost.said
        or "has changed and you have requested" in lost.said
    ):
        return (
            f"the host key of {where} has changed, so it was refused; if the board was set up anew, forget "
            f"the old key with: ssh-keygen -R {known}, and log in once with: {login}"
        )
    if "Host key verification failed" in lost.said or "host key is known" in lost.said:
        return f"the host key of {where} is not known; log in once and confirm its fingerprint with: {login}"
    if "Permission denied" in lost.said:
        return f"{where} refused the login without a password ({last}); install your key: ssh-copy-id {host}"
    if lost.code == 127 or (lost.code == 126):
        return f"{where} has no program '{route.python}' ({last}); give its Python with --python"
    return f"{where} cannot be reached or went away ({last}); nothing of this measurement was kept"
