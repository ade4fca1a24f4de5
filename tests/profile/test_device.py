"""Device files: facts with sources, refused when they do not hold together."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgenas.errors import ConfigError, UnknownNameError
from edgenas.profile.device import Device, device_ids, load_device

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


def written(folder: Path, text: str) -> Path:
    path = folder / "my-board.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("device_id", device_ids())
def test_every_shipped_device_loads_with_its_sources(device_id: str) -> None:
    device = load_device(device_id)
    assert device.id == device_id
    if device_id != "host":
        assert device.ram_bytes and device.flash_bytes and device.clock_mhz
        assert all("datasheet" in line.lower() or "specification" in line.lower() for line in device.sources)


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


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("ram_bytes = 131072", "ram_bytes = 0"), "above 0"),
        (("ram_bytes = 131072", 'ram_bytes = "128k"'), "above 0"),
        (("ram_bytes", "ram_byte"), "did you mean 'ram_bytes'"),
        (('core = "Cortex-M33"', ""), "lacks the field 'core'"),
        (('core = "Cortex-M33"', "core = 33"), "expected a text"),
        (('runtime = "tflite-micro"', 'runtime = "litert"'), "expected one of its runtimes"),
        (('sources = ["all figures: datasheet"]', ""), "without a source"),
        (('sources = ["all figures: datasheet"]', "sources = 3"), "list of texts"),
        (("name = ", "name : "), "not TOML"),
    ],
)
def test_a_wrong_file_is_refused(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    assert change[0] in GOOD
    with pytest.raises(ConfigError, match=message):
        load_device(written(tmp_path, GOOD.replace(*change)))


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_device(tmp_path / "nothing.toml")


def test_a_device_is_frozen() -> None:
    device: Device = load_device("host")
    with pytest.raises(AttributeError):
        device.name = "other"  # type: ignore[misc]
