"""A network as a Keras model, a ``.tflite`` and an ``.onnx`` file has the same work, size and operations."""

from __future__ import annotations

from dataclasses import replace

import tf_keras

from edgenas.arch.graph import OpGraph
from edgenas.build.builder import build_model
from edgenas.build.read_keras import graph_from_keras
from edgenas.build.read_onnx import graph_from_onnx
from edgenas.build.read_tflite import graph_from_tflite, is_int8
from edgenas.cost.arena import plan_arena
from edgenas.cost.deployed import deployed_graph
from tests.build.wide import onnx_of, summary, wide_model
from tests.converted import convert, measured_arena, micro_networks


def without_names(graph: OpGraph) -> list[object]:
    return [replace(op, name="", bias=False, batch_norm=False) for op in graph.ops]


def test_networks_of_micro_are_the_same_operations_in_all_three() -> None:
    for network in micro_networks()[::2]:
        tf_keras.backend.clear_session()
        model = build_model(network.graph, tf_keras)
        assert graph_from_keras(model) == network.graph
        tflite = convert(network.graph, int8=False)
        from_tflite, from_onnx = graph_from_tflite(tflite), graph_from_onnx(onnx_of(tflite))
        assert summary(from_tflite) == summary(network.graph)
        assert summary(from_onnx) == summary(network.graph)
        assert without_names(graph_from_tflite(network.model)) == without_names(from_tflite)


def test_a_network_with_wider_operations_has_the_same_ones_in_all_three() -> None:
    tflite = convert(wide_model(), int8=False)
    from_keras = deployed_graph(graph_from_keras(wide_model()))
    from_tflite, from_onnx = graph_from_tflite(tflite), graph_from_onnx(onnx_of(tflite))
    assert summary(from_keras) == summary(from_tflite) == summary(from_onnx)
    assert {"transpose_conv2d", "concat", "resize_nearest", "sub", "mul", "pad"} <= {
        op.kind for op in from_keras.ops
    }
    assert graph_from_keras(wide_model()).params == wide_model().count_params()


def test_the_wider_operations_need_the_arena_that_is_planned() -> None:
    for int8, precision in ((True, "int8"), (False, "float32")):
        model = convert(wide_model(), int8=int8)
        assert is_int8(model) == int8
        total, head = measured_arena(model)
        planned = plan_arena(graph_from_tflite(model), precision)
        assert planned.head_bytes == head
        assert abs(planned.total_bytes / total - 1) <= 0.01
