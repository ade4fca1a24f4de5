"""Device files: facts with sources, refused when they do not hold together."""

from __future__ import annotations

import argparse
import json
import re
import tomllib
from pathlib import Path

import numpy as np
import pytest

from edgenas.arch.graph import OP_KINDS, GraphBuilder
from edgenas.arch.space import SPACES
from edgenas.cli import devices, estimate
from edgenas.cli.main import main
from edgenas.errors import ConfigError, UnknownNameError, UnsupportedError
from edgenas.profile.basis import WORDS, latency_basis
from edgenas.profile.device import Device, device_ids, load_device
from edgenas.profile.runtimes import RUNTIMES
from edgenas.resources import shipped

GOOD = """
name = "My board"
core = "Cortex-M33"
clock_mhz = 96
ram_bytes = 131072
flash_bytes = 524288
runtimes = ["tflite-micro"]
runtime = "tflite-micro"
sources = ["all figures: datasheet"]
"""

ETHOS = """
name = "My NPU"
core = "Ethos-U55"
runtimes = ["ethos-u"]
runtime = "ethos-u"

[vela]
accelerator = "ethos-u55-128"
system_config = "Mine"
memory_mode = "Shared_Sram"
config = "my own.ini"
"""


def written(folder: Path, text: str, name: str = "my-board.toml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def call(*arguments: str) -> dict:
    parser = argparse.ArgumentParser()
    devices.add_arguments(parser)
    return devices.run(parser.parse_args(arguments))


@pytest.mark.parametrize("device_id", device_ids())
def test_every_shipped_device_states_a_source_for_every_figure(device_id: str) -> None:
    device = load_device(device_id)
    assert device.id == device_id == device_id.lower()
    said = " ".join(device.sources).lower()
    for figure, word in (
        (device.ram_bytes, "ram"),
        (device.flash_bytes, "flash"),
        (device.clock_mhz, "clock"),
    ):
        assert (figure is None) or word in said
    if set(device.runtimes) & {"tflite-micro", "tflite-micro-cmsis-nn"}:
        assert device.ram_bytes and device.clock_mhz
        assert re.search("datasheet|specification", said)


def test_at_least_25_targets_of_all_kinds_are_shipped() -> None:
    ids = set(device_ids())
    assert len(ids) >= 25
    asked = """nucleo-l4r5zi nucleo-h7a3zi-q nucleo-u575zi-q stm32h747i-disco stm32f746g-disco
        stm32f769i-disco nucleo-h743zi nrf5340-dk esp32 esp32-s3 raspberry-pi-pico raspberry-pi-pico-2
        teensy-4.0
        arduino-nano-33-ble ethos-u55-64 ethos-u55-128 ethos-u55-256 ethos-u65-256 ethos-u65-512 ethos-u85-512
        pixel-2 pixel-3 galaxy-a50 galaxy-s7 raspberry-pi-3 raspberry-pi-4 raspberry-pi-5 firefly-rk3399
        odroid-n2-plus stm32mp157f-dk2 host"""
    assert set(asked.split()) <= ids


def test_known_figures() -> None:
    nucleo = load_device("nucleo-l4r5zi")
    assert (nucleo.ram_bytes, nucleo.flash_bytes, nucleo.clock_mhz) == (640 * 1024, 2048 * 1024, 120)
    assert load_device("raspberry-pi-pico").ram_bytes == 264 * 1024
    host = load_device("host")
    assert (host.ram_bytes, host.flash_bytes, host.runtime) == (None, None, "litert")


def test_an_unknown_id_names_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'nucleo-l4r5zi'"):
        load_device("nucleo-l4r5zl")


def test_a_file_of_your_own(tmp_path: Path) -> None:
    device = load_device(written(tmp_path, GOOD))
    assert (device.id, device.ram_bytes, device.sources) == ("my-board", 131072, ("all figures: datasheet",))
    assert device.to_json()["runtimes"] == ["tflite-micro"]
    assert load_device(str(tmp_path / "my-board.toml")) == device


def test_an_npu_of_your_own_names_its_configuration_beside_its_file(tmp_path: Path) -> None:
    device = load_device(written(tmp_path, ETHOS))
    assert device.vela is not None
    assert device.vela.config == tmp_path / "my own.ini"
    assert json.loads(json.dumps(device.to_json()))["vela"]["system_config"] == "Mine"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("ram_bytes = 131072", "ram_bytes = 0"), "above 0"),
        (("ram_bytes = 131072", 'ram_bytes = "128k"'), "above 0"),
        (("ram_bytes = 131072", "ram_bytes = 1.5"), "whole number"),
        (("ram_bytes = 131072", "ram_bytes = true"), "above 0"),
        (("clock_mhz = 96", "clock_mhz = nan"), "above 0"),
        (("clock_mhz = 96", "clock_mhz = inf"), "above 0"),
        (("ram_bytes", "ram_byte"), "did you mean 'ram_bytes'"),
        (('core = "Cortex-M33"', ""), "lacks the field 'core'"),
        (('core = "Cortex-M33"', "core = 33"), "expected a text"),
        (('core = "Cortex-M33"', r'core = "\u001b[31mred"'), "expected a text of one line"),
        (('runtime = "tflite-micro"', 'runtime = "litert"'), "expected one of its runtimes"),
        (('["tflite-micro"]', '["tflite-mikro"]'), "did you mean 'tflite-micro'"),
        (('sources = ["all figures: datasheet"]', ""), "without a source"),
        (('sources = ["all figures: datasheet"]', "sources = 3"), "list of texts"),
        (("name = ", "name : "), "not TOML"),
        (("clock_mhz = 96", "threads = 0"), "above 0"),
        (("clock_mhz = 96", "unsupported = 3"), "expected a table"),
        (("clock_mhz = 96", 'unsupported = {litert = ["add"]}'), "expected one of its runtimes"),
        (("clock_mhz = 96", 'unsupported = {tflite-micro = ["softmux"]}'), "did you mean 'softmax'"),
        (("clock_mhz = 96", 'vela = {accelerator = "ethos-u55-128"}'), "vela.system_config"),
        (("clock_mhz = 96", "vela = 1"), "expected a table"),
        (("clock_mhz = 96", f"clock_mhz = {'9' * 5000}"), "not TOML|above 0"),
        (("clock_mhz = 96", f"clock_mhz = {'[' * 3000}"), "not TOML"),
        (("clock_mhz = 96", f"# {'x' * 100_000}"), "more than 100000 bytes"),
    ],
)
def test_a_wrong_file_is_refused(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    assert change[0] in GOOD
    with pytest.raises(ConfigError, match=message):
        load_device(written(tmp_path, GOOD.replace(*change)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("[vela]", "[velo]"), "did you mean 'vela'"),
        (('"ethos-u"', '"tflite-micro"'), "neither"),
        (("accelerator", "acelerator"), "did you mean 'accelerator'"),
        (('"Mine"', '"Mine]\\n[x"'), "text of one line"),
        (('"Mine"', '"Mine; rm -rf"'), "expected letters"),
    ],
)
def test_a_wrong_npu_file_is_refused(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_device(written(tmp_path, ETHOS.replace(*change)))


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    for name in ("nothing.toml", "zero\0byte.toml"):
        with pytest.raises(ConfigError, match="cannot be read"):
            load_device(tmp_path / name)
    (tmp_path / "folder.toml").mkdir()
    with pytest.raises(ConfigError, match="cannot be read"):
        load_device(tmp_path / "folder.toml")


@pytest.mark.parametrize(
    "name", ["my board.toml", "it's.toml", '"quoted".toml', "a;touch b.toml", "$(id).toml"]
)
def test_names_with_spaces_quotes_and_semicolons_are_only_names(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path, GOOD, name)
    assert load_device(path).id == name.removesuffix(".toml")
    assert main(["devices", "show", str(path)]) == 0
    assert name.removesuffix(".toml") in capsys.readouterr().out
    written(tmp_path, "core = 3", name)
    assert main(["devices", "show", str(path)]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert [entry.name for entry in tmp_path.iterdir()] == [name]


def mutated(content: bytes, rng: np.random.Generator) -> bytes:
    """A device file with one to four changes: bytes, lines, values, halves."""
    values = [
        b"3",
        b"-1",
        b"nan",
        b"true",
        b"[]",
        b"{}",
        b'""',
        b"[[1]]",
        b"1979-05-27",
        b'"\\u0000"',
        b"'x'",
    ]
    for _ in range(rng.integers(1, 5)):
        place = int(rng.integers(len(content) + 1))
        change = rng.integers(6)
        if change == 0:
            content = content[:place] + bytes([rng.integers(256)]) + content[place + 1 :]
        elif change == 1:
            content = content[:place] + content[place + int(rng.integers(40)) :]
        elif change == 2:
            content = content[:place] + content[: int(rng.integers(60))] + content[place:]
        elif change == 3:
            content = content[:place]
        else:
            lines = content.split(b"\n")
            line = int(rng.integers(len(lines)))
            key = lines[line].split(b"=")[0]
            lines[line] = key + b"= " + values[rng.integers(len(values))] if change == 4 else key[::-1]
            content = b"\n".join(lines)
    return content


def test_2000_mutated_files_are_read_or_refused_in_one_line(tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    contents = [path.read_bytes() for path in sorted(shipped("devices").glob("*.toml"))]
    path, refused = tmp_path / "mutated.toml", 0
    for number in range(2000):
        path.write_bytes(mutated(contents[number % len(contents)], rng))
        try:
            json.dumps(load_device(path).to_json(), allow_nan=False)
        except ConfigError as error:
            refused += 1
            assert str(error).isprintable()
            assert len(str(error)) < 600
    assert 1000 < refused < 2000


def test_a_device_is_frozen() -> None:
    device: Device = load_device("host")
    with pytest.raises(AttributeError):
        device.name = "other"  # type: ignore[misc]


def test_an_operation_that_a_runtime_cannot_run_is_named() -> None:
    builder = GraphBuilder((8, 8, 3))
    builder.simple("softmax", "head.softmax", builder.dense("head", 0, 4))
    device = load_device("nucleo-h743zi")
    device.check_runs(builder.ops)
    with pytest.raises(UnsupportedError, match=r"'head.softmax' \(softmax\).*'tinyengine'.*x-cube-ai"):
        device.check_runs(builder.ops, "tinyengine")
    with pytest.raises(UnknownNameError, match="did you mean 'tinyengine'"):
        device.check_runs(builder.ops, "tinyengin")


def test_a_device_file_may_take_operations_away(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, GOOD + '\n[unsupported]\ntflite-micro = ["depthwise_conv2d"]\n')
    device = load_device(path)
    space = SPACES.get("micro")((16, 16, 1), 4)
    with pytest.raises(UnsupportedError, match=r"depthwise_conv2d.*another device"):
        device.check_space(space)
    spec = next(spec for spec in space.enumerate() if "depthwise" in str(spec.graph().ops))
    (tmp_path / "spec.json").write_text(json.dumps(spec.to_json()))
    assert main(["estimate", str(tmp_path / "spec.json"), "--device", str(path)]) == 2
    assert "(depthwise_conv2d) cannot run on device 'my-board'" in capsys.readouterr().err
    assert estimate.read_model(tmp_path / "spec.json").graph.ops == spec.graph().ops
    run = ["search", "--data", "digits", "--device", str(path), "--out", str(tmp_path / "run")]
    assert main(run) == 2
    assert "(depthwise_conv2d) cannot run on device 'my-board'" in capsys.readouterr().err


def test_the_list_says_for_every_runtime_what_its_latency_rests_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    document = call("list")
    found = {
        (entry["id"], name): facts["latency"]
        for entry in document["devices"]
        for name, facts in entry["runtime_details"].items()
    }
    assert set(found.values()) <= set(WORDS)
    assert found["host", "litert"] == "measured"
    assert found["ethos-u55-128", "ethos-u"] == "simulated"
    assert found["esp32-s3", "tflite-micro"] == "static"
    monkeypatch.setenv("COLUMNS", "100")
    devices.show(document)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 100
    assert len(lines) == 1 + len(found) + len(WORDS)  # no line is broken in two
    shown = "\n".join(lines)
    assert all(entry["id"] in shown for entry in document["devices"])
    assert "…" not in shown


def test_one_device_is_shown_with_everything(capsys: pytest.CaptureFixture[str]) -> None:
    devices.show(call("show", "ethos-u85-512"))
    shown = capsys.readouterr().out
    for word in ("Ethos_U85_SYS_DRAM_Mid", "simulated: Arm's Vela compiler", "int8", "vela.ini"):
        assert word in shown
    devices.show(call("show", "nucleo-h743zi"))
    assert "TinyEngine: int8, up to 1 thread(s); cannot run activation, softmax" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "kind", "note"),
    [
        ('{"ops_us": {"a": 1}, "date": "2026-01-02", "machine": {"cpu": "A chip"}}', "measured", "A chip"),
        ('{"provenance": [{"source": "a paper"}, {"source": "a paper"}, {"rows": 1}]}', "public", "a paper"),
        ('{"sources": ["one", "two"]}', "public", "one; two"),
        ('{"schema": 1}', "public", "names no source"),
        ("[1]", "static", "not a JSON object"),
        ("{", "static", "cannot be read"),
    ],
)
def test_the_basis_is_read_off_the_table_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, kind: str, note: str
) -> None:
    monkeypatch.setattr(
        "edgenas.profile.basis.table_path", lambda device, runtime: tmp_path / f"{runtime}.json"
    )
    device = load_device("nucleo-h743zi")
    assert latency_basis(device, "x-cube-ai").kind == "static"
    written(tmp_path, content, "x-cube-ai.json")
    assert latency_basis(device, "x-cube-ai").kind == kind
    assert note in latency_basis(device, "x-cube-ai").note
    assert latency_basis(device, "tflite-micro").kind == "static"


def test_the_files_in_the_guide_are_read() -> None:
    guide = (Path(__file__).parents[2] / "docs" / "devices.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```toml\n(.*?)```", guide, re.DOTALL)
    assert len(blocks) >= 2
    for block in blocks:
        assert Device.from_document("mine", tomllib.loads(block)).runtime in block
    assert all(f"`{name}`" in guide for name in (*RUNTIMES.names(), *OP_KINDS, *WORDS))


def test_every_runtime_of_a_device_is_known() -> None:
    assert {name for device in device_ids() for name in load_device(device).runtimes} == set(RUNTIMES.names())
