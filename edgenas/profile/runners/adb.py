"""An Android phone over adb, with Android's own tool ``benchmark_model``.

The user gives the tool (built for the phone, or the one that TensorFlow publishes each night); it and the
models are copied to a new folder under ``/data/local/tmp``, which is removed again. The tool times whole
runs, not undisturbed bursts, so figures from phones say so in their statistic.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import tempfile
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from edgenas.errors import MeasurementError, UnsupportedError
from edgenas.lock import turn_at
from edgenas.profile.device import Device
from edgenas.profile.protocol import Measurement, Protocol
from edgenas.profile.runner import RUNNERS, Route, Runner

ADB_SECONDS = 60
_RUNS = 50
_FEWEST_RUNS = 4
_COUNT_LINE = re.compile(r"\bcount=(\d+)\b(.*)")


@RUNNERS.register("adb")
class AdbRunner(Runner):
    """Measures LiteRT on a phone that adb reaches."""

    runtimes: ClassVar[tuple[str, ...]] = ("litert",)

    @classmethod
    def reaches(cls, device: Device, route: Route) -> bool:
        """Any device, if the route names a serial number and the runtime is LiteRT."""
        return route.adb is not None and device.runtime in cls.runtimes

    def measure_batch(self, models: Sequence[bytes]) -> list[Measurement | None]:
        """Measure models one after the other.

        Raises:
            UnsupportedError: A model that the tool cannot load, or no tool.
            MeasurementError: The phone cannot be reached, or went away: nothing of the batch is kept.
        """
        if not models:
            return []
        tool = self._tool()
        folder = f"/data/local/tmp/edgenas-{uuid.uuid4().hex}"
        self._adb("shell", f"mkdir {folder}")
        try:
            self._adb("push", str(tool.resolve()), f"{folder}/benchmark_model")
            self._adb("shell", f"chmod 700 {folder}/benchmark_model")
            with turn_at(f"adb {self.route.adb}"):  # measurements of two processes would disturb each other
                return self.told([self._one(folder, model) for model in models])
        finally:
            self._adb("shell", f"rm -rf {folder}", check=False)

    def _one(self, folder: str, model: bytes) -> Measurement | str:
        with tempfile.TemporaryDirectory() as here:
            path = Path(here, "model.tflite")
            path.write_bytes(model)
            self._adb("push", str(path), f"{folder}/model.tflite")
        seconds = max(1, round(self.protocol.limit_s))
        flags = f"--num_threads={self.threads} --num_runs={_RUNS} --warmup_runs=5 --max_secs={seconds}"
        command = f"cd {folder} && ./benchmark_model --graph=model.tflite {flags}"
        output = self._adb("shell", command, seconds=2 * seconds + ADB_SECONDS, check=False)
        return parse_output(output, self.protocol)

    def machine(self) -> dict[str, Any]:
        """Model, system and the tool's checksum (it has no version)."""
        properties = (
            "ro.product.manufacturer",
            "ro.product.model",
            "ro.board.platform",
            "ro.build.version.release",
        )
        maker, model, platform, release = (self._adb("shell", f"getprop {one}").strip() for one in properties)
        checksum = hashlib.sha256(self._tool().read_bytes()).hexdigest()[:12]
        return {
            "cpu": f"{maker} {model} ({platform})",
            "system": f"Android {release}",
            "version": f"benchmark_model {checksum}",
        }

    def governor(self) -> str | None:
        """The clock governors of the phone's cores, or None where the system hides them."""
        files = "/sys/devices/system/cpu/cpu*/cpufreq/scaling_governor"
        found = self._adb("shell", f"cat {files} 2>/dev/null", check=False).split()
        return ", ".join(sorted(set(found))) or None

    def _tool(self) -> Path:
        tool = self.route.benchmark_model
        assert tool is not None
        if not tool.is_file():
            raise UnsupportedError(f"there is no file {tool}; expected Android's benchmark_model")
        return tool

    def _adb(self, verb: str, *words: str, seconds: float = ADB_SECONDS, check: bool = True) -> str:
        """Run adb; what it printed. Commands for the phone's shell hold no text of the user's."""
        assert self.route.adb is not None
        command = ["adb", "-s", self.route.adb, verb, *words]
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=seconds,
            )
        except FileNotFoundError:
            raise UnsupportedError(
                "the program adb is not installed; expected it on the path (Android platform tools)"
            ) from None
        except subprocess.TimeoutExpired:
            raise MeasurementError(
                f"phone '{self.route.adb}' did not answer within {seconds:.0f} s; nothing of this "
                "measurement was kept"
            ) from None
        text = done.stdout.decode("utf-8", "replace")
        if done.returncode and (check or _lost(text)):
            raise MeasurementError(self._explained(text))
        return text

    def _explained(self, text: str) -> str:
        lines = [
            line.strip() for line in text.splitlines() if line.strip() and not line.startswith("* daemon")
        ]
        last = lines[-1] if lines else "adb ended without a word"
        if "unauthorized" in text:
            return (
                f"phone '{self.route.adb}' has not allowed this machine; confirm the question on its screen"
            )
        return (
            f"phone '{self.route.adb}' cannot be reached or went away ({last}); see: adb devices; "
            "nothing of this measurement was kept"
        )


def _lost(text: str) -> bool:
    """Whether adb says that there is no device behind the serial number."""
    return bool(re.search(r"^(adb: |error: )", text, re.MULTILINE))


def parse_output(output: str, protocol: Protocol) -> Measurement | str:
    """The latency that ``benchmark_model`` printed, or in words why it is not believed.

    The last line with ``count=`` is that of the timed runs; times are microseconds. Newer tools tell the
    5 %, 50 % and 95 % quantiles, and the median is then the latency; older ones only the mean.

    Raises:
        UnsupportedError: The tool could not run the model.
    """
    lines = _COUNT_LINE.findall(output)
    if not lines:
        said = [line.strip() for line in output.splitlines() if re.search("error|fail", line, re.IGNORECASE)]
        raise UnsupportedError(
            f"benchmark_model printed no timing ({said[-1] if said else 'and no error'}); expected a "
            ".tflite file that it can load, and a tool built for this phone"
        )
    count = int(lines[-1][0])
    fields = {
        name: float(value) / 1e3 for name, value in re.findall(r"(\w+)=([\d.]+(?:e[+-]?\d+)?)", lines[-1][1])
    }
    if count < _FEWEST_RUNS or not {"avg", "min", "max", "std"} <= fields.keys():
        return (
            f"benchmark_model timed {count} run(s) in {protocol.limit_s:g} s, expected {_FEWEST_RUNS} or more"
        )
    spread = fields["std"] / fields["avg"]
    if spread > protocol.max_spread:
        return f"the spread was {spread:.1%}, over the bound of {protocol.max_spread:.0%}"
    median = fields.get("median")
    latency = fields["avg"] if median is None else median
    low, high = fields.get("p5", fields["min"]), fields.get("p95", fields["max"])
    statistic = f"{'mean' if median is None else 'median'} of runs, by Android's benchmark_model"
    return Measurement(latency, min(low, latency), max(high, latency), count, statistic, median, None, spread)
