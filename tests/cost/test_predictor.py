"""Predictor files stay readable, sums add up, intervals widen where nothing was measured."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgenas.arch import GraphBuilder, OpGraph
from edgenas.cost.kernel_features import NAMES
from edgenas.cost.predictor import Predictor, PredictorSource
from edgenas.cost.static import StaticSource
from edgenas.errors import ConfigError

GOLDEN = Path(__file__).parent / "golden" / "predictor_v1.json"


def golden() -> Predictor:
    return Predictor.from_json(json.loads(GOLDEN.read_text()))


def source(predictor: Predictor | None = None) -> PredictorSource:
    found = predictor or golden()
    return PredictorSource(found, StaticSource(found.device, found.runtime))


def network(filters: int = 16, size: int = 32) -> OpGraph:
    builder = GraphBuilder((size, size, 3))
    tensor = builder.window("conv2d", "stem", 0, filters=filters, kernel=3, stride=2, batch_norm=True)
    tensor = builder.window("depthwise_conv2d", "deep", tensor, kernel=3, batch_norm=True)
    tensor = builder.window("conv2d", "point", tensor, filters=2 * filters, batch_norm=True)
    tensor = builder.simple("global_avg_pool", "pool", tensor, out_shape=(2 * filters,))
    builder.simple("softmax", "softmax", builder.dense("logits", tensor, 10))
    return builder.finish()


def test_a_file_of_version_1_stays_readable() -> None:
    found = golden()
    assert (found.device, found.runtime, found.release, found.precision) == (
        "nucleo-u385rg-q", "x-cube-ai", "10.2", "int8",
    )  # fmt: skip
    assert found.clock_mhz == 96 and found.drops_constants and len(found.measurements) == 4
    assert found.measurements[0]["source"].startswith("MLPerf Tiny v1.3")
    assert source().estimate(network()).latency_ms == pytest.approx(8.89965, rel=1e-5)


def test_what_is_saved_is_loaded_and_written_byte_for_byte(tmp_path: Path) -> None:
    golden().save(tmp_path / "new" / "x.json")
    written = (tmp_path / "new" / "x.json").read_text()
    since = {"threads": 1, "kernel_set": "microcontroller"}  # not in files of the first kind
    assert json.loads(written) == {**json.loads(GOLDEN.read_text()), **since}
    Predictor.from_json(json.loads(written)).save(tmp_path / "again.json")
    assert (tmp_path / "again.json").read_text() == written
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["x.json"]


def test_operations_and_one_inference_add_up_to_the_latency() -> None:
    cost = source().estimate(network(), per_op=True)
    each = float(np.exp(golden().kernels.log_cycles[NAMES.index("network")])) / 96e3
    assert cost.latency_ms == pytest.approx(sum(op.latency_ms or 0 for op in cost.per_op) + each)
    assert [op.name for op in cost.per_op][:2] == ["stem", "deep"]
    assert source().estimate(network()).per_op == ()


def test_a_cost_says_where_it_comes_from_and_how_sure_it_is() -> None:
    cost = source().estimate(network())
    assert (cost.source, cost.device, cost.runtime) == ("predictor", "nucleo-u385rg-q", "x-cube-ai")
    assert cost.latency_low_ms < cost.latency_ms < cost.latency_high_ms  # type: ignore[operator]
    assert cost.latency_low_ms * cost.latency_high_ms == pytest.approx(cost.latency_ms**2)  # type: ignore[operator]
    energy = golden().energy
    assert energy and cost.energy_mj == pytest.approx(energy.power_mw * cost.latency_ms / 1e3)  # type: ignore[operator]
    assert source(replace(golden(), energy=None)).estimate(network()).energy_mj is None
    assert (cost.flash_bytes, cost.peak_ram_bytes) == _sizes()


def _sizes() -> tuple[int, int]:
    cost = StaticSource().estimate(network())
    return cost.flash_bytes, cost.peak_ram_bytes


def test_twice_the_clock_is_half_the_latency() -> None:
    fast = source(replace(golden(), clock_mhz=192.0)).estimate(network())
    assert fast.latency_ms == pytest.approx(source().estimate(network()).latency_ms / 2)  # type: ignore[operator]


def test_the_interval_widens_far_from_what_was_fitted() -> None:
    def width(predictor: Predictor) -> float:
        cost = source(predictor).estimate(network())
        return cost.latency_high_ms / cost.latency_ms  # type: ignore[operator]

    macs = network().macs
    inside = width(replace(golden(), macs=(macs // 2, 2 * macs)))
    assert width(golden()) == inside
    assert width(replace(golden(), macs=(1, macs // 8))) > 1.2 * inside
    assert width(replace(golden(), macs=(8 * macs, 9 * macs))) > 1.2 * inside


def test_a_predictor_of_a_core_needs_a_clock() -> None:
    family = replace(golden(), device="cortex-m33", clock_mhz=None)
    with pytest.raises(ConfigError, match="needs a clock"):
        source(family).estimate(network())
    board = family.for_device("my-board", 160.0)
    assert source(board).estimate(network()).device == "my-board"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schema": 2}, "schema 2"),
        ({"schema": None}, "schema None"),
        ({"covariance": [[1.0]]}, "expected 16"),
        ({"log_cycles": [float("nan")] * 16}, "not finite"),
        ({"log_cycles": [1.0] * 15 + [-800.0]}, "log_cycles reaches 800 .*expected 50 at most"),
        ({"noise": 1e200}, r"noise reaches 1e\+200"),
        ({"covariance": [[1e6] * 16] * 16}, "covariance reaches 1e.03"),
        ({"log_cycles": "high"}, "damaged predictor"),
        ({"features": ["a"]}, "other features"),
        ({"macs": []}, r"damaged predictor .*macs = \(\)"),
        ({"energy": {"power": 1}}, "damaged predictor .*power"),
    ],
)
def test_a_file_that_is_no_predictor_is_refused_in_a_line(changes: dict[str, Any], message: str) -> None:
    document = {**json.loads(GOLDEN.read_text()), **changes}
    with pytest.raises(ConfigError, match=message) as error:
        Predictor.from_json(document)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["clock_mhz", "noise", "provenance", "covariance", "device"])
def test_a_missing_field_is_named(name: str) -> None:
    document = json.loads(GOLDEN.read_text())
    del document[name]
    with pytest.raises(ConfigError, match=name):
        Predictor.from_json(document)


def test_static_figures_of_another_device_are_refused() -> None:
    with pytest.raises(ConfigError, match="expected the same device and runtime"):
        PredictorSource(golden(), StaticSource("host", "litert"))
