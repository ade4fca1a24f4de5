"""Static costs are those of the file that is written and of the interpreter that runs it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from edgenas.arch import SPACES, GraphBuilder, MicroSpace, Op, OpGraph
from edgenas.build.read_tflite import graph_from_tflite
from edgenas.cost.arena import greedy_plan_bytes
from edgenas.cost.deployed import deployed_graph
from edgenas.cost.static import StaticSource
from edgenas.cost.table import LatencyTable, TableSource
from edgenas.cost.types import Cost
from edgenas.errors import UnsupportedError
from edgenas.export.compact import compact
from edgenas.profile.synthesize import synthesize
from tests.converted import measured_arena, micro_networks, padded_networks, users_networks


def estimate(graph: OpGraph) -> Cost:
    return StaticSource().estimate(graph, per_op=True)


def single(shape: tuple[int, ...], add: Callable[[GraphBuilder], object]) -> OpGraph:
    builder = GraphBuilder(shape)
    add(builder)
    return builder.finish()


def test_networks_of_micro_need_what_is_stated_to_the_byte() -> None:
    for network in micro_networks():
        cost, model = estimate(network.graph), compact(network.model)
        assert (cost.peak_ram_bytes, cost.arena_head_bytes) == measured_arena(model)
        assert cost.flash_bytes == len(model)


def test_users_networks_need_what_is_stated() -> None:
    for network in users_networks():
        cost, model = estimate(network.graph), compact(network.model)
        read = estimate(graph_from_tflite(model))
        assert (read.peak_ram_bytes, read.arena_head_bytes) == measured_arena(model)
        assert cost.flash_bytes == pytest.approx(len(model), rel=0.01)


def test_networks_in_a_row_are_planned_from_their_graph_alone() -> None:
    for network in users_networks()[:2]:
        cost, model = estimate(network.graph), compact(network.model)
        assert (cost.peak_ram_bytes, cost.arena_head_bytes) == measured_arena(model)


def test_branches_that_the_converter_reorders_are_planned_within_a_tenth() -> None:
    branched = users_networks()[2]
    total, head = measured_arena(compact(branched.model))
    cost = estimate(branched.graph)
    assert head <= cost.arena_head_bytes
    assert total <= cost.peak_ram_bytes <= 1.1 * total


def test_padding_and_a_mean_that_keeps_its_axes() -> None:
    model = compact(padded_networks()[0])
    cost = estimate(graph_from_tflite(model))
    assert (cost.peak_ram_bytes, cost.arena_head_bytes) == measured_arena(model)
    assert cost.flash_bytes == len(model)


KINDS: list[tuple[tuple[int, ...], Callable[[GraphBuilder], object]]] = [
    ((8, 8, 4), lambda b: b.window("conv2d", "a", 0, filters=1, kernel=3)),
    ((8, 8, 4), lambda b: b.window("conv2d", "a", 0, filters=5, kernel=3, stride=2)),
    ((7, 9, 3), lambda b: b.window("depthwise_conv2d", "a", 0, kernel=5, padding="valid")),
    ((20,), lambda b: b.dense("a", 0, 1)),
    ((20,), lambda b: b.dense("a", 0, 7)),
    ((3, 20), lambda b: b.dense("a", 0, 7)),
    ((8, 8, 4), lambda b: b.simple("add", "a", 0, 0)),
    ((8, 8, 4), lambda b: b.window("max_pool2d", "a", 0, kernel=2, stride=2)),
    ((8, 8, 4), lambda b: b.window("avg_pool2d", "a", 0, kernel=3)),
    ((8, 8, 40), lambda b: b.simple("global_avg_pool", "a", 0, out_shape=(40,))),
    ((8, 8, 4), lambda b: b.simple("reshape", "a", 0, out_shape=(256,))),
    ((8, 8, 4), lambda b: b.simple("pad", "a", 0, out_shape=(9, 10, 4))),
    ((8, 8, 4), lambda b: b.simple("activation", "a", 0, activation="relu")),
    ((8, 8, 4), lambda b: b.simple("activation", "a", 0, activation="relu6")),
    ((12,), lambda b: b.simple("softmax", "a", 0)),
    ((10,), lambda b: b.simple("activation", "a", 0, activation="sigmoid")),
    ((10,), lambda b: b.simple("activation", "a", 0, activation="tanh")),
    ((10,), lambda b: b.simple("sub", "a", 0, 0)),
    ((10,), lambda b: b.simple("mul", "a", 0, 0)),
    ((7, 10), lambda b: b.step("a", 0, 3)),
    ((20,), lambda b: b.dense("a", 0, 7, bias=False)),
    ((8, 1, 10), lambda b: b.simple("global_max_pool", "a", 0, out_shape=(10,))),
    ((8, 1, 4), lambda b: b.add_op(Op("pad", "a", (0,), (8, 1, 4), (12, 1, 4), padding="causal"))),
    ((8, 1, 4), lambda b: b.window("conv2d", "a", 0, filters=3, kernel=(3, 1), dilation=(2, 1))),
    ((8, 1, 4), lambda b: b.window("depthwise_conv2d", "a", 0, kernel=(3, 1), dilation=(2, 1))),
    ((9, 3), lambda b: b.add_op(Op("lstm", "a", (0,), (9, 3), (9, 8), constants=32))),
    ((9, 3), lambda b: b.add_op(Op("lstm", "a", (0,), (9, 3), (9, 17), constants=68))),
]


@pytest.mark.parametrize(("shape", "add"), KINDS)
@pytest.mark.parametrize("copies", [1, 3])
def test_each_kind_alone_and_in_parallel(shape: tuple[int, ...], add: Any, copies: int) -> None:
    graph = single(shape, lambda builder: [add(builder) for _ in range(copies)])
    cost = estimate(graph)
    assert (cost.peak_ram_bytes, cost.arena_head_bytes) == measured_arena(synthesize(graph))


@pytest.mark.parametrize(
    ("name", "shape"), [("sequence", (29, 12)), ("sequence", (49, 10, 1)), ("dense", (20,))]
)
def test_networks_over_time_and_features_need_what_is_stated_to_the_byte(
    name: str, shape: tuple[int, ...]
) -> None:
    space = SPACES.get(name)(shape, 4)
    for seed in range(24):
        graph = deployed_graph(space.sample(np.random.default_rng(seed)).graph())
        model, cost = synthesize(graph), estimate(graph)
        assert (cost.peak_ram_bytes, cost.arena_head_bytes) == measured_arena(model)
        read = estimate(graph_from_tflite(compact(model)))
        assert (read.peak_ram_bytes, read.flash_bytes, read.macs) == (
            cost.peak_ram_bytes, cost.flash_bytes, cost.macs
        )  # fmt: skip


def test_chains_of_equal_buffers_are_planned_as_the_interpreter_does() -> None:
    for length in range(1, 7):
        builder = GraphBuilder((6, 6, 8))
        tensors = [0]
        for number in range(length):
            tensors.append(builder.window("conv2d", f"c{number}", tensors[-1], filters=8))
        builder.simple("add", "joined", tensors[-1], tensors[len(tensors) // 2])
        graph = builder.finish()
        assert estimate(graph).arena_head_bytes == measured_arena(synthesize(graph))[1]


def test_the_plan_is_that_of_a_hand_placed_example() -> None:
    # 64 at 0; 48 of another time at 0; 32 beside the 64 at 64; 16 fits the gap from 48 to 64 beside the 48
    assert greedy_plan_bytes([(64, 0, 1), (48, 2, 3), (32, 1, 2), (16, 2, 3)]) == 96
    assert greedy_plan_bytes([(16, 0, 0), (16, 1, 1)]) == 16
    assert greedy_plan_bytes([(16, 0, 1), (16, 1, 1)]) == 32


def test_work_and_parameters_are_the_graphs_and_nothing_is_said_of_latency() -> None:
    graph = MicroSpace((28, 28, 1), 10).sample(np.random.default_rng(0)).graph()
    cost = StaticSource("nucleo-l4r5zi", "tflite-micro").estimate(graph)
    assert (cost.macs, cost.params) == (graph.macs, graph.params)
    assert (cost.device, cost.runtime) == ("nucleo-l4r5zi", "tflite-micro")
    assert (cost.source, cost.precision, cost.latency_ms, cost.per_op) == ("static", "int8", None, ())


def test_shares_add_up_and_are_the_graphs_operations_in_order() -> None:
    graph = MicroSpace((28, 28, 1), 10).sample(np.random.default_rng(3)).graph()
    cost = estimate(graph)
    assert [(share.name, share.kind) for share in cost.per_op] == [(op.name, op.kind) for op in graph.ops]
    assert sum(share.macs for share in cost.per_op) == cost.macs
    assert 0.5 * cost.flash_bytes < sum(share.weight_bytes for share in cost.per_op) < cost.flash_bytes


def test_weights_of_an_operation_counted_by_hand() -> None:
    builder = GraphBuilder((8, 8, 3))
    conv = builder.window("conv2d", "conv", 0, filters=5, kernel=3)
    flat = builder.simple("reshape", "flat", conv, out_shape=(320,))
    builder.dense("plain", builder.dense("dense", flat, 7), 2, bias=False)
    shares = estimate(builder.finish()).per_op
    expected = [5 * 9 * 3 + 4 * 5, 0, 320 * 7 + 4 * 7, 14]  # the converter adds a bias to convolutions
    assert [share.weight_bytes for share in shares] == expected


def test_a_table_takes_memory_and_size_from_here() -> None:
    graph = single((4,), lambda builder: builder.dense("d", 0, 3))
    table = LatencyTable(
        device="host", runtime="litert", precision="int8", threads=1, statistic="s", machine={},
        date="2026-11-25", invoke_us=1.0, networks_us=(), ops_us={"dense:4>3:linear": 2.0},
    )  # fmt: skip
    cost = TableSource(table, StaticSource()).estimate(graph, per_op=True)
    static = estimate(graph)
    assert (cost.flash_bytes, cost.peak_ram_bytes) == (static.flash_bytes, static.peak_ram_bytes)
    assert [(share.weight_bytes, share.latency_ms) for share in cost.per_op] == [(24, 0.002)]


def test_an_operation_without_a_cost_is_named() -> None:
    graph = OpGraph((8, 8, 1), (Op("warp", "w", (0,), (8, 8, 1), (8, 8, 1)),))
    with pytest.raises(UnsupportedError, match="'warp'"):
        StaticSource().estimate(graph)


def test_an_estimate_loads_neither_tensorflow_nor_a_runtime() -> None:
    code = (
        "import sys, numpy as np\n"
        "from edgenas.arch import MicroSpace\n"
        "from edgenas.cost.static import StaticSource\n"
        "spec = MicroSpace((8, 8, 1), 10).sample(np.random.default_rng(0))\n"
        "assert StaticSource().estimate(spec.graph()).flash_bytes > 1000\n"
        "print([m for m in ('tensorflow', 'tf_keras', 'keras', 'ai_edge_litert') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
