"""The verbs devices, sweep and profile, without the command line around them."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from edgenas.arch import MicroSpace
from edgenas.cli import devices, estimate, profile, sweep
from edgenas.cost.table import LatencyTable, TableSource, table_path
from edgenas.errors import ConfigError, UnknownNameError, UnsupportedError
from edgenas.profile.device import load_device
from edgenas.profile.protocol import Measurement
from edgenas.profile.runners import LocalRunner
from edgenas.profile.sources import cost_source, table_file
from edgenas.profile.synthesize import synthesize, tiny_model
from edgenas.profile.synthesize_onnx import synthesize_onnx


def call(verb: ModuleType, *words: str) -> dict[str, Any]:
    parser = argparse.ArgumentParser()
    verb.add_arguments(parser)
    document = verb.run(parser.parse_args(words))
    json.dumps(document)
    verb.show(document)
    return dict(document)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that answers at once: each model takes as many nanoseconds as it has bytes."""

    def answer(self: LocalRunner, models: list[bytes]) -> list[Measurement]:
        return [Measurement(len(model) / 1e6, len(model) / 2e6, len(model) / 5e5, 12) for model in models]

    monkeypatch.setattr(LocalRunner, "measure_batch", answer)


def test_devices_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    document = call(devices, "list")
    ids = [entry["id"] for entry in document["devices"]]
    assert ids == sorted(ids) and {"arduino-nano-33-ble", "host"} < set(ids)
    assert "nucleo-l4r5zi" in capsys.readouterr().out


def test_a_device_is_shown_with_its_sources(capsys: pytest.CaptureFixture[str]) -> None:
    document = call(devices, "show", "nucleo-l4r5zi")
    assert document["devices"][0]["ram_bytes"] == 655360
    assert "DS12023" in capsys.readouterr().out
    with pytest.raises(ConfigError, match="needs a device"):
        call(devices, "show")
    with pytest.raises(UnknownNameError):
        call(devices, "show", "nucleus")


@pytest.mark.usefixtures("quick")
def test_check_tells_what_can_be_measured_on() -> None:
    found = {entry["id"]: entry for entry in call(devices, "check")["devices"]}
    assert found["host"]["reachable"] and found["host"]["latency_ms"] == len(tiny_model()) / 1e6
    assert not found["nucleo-l4r5zi"]["reachable"]
    assert "no runner reaches" in found["nucleo-l4r5zi"]["note"]
    assert call(devices, "check", "nucleo-l4r5zi")["exit_code"] == 1
    assert call(devices, "check", "host")["exit_code"] == 0


@pytest.mark.usefixtures("quick")
def test_a_sweep_writes_the_table_and_adds_to_it(tmp_path: Path) -> None:
    path = tmp_path / "litert.json"
    words = ("--input", "8x8x1", "--out", str(path), "--no-thinning")
    first = call(sweep, *words, "--classes", "10")
    table = LatencyTable.load(path)
    assert first["added"] == first["operations"] == len(table.ops_us) > 500
    assert first["calibration"]["networks"] == 150
    assert call(sweep, *words, "--classes", "10")["added"] == 0
    assert LatencyTable.load(path) == table
    assert call(sweep, *words, "--classes", "4")["added"] == 9  # eight widths of dense, one softmax
    assert call(sweep, *words, "--classes", "10", "--all")["operations"] == first["operations"]


@pytest.mark.parametrize("text", ["28x28x1x1", "axbxc", "0x8x1", "-8x8x1"])
def test_a_shape_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="28x28x1"):
        sweep.parse_shape(text)


def test_default_spaces_are_those_of_the_shipped_table() -> None:
    spaces = sweep.make_spaces("micro", None, None)
    assert len({(space.input_shape, space.classes) for space in spaces}) == 9
    assert [space.classes for space in sweep.make_spaces("micro", "12x20x2", 7)] == [7]


def test_only_a_device_with_a_runner_can_be_swept(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match="no runner reaches"):
        call(sweep, "--device", "raspberry-pi-pico", "--out", str(tmp_path / "t.json"))
    with pytest.raises(UnknownNameError, match="micro"):
        call(sweep, "--space", "mikro", "--out", str(tmp_path / "t.json"))


