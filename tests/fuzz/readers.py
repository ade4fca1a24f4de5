"""Every reader of files that others may have written, with whole files and a way to damage them."""

from __future__ import annotations

import io
import json
import tomllib
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st
from PIL import Image
from scipy.io import wavfile

from edgenas.arch.spaces.micro import MicroSpace
from edgenas.build.read_onnx import graph_from_onnx
from edgenas.build.read_tflite import float_operations, graph_from_tflite, is_int8
from edgenas.cli.calibrate import read_measurements
from edgenas.cli.estimate import read_model
from edgenas.config import RunConfig, config_from, read_config
from edgenas.cost.kernel_sets import MICROCONTROLLER, kernel_set
from edgenas.cost.latency_table import LatencyTable
from edgenas.cost.opkey import op_key
from edgenas.cost.predictor import PredictorSource
from edgenas.cost.static import StaticSource
from edgenas.cost.table import TableSource
from edgenas.data import folders, wav
from edgenas.data.class_folders import Corrupt
from edgenas.data.csv_file import read_csv
from edgenas.data.files import read_npz
from edgenas.data.reading import Reading
from edgenas.data.wav import read_header, read_wav
from edgenas.deploy.integrity import faults, listed
from edgenas.errors import DataError
from edgenas.export.manifest import read_manifest
from edgenas.profile.calibrate import measurements
from edgenas.profile.device import load_device
from edgenas.profile.sources import read_filed
from edgenas.profile.synthesize import synthesize
from tests.build.onnx_models import exported
from tests.fuzz.damaged import damaged_bytes, damaged_csv, damaged_text, json_text, toml_text
from tests.fuzz.run_db import damaged_run, read_run_database, whole

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Reader:
    """A reader under test.

    Attributes:
        file: Name of the file that it reads.
        wholes: Makes whole files, which it reads without a complaint.
        damaged: Makes damaged ones.
        read: Reads the file, and asks of it what a command asks.
    """

    file: str
    wholes: Callable[[], list[bytes]]
    damaged: Callable[[], st.SearchStrategy[bytes]]
    read: Callable[[Path], object]


def _of_text(documents: Callable[[], list[dict[str, Any]]], written: Callable[[dict[str, Any]], str]) -> Any:
    return (
        lambda: [written(document).encode() for document in documents()],
        lambda: damaged_text(documents(), written),
    )


def _of_bytes(wholes: Callable[[], list[bytes]]) -> Any:
    return wholes, lambda: damaged_bytes(wholes())


def _configs() -> list[dict[str, Any]]:
    full = {
        "latency_ms": 5.0, "ram_kib": 64, "flash_kib": 64.5, "trials": 10, "minutes": 3.0, "size": "96x96",
        "objectives": ["val_error", "macs"], "augment": ["shift"], "shift": 0.1, "seed": 3,
        "halving": "epochs",
        "task": "classification", "kind": "image", "stop_curves": True, "executor": "local", "loss": "mse",
        "sample_rate_hz": 16000, "clip_seconds": 1.0, "memory_gib": 2.0, "missing": "drop", "winners": 2,
    }  # fmt: skip
    return [{"data": "digits"}, {"data": "digits", **full}]


def read_configuration(path: Path) -> None:
    """A configuration from its file, and back to one."""
    config = config_from(read_config(path))
    assert config_from(tomllib.loads(config.to_toml())).reading() == config.reading()
    assert isinstance(config, RunConfig) and config.trial_limit is not False


def _devices() -> list[dict[str, Any]]:
    names = ("nucleo-l4r5zi", "ethos-u55-128", "raspberry-pi-4")
    return [tomllib.loads((ROOT / "devices" / f"{name}.toml").read_text()) for name in names]


def read_device(path: Path) -> None:
    """A device, and what it says of itself."""
    device = load_device(path)
    json.dumps(device.to_json())
    device.not_run()


@cache
def _specs() -> list[Any]:
    space = MicroSpace((8, 8, 1), 10)
    rng = np.random.default_rng(0)
    return [space.sample(rng) for _ in range(3)]


def _spec_documents() -> list[dict[str, Any]]:
    return [spec.to_json() for spec in _specs()]


def read_any_model(path: Path) -> None:
    """A model file as ``edgenas estimate`` reads it."""
    StaticSource().estimate(read_model(path).graph, per_op=True)


def _tables() -> list[dict[str, Any]]:
    graph = _specs()[0].graph()
    table: dict[str, Any] = json.loads((ROOT / "latency_tables" / "host" / "litert.json").read_text())
    known = LatencyTable.from_json(table)
    source = TableSource(known, StaticSource(known.device, known.runtime))
    wanted = dict(zip(map(op_key, graph.ops), source.op_latencies_us(graph), strict=True))
    small = {**table, "ops_us": wanted, "networks_us": table["networks_us"][:12]}
    small = {
        key: value for key, value in small.items() if key not in ("predicted", "held_out", "held_out_error")
    }
    if "parts_us" in small:
        small["parts_us"] = small["parts_us"][:12]
    predictor = json.loads((ROOT / "latency_tables" / "nucleo-l4r5zi" / "tflite-micro.json").read_text())
    assert len(predictor["log_cycles"]) == len(kernel_set(MICROCONTROLLER, "int8").names)
    return [small, predictor]


def read_latencies(path: Path) -> None:
    """A latency table or a predictor, and the cost of a network by it."""
    found = read_filed(path)
    static = StaticSource(found.device, found.runtime)
    source = TableSource(found, static) if isinstance(found, LatencyTable) else PredictorSource(found, static)
    source.estimate(_specs()[0].graph(), per_op=True)


def _manifests() -> list[dict[str, Any]]:
    golden = ROOT / "tests" / "export" / "golden"
    return [json.loads(path.read_text()) for path in sorted(golden.rglob("manifest.json"))]


