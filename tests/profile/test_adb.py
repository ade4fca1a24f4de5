"""Phones over adb: the tool's recorded output, and the real adb client as far as it goes without a phone."""

from __future__ import annotations

import shutil
import socket
import stat
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from edgenas.errors import MeasurementError, UnsupportedError
from edgenas.profile.device import load_device
from edgenas.profile.protocol import Measurement, Protocol
from edgenas.profile.runner import Route, runner_for
from edgenas.profile.runners.adb import AdbRunner, parse_output
from edgenas.profile.synthesize import tiny_model
from edgenas.testing.runners import PATIENT, RunnerContract

PHONE = replace(load_device("host"), id="phone")

# https://github.com/tensorflow/tensorflow/issues/42507, an ESPCN network on a phone, 2020
OF_2020 = """STARTING!
Num threads: [4]
Graph: [/data/local/tmp/espcn_harmonic_2x_slim_w_cl.tflite]
Loaded model /data/local/tmp/espcn_harmonic_2x_slim_w_cl.tflite
The input model file size (MB): 0.004448
Initialized session in 0.855ms.
Running benchmark for at least 1 iterations and at least 0.5 seconds but terminate if exceeding 150 seconds.
count=15 first=49060 curr=33682 min=32825 max=49060 avg=34825.1 std=3930

Running benchmark for at least 50 iterations and at least 1 seconds but terminate if exceeding 150 seconds.
count=50 first=32891 curr=33978 min=32641 max=34005 avg=33209.4 std=450

Inference timings in us: Init: 855, First inference: 49060, Warmup (avg): 34825.1, Inference (avg): 33209.4
Peak memory footprint (MB): init=0 overall=12.8672
"""
# https://github.com/yuenshome/yuenshome.github.io/issues/77, MobileNet v1 on a phone, 2019
OF_2019 = """Initialized session in 9.933ms
Running benchmark for at least 4 iterations and at least 0.5 seconds
count=7 first=127425 curr=66709 min=66709 max=127425 avg=76605.9 std=20944

Running benchmark for at least 10 iterations and at least 1 seconds
count=15 first=66753 curr=66800 min=66699 max=66838 avg=66767.6 std=39

Average inference timings in us: Warmup: 76605.9, Init: 9933, no stats: 66767.6
"""
# Lines of the newer tool with quantiles, as a public guide to its log of a detector in int8 shows them
WITH_QUANTILES = """I tflite  : count=3 first=235158 curr=200386 min=199462 max=235158 avg=211669 std=16613 \
p5=199462 median=200386 p95=235158
I tflite  : count=25 first=187533 curr=140990 min=140071 max=195121 avg=145528 std=13583 \
p5=140545 median=141253 p95=187533
I tflite  : Inference timings in us: Init: 92318, First inference: 187533, Warmup (avg): 211669, \
Inference (avg): 145528
"""
# README of a build of the tool for an emulated board: one run, in scientific notation
ONE_RUN = """count=1 curr=3512391
Inference timings in us: Init: 17187, First inference: 3512391, Warmup (avg): 3.51239e+06
"""


@pytest.mark.parametrize(
    ("output", "latency_ms", "low_ms", "high_ms", "count", "statistic"),
    [
        (OF_2020, 33.2094, 32.641, 34.005, 50, "mean"),
        (OF_2019, 66.7676, 66.699, 66.838, 15, "mean"),
        (WITH_QUANTILES, 141.253, 140.545, 187.533, 25, "median"),
    ],
)
def test_recorded_output_is_read(
    output: str, latency_ms: float, low_ms: float, high_ms: float, count: int, statistic: str
) -> None:
    found = parse_output(output, Protocol())
    assert isinstance(found, Measurement)
    assert (found.latency_ms, found.low_ms, found.high_ms) == pytest.approx((latency_ms, low_ms, high_ms))
    assert found.repeats == count and found.statistic.startswith(statistic)


def test_scientific_notation_is_read() -> None:
    output = "count=50 first=2990275 curr=2913402 min=2727568 max=3189954 avg=2.95034e+06 std=109798"
    found = parse_output(output, Protocol())
    assert isinstance(found, Measurement) and found.latency_ms == pytest.approx(2950.34)


def test_what_spreads_too_far_or_ran_once_is_not_believed() -> None:
    assert "spread was 9.3%, over the bound of 5%" in str(
        parse_output(WITH_QUANTILES, Protocol(max_spread=0.05))
    )
    assert "timed 1 run" in str(parse_output(ONE_RUN, Protocol()))


