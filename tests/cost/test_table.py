"""Latency tables: files that stay readable, sums that add up, misses that say what to do."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgenas.arch import GraphBuilder, Op, OpGraph
from edgenas.arch.blocks import BLOCKS
from edgenas.cost.latency_table import PARTS, parts_us, table_name
from edgenas.cost.opkey import nearest, op_key
from edgenas.cost.table import LatencyTable, TableSource, table_path
from edgenas.cost.types import Cost, CostSource, OpCost
from edgenas.errors import ConfigError, TableMissError

GOLDEN = Path(__file__).parent / "golden" / "latency_table_v1.json"


class FakeStatic(CostSource):
    """Static figures made up, so that only the table's part is tested."""

    def __init__(self, device: str = "host", runtime: str = "litert") -> None:
        self.device, self.runtime = device, runtime

    def estimate(self, graph: OpGraph, *, per_op: bool = False) -> Cost:
        ops = tuple(OpCost(op.name, op.kind, op.macs, 1) for op in graph.ops) if per_op else ()
        return Cost(
            self.device, self.runtime, "int8", "static", None, None, None, 1000, 2000, graph.macs,
            graph.params, arena_head_bytes=600, per_op=ops,
        )  # fmt: skip


def network(classes: int = 10, filters: int = 8) -> OpGraph:
    builder = GraphBuilder((8, 8, 1))
    stem = BLOCKS["stem"](builder, 0, "stem", filters=filters, kernel=3, stride=2)
    BLOCKS["head"](builder, stem, "head", classes=classes)
    return builder.finish()


def golden() -> LatencyTable:
    return LatencyTable.load(GOLDEN)


def calibrated(slow: float = 1.1) -> LatencyTable:
    """The golden table with networks that took ``slow`` times the sum, give or take 4 %."""
    sums = np.linspace(10, 500, 41)
    wobble = np.tile([0.96, 1.0, 1.0, 1.04], 11)[:41]
    return replace(
        golden(), networks_us=tuple((s, 0.5 + slow * s * w) for s, w in zip(sums, wobble, strict=True))
    )


def test_a_file_of_version_1_stays_readable() -> None:
    table = golden()
    assert (table.device, table.runtime, table.threads, table.invoke_us) == ("host", "litert", 1, 0.5)
    assert table.ops_us["conv2d:8x8x1>4x4x8:k3x3:s2x2:same:relu6"] == 1.25
    assert table.networks_us == ((10.0, 10.5), (20.0, 20.5))


def test_what_is_saved_is_loaded_and_written_byte_for_byte(tmp_path: Path) -> None:
    path = tmp_path / "new" / "litert.json"
    golden().save(path)
    assert path.read_text() == GOLDEN.read_text()
    assert LatencyTable.load(path) == golden()
    assert [entry.name for entry in path.parent.iterdir()] == ["litert.json"]


def test_latencies_are_kept_to_four_digits(tmp_path: Path) -> None:
    table = replace(golden(), ops_us={"dense:8>2:linear": 0.123456789, "dense:8>3:linear": 12345.678})
    table.save(tmp_path / "t.json")
    assert LatencyTable.load(tmp_path / "t.json").ops_us == {
        "dense:8>2:linear": 0.1235,
        "dense:8>3:linear": 12350.0,
    }


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": 3}, "update edgenas"),
        ({"schema": None}, "schema None"),
        ({"invoke_us": -1}, "0 or less"),
        ({"ops_us": {"dense:8>2:linear": 0.0}}, "dense:8>2:linear"),
        ({"ops_us": {"dense:8>2:linear": float("nan")}}, "dense:8>2:linear"),
        ({"networks_us": [[0.0, 1.0]]}, "0 or less"),
    ],
)
def test_a_table_that_does_not_hold_together_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        LatencyTable.from_json({**json.loads(GOLDEN.read_text()), **change})


@pytest.mark.parametrize("field", ["device", "machine", "ops_us", "networks_us"])
def test_a_missing_field_is_named(field: str) -> None:
    document = json.loads(GOLDEN.read_text())
    del document[field]
    with pytest.raises(ConfigError, match=f"'{field}'"):
        LatencyTable.from_json(document)


@pytest.mark.parametrize(("text", "message"), [("{", "not JSON"), ("[]", "not a JSON object")])
def test_a_file_that_is_no_table_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "t.json").write_text(text)
    with pytest.raises(ConfigError, match=message):
        LatencyTable.load(tmp_path / "t.json")
    with pytest.raises(ConfigError, match="edgenas sweep"):
        LatencyTable.load(tmp_path / "nothing.json")


