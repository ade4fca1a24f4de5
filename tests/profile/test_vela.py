"""Ethos-U costs: what the real Vela compiler says, and what happens when it cannot."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgenas.arch.graph import GraphBuilder, OpGraph
from edgenas.arch.space import SPACES
from edgenas.build.read_tflite import graph_from_tflite
from edgenas.cli.main import main
from edgenas.errors import ConfigError, UnsupportedError
from edgenas.profile.device import device_ids, load_device
from edgenas.profile.sources import caveat, cost_source
from edgenas.profile.synthesize import synthesize
from edgenas.profile.vela import VelaSource
from edgenas.profile.vela_process import VelaProcess
from edgenas.search.objective import Constraint
from edgenas.search.problem import Problem, check_budgets

pytest.importorskip("ethosu.regor", reason="ethos-u-vela is not installed")
ETHOS = [name for name in device_ids() if name.startswith("ethos-")]


@pytest.fixture(scope="module")
def source() -> Iterator[VelaSource]:
    made = cost_source(load_device("ethos-u55-128"))
    assert isinstance(made, VelaSource)
    yield made
    made._process.close()


def network(*, pool_stride: int = 2) -> OpGraph:
    builder = GraphBuilder((32, 32, 8))
    tensor = builder.window("conv2d", "stem", 0, filters=16, kernel=3, activation="relu")
    tensor = builder.window("avg_pool2d", "pool", tensor, kernel=5, stride=pool_stride)
    tensor = builder.window("depthwise_conv2d", "deep", tensor, kernel=3)
    tensor = builder.simple("global_avg_pool", "mean", tensor, out_shape=(16,))
    builder.simple("softmax", "head.softmax", builder.dense("head", tensor, 10))
    return builder.finish()


@pytest.mark.parametrize("device_id", ["ethos-u55-64", "ethos-u65-512", "ethos-u85-2048"])
def test_figures_are_those_that_the_command_vela_prints(device_id: str, tmp_path: Path) -> None:
    device = load_device(device_id)
    target = device.vela
    assert target is not None
    (tmp_path / "network.tflite").write_bytes(synthesize(network()))
    command = ["--config", "Arm/vela.ini", "--accelerator-config", target.accelerator, "--output-dir", "out"]
    command += ["--system-config", target.system_config, "--memory-mode", target.memory_mode]
    subprocess.run(
        [sys.executable, "-m", "ethosu.vela", *command, "network.tflite"],
        cwd=tmp_path, check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    with next((tmp_path / "out").glob("*summary*.csv")).open() as file:
        printed = next(csv.DictReader(file))
    cost = VelaSource(device).estimate(network())
    assert cost.latency_ms == pytest.approx(1e3 * float(printed["inference_time"]), rel=1e-6)
    assert cost.flash_bytes == (tmp_path / "out" / "network_vela.tflite").stat().st_size
    if target.memory_mode == "Shared_Sram":  # nothing but activations lies in the SRAM
        assert cost.peak_ram_bytes == round(1024 * float(printed["sram_memory_used"]))
    else:  # the DRAM holds activations and constants
        assert cost.peak_ram_bytes < 1024 * sum(float(printed[f"{m}_memory_used"]) for m in ("sram", "dram"))
    assert device.clock_mhz == float(printed["core_clock"]) / 1e6


def test_a_cost_says_that_it_is_simulated_and_has_no_interval(source: VelaSource) -> None:
    cost = source.estimate(network(), per_op=True)
    assert (cost.device, cost.runtime, cost.precision, cost.source) == (
        "ethos-u55-128",
        "ethos-u",
        "int8",
        "vela",
    )
    assert (cost.latency_low_ms, cost.latency_high_ms) == (None, None)
    assert cost.macs == network().macs
    assert 32 * 32 * 16 <= cost.peak_ram_bytes < 64 * 1024
    assert caveat(source, load_device("ethos-u55-128")) == source.note
    assert "simulated" in source.note and "Ethos_U55_High_End_Embedded" in source.note


def test_the_shares_of_the_operations_add_up(source: VelaSource) -> None:
    cost = source.estimate(network(), per_op=True)
    assert cost.latency_ms is not None
    assert [op.name for op in cost.per_op] == [op.name for op in network().ops]
    assert sum(op.latency_ms or 0.0 for op in cost.per_op) == pytest.approx(cost.latency_ms, rel=0.01)
    latencies = {op.name: op.latency_ms or 0.0 for op in cost.per_op}
    assert latencies["stem"] > latencies["deep"] > latencies["head.softmax"] / 10 > 0
    assert replace(cost, per_op=()) == source.estimate(network())


@pytest.mark.parametrize("device_id", ETHOS)
def test_every_shipped_npu_has_a_cost(device_id: str) -> None:
    cost = VelaSource(load_device(device_id)).estimate(network())
    assert cost.device == device_id and cost.latency_ms and cost.peak_ram_bytes and cost.flash_bytes


def test_a_wider_npu_is_faster() -> None:
    builder = GraphBuilder((32, 32, 64))
    builder.window("conv2d", "wide", 0, filters=64, kernel=3)
    latencies = []
    for size in (64, 128, 256):
        cost = VelaSource(load_device(f"ethos-u55-{size}")).estimate(builder.finish())
        assert cost.latency_ms is not None
        latencies.append(cost.latency_ms)
    assert latencies[0] > 1.5 * latencies[1] > 2 * latencies[2]


def test_an_operation_left_to_the_cpu_is_named(source: VelaSource) -> None:
    with pytest.raises(UnsupportedError, match=r"Vela leaves 'pool' \(avg_pool2d\) to the CPU"):
        source.estimate(network(pool_stride=5))
    assert source.estimate(network()).latency_ms  # the process goes on


def test_a_space_is_checked_before_a_search(source: VelaSource, monkeypatch: pytest.MonkeyPatch) -> None:
    space = SPACES.get("micro")((16, 16, 1), 4)
    source.check_covers(space)
    bad = network(pool_stride=5).ops[1]
    monkeypatch.setattr(type(space), "operations", lambda self: iter([*network().ops, bad]))
    with pytest.raises(UnsupportedError, match=r"'pool' \(avg_pool2d\)"):
        source.check_covers(space)


def test_a_search_within_a_latency_budget_finds_candidates(source: VelaSource) -> None:
    space = SPACES.get("micro")((16, 16, 1), 4)
    rng = np.random.default_rng(0)
    some = sorted(source.estimate(space.graph(space.sample(rng))).latency_ms or 0.0 for _ in range(20))
    problem = Problem(space, source, [Constraint("latency_ms", some[2])], ("val_error", "latency_ms"))
    found = check_budgets(problem)
    assert found is not None and found.cost.source == "vela"
    assert 0 < (found.cost.latency_ms or 0.0) <= some[2]


def test_asking_again_does_not_compile_again(source: VelaSource) -> None:
    first = source.estimate(network())
    source._process.close()
    assert source.estimate(network()) is first
    assert source._process._running is None


@pytest.mark.parametrize("content", [b"", b"no model", b"\0\0\0\0TFL3" + bytes(200)])
def test_what_kills_the_compiler_costs_one_answer(source: VelaSource, content: bytes) -> None:
    with pytest.raises(UnsupportedError, match=r"Vela (died over|cannot compile) the model"):
        source._process.compile(content, False)
    assert source._process.compile(synthesize(network()), False)["seconds"] > 0


def test_a_compiler_that_hangs_is_stopped(source: VelaSource) -> None:
    source._process.compile(synthesize(network()), False)
    running = source._process._running
    assert running is not None
    os.kill(running.process.pid, signal.SIGSTOP)
    hurried = VelaProcess("ethos-u55-128", source.target, timeout_s=0.2)
    hurried._running, hurried._finalizer = running, source._process._finalizer
    source._process._running = None
    with pytest.raises(UnsupportedError, match=r"Vela took more than 0.2 s"):
        hurried.compile(synthesize(network()), False)
    assert running.process.poll() is not None  # gone, and not waiting in the background
    assert source._process.compile(synthesize(network()), False)["seconds"] > 0


def test_a_file_is_compiled_with_the_weights_that_it_has(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    builder = GraphBuilder((256,))
    builder.dense("fc", 0, 512)
    (tmp_path / "it's; a $(model).tflite").write_bytes(synthesize(builder.finish()))
    model = str(tmp_path / "it's; a $(model).tflite")
    assert main(["estimate", model, "--device", "ethos-u55-128", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["source"] == "vela" and "simulated" in document["note"]
    assert [op["name"] for op in document["per_op"]] == ["fc"]
    random_bytes, content = document["flash_bytes"], Path(model).read_bytes()
    weights = largest_buffer(content)
    assert len(weights) == 512 * 256
    Path(model).write_bytes(content.replace(weights, bytes(len(weights))))
    assert main(["estimate", model, "--device", "ethos-u55-128", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["flash_bytes"] < random_bytes / 4


def largest_buffer(model: bytes) -> bytes:
    """The largest buffer of a file."""
    from ai_edge_litert import schema_py_generated as schema

    buffers = schema.ModelT.InitFromPackedBuf(model, 0).buffers
    return max((bytes(buffer.data) for buffer in buffers if buffer.data is not None), key=len)


def as_float(model: bytes) -> bytes:
    """A file without weights whose tensors are made float32."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    content = schema.ModelT.InitFromPackedBuf(model, 0)
    for tensor in content.subgraphs[0].tensors:
        tensor.type, tensor.quantization = schema.TensorType.FLOAT32, None
    builder = flatbuffers.Builder(1024)
    builder.Finish(content.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def test_a_float_file_is_refused_by_its_operations(source: VelaSource) -> None:
    builder = GraphBuilder((8, 8, 3))
    builder.window("max_pool2d", "pool", 0, kernel=2, stride=2)
    model = synthesize(builder.finish())
    assert source.estimate_file(model, graph_from_tflite(model)).latency_ms
    float_file = as_float(model)
    with pytest.raises(UnsupportedError, match=r"Vela leaves 'pool' \(max_pool2d\) to the CPU"):
        source.estimate_file(float_file, graph_from_tflite(float_file))


def test_a_target_that_vela_does_not_know_is_refused(tmp_path: Path) -> None:
    device = load_device("ethos-u55-128")
    assert device.vela is not None
    for change in (
        {"accelerator": "ethos-u99-3"},
        {"system_config": "Nobody"},
        {"memory_mode": "Nowhere"},
        {"config": tmp_path / "no file.ini"},
    ):
        unknown = VelaSource(replace(device, vela=replace(device.vela, **change)))
        with pytest.raises(ConfigError, match=r"Vela does not know the target of device 'ethos-u55-128'"):
            unknown.estimate(network())


def test_a_configuration_of_your_own_is_used(tmp_path: Path) -> None:
    from ethosu.vela.architecture_features import CONFIG_FILES_PATH

    device = load_device("ethos-u55-128")
    assert device.vela is not None
    shipped = (Path(CONFIG_FILES_PATH) / "Arm" / "vela.ini").read_text()
    mine = tmp_path / 'half speed; "x".ini'
    mine.write_text(shipped.replace("core_clock=500e6", "core_clock=250e6"))
    slow = VelaSource(replace(device, vela=replace(device.vela, config=mine))).estimate(network())
    fast = VelaSource(device).estimate(network())
    assert slow.latency_ms == pytest.approx(2 * (fast.latency_ms or 0.0))


def test_without_the_package_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgenas.profile.vela_process.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"pip install 'edgenas\[npu\]'"):
        VelaSource(load_device("ethos-u55-128")).estimate(network())


def test_a_device_without_an_npu_is_refused() -> None:
    with pytest.raises(ConfigError, match="has no Ethos-U"):
        VelaSource(load_device("esp32"))