def test_output_without_a_timing_names_the_tools_error() -> None:
    with pytest.raises(UnsupportedError, match="Failed to build the model"):
        parse_output("STARTING!\nERROR: Failed to build the model from the file\n", Protocol())


class _Phone:
    """A program in adb's place that does in a folder of this machine what adb does on a phone."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = folder / "phone; $HOME"
        (self.root / "data/local/tmp").mkdir(parents=True)
        self.program = folder / "adb"
        self.program.write_text(_ADB.replace("ROOT", f"{self.root}"))
        self.tool = folder / "it's a tool; reboot"
        self.tool.write_text(_TOOL)
        for path in (self.program, self.tool):
            path.chmod(path.stat().st_mode | stat.S_IEXEC)
        monkeypatch.setenv("PATH", str(folder), prepend=":")

    def route(self) -> Route:
        return Route(adb="serial; $(reboot)", benchmark_model=self.tool)


_ADB = """#!/bin/sh
[ "$1" = -s ] && [ "$2" = 'serial; $(reboot)' ] || { echo "error: wrong serial"; exit 1; }
root='ROOT'
[ -e "$root/gone" ] && { echo "adb: device 'serial' not found"; exit 1; }
case $3 in
  push) cp "$4" "$root$5" ;;
  shell) case $4 in
    "getprop ro.product.manufacturer") echo Maker ;;
    "getprop "*) echo word ;;
    "cat "*) echo schedutil; echo schedutil ;;
    *) sh -c "$(printf %s "$4" | sed "s#/data/#'$root'/data/#g")" ;;
  esac ;;
esac
"""
_TOOL = """#!/bin/sh
model=${1#--graph=}
head -c 8 "$model" | grep -q TFL3 || { echo "ERROR: not a model"; exit 1; }
us=$(wc -c < "$model")
echo "count=5 first=9 curr=9 min=1 max=$us avg=$us std=0"
echo "count=50 first=9 curr=9 min=$us max=$us avg=$us std=1"
"""


class TestAdbRunner(RunnerContract):
    """The contract, with a stand-in for the phone: its figures are the files' sizes."""

    @pytest.fixture(autouse=True)
    def _phone(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.phone = _Phone(tmp_path, monkeypatch)

    def make(self, protocol: Protocol) -> AdbRunner:
        return AdbRunner(PHONE, protocol, route=self.phone.route())

    def test_nothing_is_left_on_the_phone(self) -> None:
        self.make(PATIENT).measure(tiny_model())
        assert list((self.phone.root / "data/local/tmp").iterdir()) == []

    def test_the_governor_of_all_cores_is_told_once(self) -> None:
        assert self.make(PATIENT).governor() == "schedutil"

    def test_a_phone_that_goes_away_is_an_error(self) -> None:
        runner = self.make(PATIENT)
        (self.phone.root / "gone").touch()
        with pytest.raises(MeasurementError, match=r"went away .*nothing of this measurement was kept"):
            runner.measure(tiny_model())


@pytest.fixture
def adb_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An adb server of the test's own, so that the user's is left alone."""
    if shutil.which("adb") is None:
        pytest.skip("the program adb is not installed (Debian: adb)")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", str(port))
    yield
    subprocess.run(["adb", "kill-server"], capture_output=True, timeout=30, check=False)


@pytest.mark.usefixtures("adb_server")
def test_the_real_adb_without_a_phone_gives_a_clear_error(tmp_path: Path) -> None:
    tool = tmp_path / "benchmark_model"
    tool.touch()
    runner = runner_for(PHONE, route=Route(adb="no; such phone", benchmark_model=tool))
    assert isinstance(runner, AdbRunner)
    with pytest.raises(
        MeasurementError, match=r"phone 'no; such phone' cannot be reached .*not found.*adb devices"
    ):
        runner.measure(tiny_model())


def test_a_tool_that_is_not_there_is_named(tmp_path: Path) -> None:
    runner = AdbRunner(PHONE, route=Route(adb="1", benchmark_model=tmp_path / "nothing"))
    with pytest.raises(UnsupportedError, match="Android's benchmark_model"):
        runner.measure(tiny_model())


def test_onnx_is_not_measured_over_adb(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match="runtime litert"):
        runner_for(replace(PHONE, runtime="onnxruntime"), route=Route(adb="1", benchmark_model=tmp_path))