def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="--out"):
        golden().save(tmp_path / "file" / "t.json")


def test_latency_is_overhead_and_the_sum_of_operations() -> None:
    cost = TableSource(golden(), FakeStatic()).estimate(network(), per_op=True)
    assert cost.latency_ms == pytest.approx((0.5 + 1.25 + 0.2 + 0.3 + 0.09) / 1e3)
    assert (cost.latency_low_ms, cost.latency_high_ms) == (None, None)  # two networks calibrate nothing
    assert [op.latency_ms for op in cost.per_op] == pytest.approx([0.00125, 0.0002, 0.0003, 0.00009])
    assert (cost.source, cost.device, cost.runtime, cost.threads) == ("table", "host", "litert", 1)
    assert (cost.peak_ram_bytes, cost.flash_bytes, cost.arena_head_bytes) == (1000, 2000, 600)
    assert TableSource(golden(), FakeStatic()).estimate(network()).per_op == ()


def test_whole_networks_calibrate_the_sum_and_give_the_interval() -> None:
    table = calibrated(slow=1.1)
    assert table.calibration.factor == pytest.approx(1.1)
    assert table.calibration.networks == 41
    plain = TableSource(golden(), FakeStatic()).estimate(network())
    cost = TableSource(table, FakeStatic()).estimate(network(), per_op=True)
    assert plain.latency_ms is not None and cost.latency_ms is not None
    assert cost.latency_ms == pytest.approx(0.0005 + 1.1 * (plain.latency_ms - 0.0005))
    assert cost.latency_low_ms == pytest.approx(cost.latency_ms * 0.96, rel=0.01)
    assert cost.latency_high_ms == pytest.approx(cost.latency_ms * 1.04, rel=0.01)
    assert sum(op.latency_ms or 0 for op in cost.per_op) == pytest.approx(cost.latency_ms - 0.0005)


def test_heads_between_two_swept_class_counts_are_interpolated() -> None:
    cost = TableSource(golden(), FakeStatic()).estimate(network(classes=6), per_op=True)
    assert [op.latency_ms for op in cost.per_op[-2:]] == pytest.approx([0.0002, 0.00007])


@pytest.mark.parametrize("graph", [network(classes=11), network(filters=16)])
def test_everything_else_is_a_miss_that_says_how_to_mend_it(graph: OpGraph) -> None:
    with pytest.raises(TableMissError) as caught:
        TableSource(golden(), FakeStatic()).estimate(graph)
    command = (
        f"edgenas sweep --device host --space micro --input 8x8x1 --classes {graph.ops[-1].out_shape[0]}"
    )
    assert command in str(caught.value)


def test_a_miss_names_operation_and_nearest_entry() -> None:
    with pytest.raises(TableMissError) as caught:
        TableSource(golden(), FakeStatic()).estimate(network(filters=16))
    assert "'stem_conv' (conv2d:8x8x1>4x4x16:k3x3:s2x2:same:relu6)" in str(caught.value)
    assert "nearest is conv2d:8x8x1>4x4x8:k3x3:s2x2:same:relu6" in str(caught.value)


def test_table_and_static_figures_must_be_of_one_device() -> None:
    with pytest.raises(ConfigError, match="same device and runtime"):
        TableSource(golden(), FakeStatic(device="nucleo-l4r5zi"))


def test_nearest_is_nearest_in_ratio_and_of_the_same_kind() -> None:
    known = ["dense:8>10:linear", "dense:60>10:linear", "softmax:64>10:linear"]
    assert nearest("dense:64>10:linear", known) == "dense:60>10:linear"
    assert nearest("pad:4x4x1>5x5x1:linear", known) is None


def test_keys_hold_what_latency_depends_on_and_nothing_else() -> None:
    builder = GraphBuilder((9, 9, 4))
    for name, options in (
        ("a", {"kernel": 3}),
        ("b", {"kernel": 3, "batch_norm": True}),
        ("c", {"kernel": 3, "bias": True}),
        ("d", {"kernel": 5}),
        ("e", {"kernel": 3, "activation": "relu6"}),
        ("f", {"kernel": 3, "stride": 2}),
        ("g", {"kernel": 1, "padding": "same"}),
        ("h", {"kernel": 1, "padding": "valid"}),
    ):
        builder.window("conv2d", name, 0, filters=4, **options)  # type: ignore[arg-type]
    a, b, c, d, e, f, g, h = map(op_key, builder.ops)
    assert a == b == c == "conv2d:9x9x4>9x9x4:k3x3:s1x1:same:linear"
    assert len({a, d, e, f, g}) == 5
    assert g == h


