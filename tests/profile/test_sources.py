"""Which costs a device gets: a table, its predictor, its core's, or static figures, with each runtime."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from edgenas.arch import GraphBuilder, OpGraph
from edgenas.cost.predictor import Predictor, PredictorSource
from edgenas.cost.static import StaticSource
from edgenas.cost.table import TableSource, table_path
from edgenas.errors import ConfigError
from edgenas.profile.basis import latency_basis
from edgenas.profile.device import core_id, device_path, load_device
from edgenas.profile.sources import cost_source, read_filed, table_state
from edgenas.resources import shipped

PREDICTORS = sorted(
    path for path in shipped("latency_tables").glob("*/*.json") if '"kind": "predictor"' in path.read_text()
)


def keyword_spotting() -> OpGraph:
    """MLPerf Tiny's DS-CNN (Banbury et al. 2021): 2,656,768 MACs."""
    builder = GraphBuilder((49, 10, 1))
    fused = {"batch_norm": True, "activation": "relu"}
    tensor = builder.window("conv2d", "stem", 0, filters=64, kernel=(10, 4), stride=2, **fused)  # type: ignore[arg-type]
    for place in range(4):
        tensor = builder.window("depthwise_conv2d", f"deep{place}", tensor, kernel=3, **fused)  # type: ignore[arg-type]
        tensor = builder.window("conv2d", f"point{place}", tensor, filters=64, **fused)  # type: ignore[arg-type]
    tensor = builder.window("avg_pool2d", "pool", tensor, kernel=(25, 5), stride=(25, 5), padding="valid")
    tensor = builder.simple("reshape", "flat", tensor, out_shape=(64,))
    builder.simple("softmax", "softmax", builder.dense("logits", tensor, 12))
    return builder.finish()


def own_device(folder: Path, runtimes: str = '"x-cube-ai"', core: str = "Cortex-M7") -> Path:
    path = folder / "my board; 'one'.toml"
    path.write_text(
        f'name = "Mine"\ncore = "{core}"\nclock_mhz = 216\nruntimes = [{runtimes}]\n'
        f'runtime = {runtimes.split(",")[0]}\nsources = ["clock: datasheet"]\n',
        encoding="utf-8",
    )
    return path


@pytest.mark.parametrize("path", PREDICTORS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_shipped_predictor_loads_with_its_sources(path: Path) -> None:
    found = read_filed(path)
    assert isinstance(found, Predictor)
    ending = "" if found.precision == "int8" else f"-{found.precision}"
    assert (found.device, f"{found.runtime}{ending}") == (path.parent.name, path.stem)
    assert found.provenance and all(row["source"] for row in found.measurements)
    assert 0.5 < found.interval < 5 and 0 < found.noise < 0.5


@pytest.mark.parametrize(
    ("device", "runtime", "milliseconds"),
    # MLPerf Tiny, kws: v0.5 closed/reference, v1.3 and v1.2 closed/STMicroelectronics
    [("nucleo-l4r5zi", "tflite-micro", 181.9), ("nucleo-l4r5zi", "x-cube-ai", 43.4),
     ("nucleo-h7a3zi-q", "x-cube-ai", 11.3)],
)  # fmt: skip
def test_a_published_measurement_lies_in_the_interval(device: str, runtime: str, milliseconds: float) -> None:
    graph = keyword_spotting()
    assert graph.macs == 2_656_768
    cost = cost_source(load_device(device), runtime).estimate(graph)
    assert cost.latency_low_ms < milliseconds < cost.latency_high_ms  # type: ignore[operator]
    assert cost.energy_mj


def test_the_runtime_makes_the_difference() -> None:
    board = load_device("nucleo-l4r5zi")
    slow, fast = (
        cost_source(board, name).estimate(keyword_spotting()) for name in ("tflite-micro", "x-cube-ai")
    )
    assert slow.latency_ms > 3 * fast.latency_ms  # type: ignore[operator]
    assert cost_source(board).runtime == board.runtime
    with pytest.raises(ConfigError, match="expected one of its runtimes"):
        cost_source(board, "litert")


def test_a_table_a_core_and_nothing() -> None:
    assert isinstance(cost_source(load_device("host")), TableSource)
    unseen = cost_source(load_device("stm32f769i-disco"), "x-cube-ai")
    assert isinstance(unseen, PredictorSource) and unseen.device == "stm32f769i-disco"
    assert unseen.predictor.clock_mhz == 216
    known = cost_source(load_device("nucleo-h7a3zi-q"), "x-cube-ai")
    wide, narrow = (one.estimate(keyword_spotting()) for one in (unseen, known))
    assert wide.latency_high_ms / wide.latency_ms > narrow.latency_high_ms / narrow.latency_ms  # type: ignore[operator]
    assert isinstance(cost_source(load_device("raspberry-pi-pico")), StaticSource)


def test_a_device_of_ones_own_gets_its_cores_predictor_then_its_own(tmp_path: Path) -> None:
    path = own_device(tmp_path)
    device = load_device(path)
    assert cost_source(device).estimate(keyword_spotting()).source == "predictor"
    assert latency_basis(device, "x-cube-ai").kind == "public"
    own = tmp_path / device.id / "x-cube-ai.json"
    own.parent.mkdir()
    shutil.copy(table_path("nucleo-h7a3zi-q", "x-cube-ai"), own)
    found = cost_source(device)
    assert isinstance(found, PredictorSource) and found.predictor.clock_mhz == 280
    own.parent.rename(tmp_path / "other")
    nested = tmp_path / "latency_tables" / device.id
    nested.parent.mkdir()
    (tmp_path / "other").rename(nested)
    again = cost_source(device)
    assert isinstance(again, PredictorSource) and again.predictor.clock_mhz == 280


def test_a_core_without_data_has_static_figures_only(tmp_path: Path) -> None:
    device = load_device(own_device(tmp_path, core="Cortex-M55"))
    assert isinstance(cost_source(device), StaticSource)
    assert latency_basis(device, "x-cube-ai").kind == "static"


def test_what_a_predictor_rests_on_is_said() -> None:
    assert "24 measurements" in table_state(load_device("nucleo-h7a3zi-q")).note
    assert table_state(load_device("nucleo-h7a3zi-q")).fits
    assert not table_state(load_device("raspberry-pi-pico")).fits
    assert "MLPerf Tiny" in latency_basis(load_device("nucleo-h7a3zi-q"), "x-cube-ai").note


@pytest.mark.parametrize("text", ["", "[]", "{", '{"kind": "predictor"}', '{"schema": 1}'])
def test_a_file_that_is_neither_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(ConfigError):
        read_filed(tmp_path / "x.json")


@pytest.mark.parametrize(
    ("core", "expected"),
    [("Cortex-M4F", "cortex-m4"), ("Cortex-M0+", "cortex-m0+"), ("Cortex-M4F + M0+", "cortex-m4"),
     ("Xtensa LX6 x2", "xtensa-lx6"), ("../../etc", "etc")],
)  # fmt: skip
def test_ids_of_cores(core: str, expected: str) -> None:
    assert core_id(core) == expected


def test_a_shipped_file_names_the_measurement_of_each_row() -> None:
    document = json.loads(table_path("stm32h747i-disco", "x-cube-ai").read_text())
    assert {row["board"] for row in document["measurements"]} == {"stm32h747i-disco"}
    assert document["clock_mhz"] == 400 and device_path("stm32h747i-disco").is_file()
