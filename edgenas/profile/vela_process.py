"""VelaProcess: the caller's side of the process that runs the Vela compiler."""

from __future__ import annotations

import contextlib
import os
import pickle
import select
import subprocess
import sys
import threading
import time
import weakref
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from edgenas.errors import ConfigError, UnsupportedError
from edgenas.profile.vela_target import VelaTarget

_WORKER = Path(__file__).with_name("vela_worker.py")


@dataclass
class _Running:
    """A started process, and the pipe that its answers come through."""

    process: subprocess.Popen[bytes]
    answers: int

    def stop(self) -> int:
        """End it; its exit code, below 0 for a signal."""
        self.process.kill()
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        with contextlib.suppress(OSError):
            os.close(self.answers)
        return self.process.wait()


class VelaProcess:
    """Compiles models one after the other in a process that is started when first needed.

    Args:
        device: Device id, for messages.
        target: What to compile for.
        timeout_s: Seconds that one model may take.
    """

    def __init__(self, device: str, target: VelaTarget, timeout_s: float) -> None:
        self.device = device
        self.target = target
        self.timeout_s = timeout_s
        self._lock = threading.Lock()
        self._running: _Running | None = None
        self._finalizer: weakref.finalize[Any, Any] | None = None

    def compile(self, model: bytes, details: bool) -> dict[str, Any]:
        """What Vela says of a model; see `edgenas.profile.vela_worker.Compiler.compile`.

        Raises:
            UnsupportedError: Vela refuses the model, takes too long or dies over it.
            ConfigError: Vela is not installed, or does not know the target.
        """
        with self._lock:
            running = self._running or self._start()
            kind, content = self._ask(running, (model, details))
        if kind == "failed":
            raise UnsupportedError(f"Vela cannot compile the model for device '{self.device}': {content}")
        assert isinstance(content, dict)
        return content

    def close(self) -> None:
        """End the process; the next model starts another."""
        with self._lock:
            self._end()

    def _start(self) -> _Running:
        if find_spec("ethosu") is None:
            raise ConfigError(
                f"device '{self.device}' is simulated by Arm's Vela compiler, which is not installed: "
                "pip install 'edgenas[npu]'"
            )
        reading, writing = os.pipe()
        # -P: the folder of the script is no place to import from.
        process = subprocess.Popen(
            [sys.executable, "-P", str(_WORKER), str(writing)],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            pass_fds=[writing],
        )  # fmt: skip
        os.close(writing)
        self._running = running = _Running(process, reading)
        self._finalizer = weakref.finalize(self, running.stop)
        kind, content = self._ask(running, self.target.to_json())
        if kind == "failed":
            self._end()
            raise ConfigError(f"Vela does not know the target of device '{self.device}': {content}")
        return running

    def _ask(self, running: _Running, request: Any) -> tuple[str, Any]:
        assert running.process.stdin is not None
        try:
            pickle.dump(request, running.process.stdin)
            running.process.stdin.flush()
            answer = self._answer(running.answers)
        except (BrokenPipeError, EOFError):
            code = self._end()
            raise UnsupportedError(
                f"Vela died over the model for device '{self.device}' (exit code {code}); "
                "expected an int8 .tflite file that it can compile"
            ) from None
        except BaseException:  # a later answer would be taken for that of another request
            self._end()
            raise
        kind, content = answer
        return str(kind), content

    def _answer(self, descriptor: int) -> Any:
        deadline = time.monotonic() + self.timeout_s
        received = b""
        while True:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([descriptor], [], [], left)[0]:
                raise UnsupportedError(
                    f"Vela took more than {self.timeout_s:g} s over the model for device '{self.device}'; "
                    "expected a smaller network"
                )
            if not (chunk := os.read(descriptor, 1 << 20)):
                raise EOFError
            received += chunk
            with contextlib.suppress(EOFError, pickle.UnpicklingError):  # until it is complete
                return pickle.loads(received)

    def _end(self) -> int | None:
        running, self._running = self._running, None
        if running is None:
            return None
        assert self._finalizer is not None
        code = self._finalizer()
        return int(code) if code is not None else None