def test_the_table_of_this_project_is_where_estimates_look() -> None:
    assert table_path("host", "litert").parts[-3:] == ("latency_tables", "host", "litert.json")


def test_costs_need_neither_tensorflow_nor_a_runner() -> None:
    heavy = ("tensorflow", "ai_edge_litert", "edgenas.profile")
    code = f"import sys, edgenas.cost.table; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def with_parts(count: int = 60) -> LatencyTable:
    """Networks in which depthwise convolutions take twice their sum, and additions 3 us more each."""
    rng = np.random.default_rng(0)
    rows, pairs = [], []
    for _ in range(count):
        sums = rng.uniform(1, 50, len(PARTS))
        counts = rng.integers(1, 9, len(PARTS)).astype(float)
        true = sums @ [1, 1, 2, 1, 1] + 3 * counts[3] + 0.5
        rows.append((*np.stack([sums, counts], 1).ravel().tolist(), 64.0))
        pairs.append((float(sums.sum()), float(true * rng.normal(1, 0.01))))
    return replace(golden(), networks_us=tuple(pairs), parts_us=tuple(rows))


def test_kinds_of_kernels_are_weighed_apart() -> None:
    table = with_parts()
    fit = table.calibration
    assert fit.weights is not None and fit.low is not None and fit.high is not None
    assert fit.weights[4] == pytest.approx(2, abs=0.15)  # the sum of depthwise convolutions
    assert fit.weights[7] == pytest.approx(3, abs=0.4)  # the number of additions
    assert 0.95 < fit.low < 1 < fit.high < 1.05
    cost = TableSource(table, FakeStatic()).estimate(network(), per_op=True)
    parts = parts_us(network(), [1.25, 0.2, 0.3, 0.09])
    assert parts == (0, 0, 1.25, 1, 0, 0, 0, 0, pytest.approx(0.59), 3, 64)
    assert cost.latency_ms == pytest.approx((0.5 + np.dot(fit.weights, parts)) / 1e3)
    assert sum(op.latency_ms or 0 for op in cost.per_op) == pytest.approx(cost.latency_ms - 0.0005)


def test_a_file_of_version_2_keeps_parts_and_predictions(tmp_path: Path) -> None:
    table = replace(
        with_parts(12), predicted=frozenset({"dense:8>2:linear"}), held_out=40, held_out_error=0.043
    )
    table.save(tmp_path / "t.json")
    document = json.loads((tmp_path / "t.json").read_text())
    loaded = LatencyTable.load(tmp_path / "t.json")
    assert document["schema"] == 2
    assert (loaded.predicted, loaded.held_out, loaded.held_out_error) == (table.predicted, 40, 0.043)
    assert np.array(loaded.parts_us) == pytest.approx(np.array(table.parts_us), rel=1e-3)


def test_parts_that_fit_no_networks_are_refused() -> None:
    with pytest.raises(ConfigError, match="parts that fit no networks"):
        replace(with_parts(12), parts_us=with_parts(11).parts_us)


def test_every_precision_has_a_file_of_its_own() -> None:
    assert table_name("litert", "int8") == "litert.json"
    assert table_path("host", "onnxruntime", "float32").name == "onnxruntime-float32.json"


def test_what_most_operations_do_not_have_is_in_the_key_only_where_they_have_it() -> None:
    plain = Op("conv2d", "a", (0,), (8, 8, 4), (8, 8, 4), (3, 3))
    assert op_key(plain) == "conv2d:8x8x4>8x8x4:k3x3:s1x1:same:linear"
    assert op_key(replace(plain, dilation=(2, 2), groups=2)).endswith(":linear:d2x2:g2")
    scaled = Op("mul", "b", (0,), (8,), (8,), constants=8)
    assert op_key(scaled) == "mul:8>8:linear:c8"
    assert op_key(Op("add", "c", (0, 1), (8,), (8,))) == "add:8>8:linear"
    assert op_key(Op("concat", "d", (0, 1), (8,), (16,))) == "concat:8>16:linear:n2"