def check_bundle(path: Path) -> None:
    """A manifest, and the files of its bundle; there are none."""
    manifest = read_manifest(path.parent)
    json.dumps(manifest.to_json())
    listed(manifest)
    faults(path.parent, manifest)


TABLE = "a,b,split,label\n" + "".join(
    f"{number},{number / 3:.3f},{('train', 'train', 'test')[number % 3]},{'xy'[number % 2]}\n"
    for number in range(12)
)
MEASURED = "model,milliseconds\nspec.json,1.5\nspec.json,2.25\n"


def read_measured(path: Path) -> None:
    """Measurements as ``devices calibrate`` reads them; each names a model file beside the table."""
    spec = path.with_name("spec.json")
    if not spec.exists():
        spec.write_text(json.dumps(_spec_documents()[0]))
    measurements(read_measurements(path), kernel_set(MICROCONTROLLER, "int8"))


def _archives() -> list[bytes]:
    rng = np.random.default_rng(0)
    x, y = rng.random((12, 4, 4, 1), np.float32), np.arange(12) % 3
    found = []
    for arrays in ({"x": x, "y": y}, {"x_train": x, "y_train": y, "class_names": np.array(["a", "b", "c"])}):
        file = io.BytesIO()
        np.savez(file, **arrays)
        found.append(file.getvalue())
    return found


@st.composite
def damaged_archive(draw: st.DrawFn, wholes: list[bytes]) -> bytes:
    """An archive with other bytes, or a sound one whose arrays have."""
    if not draw(st.integers(0, 3)):
        return draw(damaged_bytes(wholes))
    found = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(draw(st.sampled_from(wholes)))) as whole,
        zipfile.ZipFile(found, "w") as archive,
    ):
        hit = draw(st.sampled_from(whole.namelist()))
        for name in whole.namelist():
            content = whole.read(name)
            archive.writestr(name, draw(damaged_bytes([content])) if name == hit else content)
    return found.getvalue()


def _clips() -> list[bytes]:
    found = []
    for samples in (np.arange(400, dtype=np.int16), np.zeros((90, 2), np.uint8), np.zeros(90, np.float32)):
        file = io.BytesIO()
        wavfile.write(file, 8000, samples)
        found.append(file.getvalue())
    return found


def read_clip(path: Path) -> None:
    """A WAV file as a folder of sounds reads it."""
    try:
        read_header(path)
        read_wav(path)
    except wav.UNREADABLE as error:
        raise DataError(f"{path}: {error}") from None


def _photos() -> list[bytes]:
    pixels = np.random.default_rng(0).integers(0, 255, (12, 9, 3), np.uint8)
    found = []
    for form, image in (
        ("PNG", Image.fromarray(pixels)), ("JPEG", Image.fromarray(pixels)), ("BMP", Image.fromarray(pixels)),
    ):  # fmt: skip
        file = io.BytesIO()
        exif = Image.Exif()
        exif[0x0112] = 6
        image.save(file, form, **({"exif": exif} if form in ("PNG", "JPEG") else {}))
        found.append(file.getvalue())
    return found


def read_photo(path: Path) -> None:
    """An image as a folder of images reads it."""
    unreadable = Corrupt(folders.IMAGES, skip=True)
    if folders._header(path, unreadable) is None:
        raise DataError(f"{path} cannot be read")
    decoder = folders._decoder((8, 8), gray=False)
    try:
        decoder.decode(path)
    except decoder.unreadable as error:
        raise DataError(f"{path}: {error}") from None


@cache
def _tflite() -> list[bytes]:
    space = MicroSpace((28, 28, 1), 10)
    return [synthesize(space.sample(np.random.default_rng(seed)).graph()) for seed in range(3)]


@cache
def _onnx() -> list[bytes]:
    return [exported(), exported(quantized=True)]


def read_tflite(path: Path) -> None:
    """All that is asked of a ``.tflite`` file."""
    model = path.read_bytes()
    graph = graph_from_tflite(model)
    is_int8(model)
    float_operations(model)
    StaticSource().estimate(graph, per_op=True)


def read_onnx(path: Path) -> None:
    """All that is asked of an ``.onnx`` file."""
    StaticSource().estimate(graph_from_onnx(path.read_bytes()), per_op=True)


READERS = {
    "configuration": Reader("config.toml", *_of_text(_configs, toml_text), read_configuration),
    "device": Reader("board.toml", *_of_text(_devices, toml_text), read_device),
    "spec": Reader("spec.json", *_of_text(_spec_documents, json_text), read_any_model),
    "latencies": Reader("litert.json", *_of_text(_tables, json_text), read_latencies),
    "manifest": Reader("manifest.json", *_of_text(_manifests, json_text), check_bundle),
    "table": Reader(
        "table.csv",
        lambda: [TABLE.encode()],
        lambda: damaged_csv([TABLE]),
        lambda path: read_csv(path, Reading()),
    ),
    "measurements": Reader(
        "measured.csv", lambda: [MEASURED.encode()], lambda: damaged_csv([MEASURED]), read_measured
    ),
    "arrays": Reader(
        "arrays.npz", _archives, lambda: damaged_archive(_archives()), lambda path: read_npz(path, Reading())
    ),
    "clip": Reader("clip.wav", *_of_bytes(_clips), read_clip),
    "photo": Reader("photo.png", *_of_bytes(_photos), read_photo),
    "run": Reader("run.db", lambda: [whole()], damaged_run, read_run_database),
    "tflite": Reader("model.tflite", *_of_bytes(_tflite), read_tflite),
    "onnx": Reader("model.onnx", *_of_bytes(_onnx), read_onnx),
}