@pytest.mark.usefixtures("quick")
def test_profile_gives_the_measured_cost(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "tiny.tflite"
    path.write_bytes(tiny_model())
    document = call(profile, str(path))
    assert list(document)[:5] == ["device", "runtime", "precision", "source", "latency_ms"]
    assert (document["source"], document["precision"], document["threads"]) == ("measured", "int8", 1)
    assert document["latency_ms"] == path.stat().st_size / 1e6
    assert document["macs"] == 14 * 14 * 32 * 9
    assert document["flash_bytes"] == path.stat().st_size
    assert {"median_ms", "p90_ms", "spread", "max_spread", "tolerance", "governor"} <= document.keys()
    assert "(bound 10%), tolerance 3%" in capsys.readouterr().out


@pytest.mark.usefixtures("quick")
def test_ram_is_not_told_of_what_it_is_not_known_of(tmp_path: Path) -> None:
    graph = MicroSpace((8, 8, 1), 10).sample(np.random.default_rng(0)).graph()
    files = {
        "f.tflite": synthesize(graph, 1, "float32"),
        "f.onnx": synthesize_onnx(graph, 1, "float32"),
        "q.onnx": synthesize_onnx(graph, 1, "int8"),
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
        document = call(profile, str(tmp_path / name))
        expected = (
            "onnxruntime" if name.endswith("onnx") else "litert",
            "int8" if name[0] == "q" else "float32",
        )
        assert (document["runtime"], document["precision"]) == expected
        assert document["peak_ram_bytes"] is None and "peak RAM is unknown" in document["note"]
        assert document["macs"] == graph.macs
        assert document["latency_ms"] > 0


@pytest.mark.usefixtures("quick")
def test_runtime_and_file_must_fit(tmp_path: Path) -> None:
    path = tmp_path / "tiny.tflite"
    path.write_bytes(tiny_model())
    with pytest.raises(UnsupportedError, match=r"expected a \.onnx file"):
        call(profile, str(path), "--runtime", "onnxruntime")
    with pytest.raises(UnsupportedError, match="litert, onnxruntime"):
        call(profile, str(path), "--runtime", "ncnn")
    with pytest.raises(ConfigError, match="one way"):
        call(profile, str(path), "--ssh", "pi@board", "--adb", "1", "--benchmark-model", "b")


@pytest.mark.usefixtures("quick")
def test_the_table_of_a_device_of_ones_own_lies_beside_its_file_and_is_read(tmp_path: Path) -> None:
    toml = tmp_path / "it's my; board.toml"
    toml.write_text('name = "Mine"\ncore = "x"\nruntimes = ["litert"]\nruntime = "litert"\n')
    device = load_device(toml)
    assert table_file(device, "litert") == tmp_path / "it's my; board" / "litert.json"
    assert table_file(device, "litert", "float32").name == "litert-float32.json"
    table = LatencyTable.load(table_path("host", "litert"))
    replace(table, device=device.id).save(table_file(device, "litert"))
    assert isinstance(cost_source(device), TableSource)


@pytest.mark.usefixtures("quick")
def test_a_table_anywhere_is_read_by_estimate(tmp_path: Path) -> None:
    graph = MicroSpace((8, 8, 1), 10).sample(np.random.default_rng(0)).graph()
    model, path = tmp_path / "m.tflite", tmp_path / "t.json"
    model.write_bytes(synthesize(graph))
    table = LatencyTable.load(table_path("host", "litert"))
    replace(table, ops_us=dict.fromkeys(table.ops_us, 7.0), networks_us=(), parts_us=()).save(path)
    document = call(estimate, str(model), "--table", str(path))
    assert document["latency_ms"] == pytest.approx((table.invoke_us + 7.0 * len(graph.ops)) / 1e3, rel=1e-3)
    replace(table, device="another").save(path)
    with pytest.raises(ConfigError, match="same device"):
        call(estimate, str(model), "--table", str(path))


def test_a_sweep_does_not_overwrite_a_predictor(tmp_path: Path) -> None:
    shipped = next(
        path
        for path in table_path("host", "litert").parents[1].rglob("*.json")
        if '"predictor' in path.read_text()
    )
    path = tmp_path / "copy.json"
    path.write_text(shipped.read_text())
    with pytest.raises(ConfigError, match="which a sweep would overwrite"):
        call(sweep, "--input", "8x8x1", "--classes", "10", "--all", "--out", str(path))
    assert path.read_text() == shipped.read_text()


def test_profile_needs_a_model(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match="there is no file"):
        call(profile, str(tmp_path / "nothing.tflite"))
