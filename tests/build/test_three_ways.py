"""A network as a Keras model, a ``.tflite`` and an ``.onnx`` file has the same work, size and operations."""

from __future__ import annotations

from itertools import islice

import numpy as np
import tf_keras

from edgenas.arch import MicroSpace, OpGraph
from edgenas.build.builder import build_model
from edgenas.build.read_keras import graph_from_keras
from edgenas.build.read_onnx import graph_from_onnx
from edgenas.build.read_tflite import graph_from_tflite, is_int8
from edgenas.cost.arena import plan_arena
from edgenas.cost.deployed import deployed_graph
from tests.build.wide import onnx_of, summary, wide_model
from tests.converted import convert, measured_arena

SPACE = MicroSpace((16, 16, 3), 10)


def short_networks(count: int) -> list[OpGraph]:
    graphs = (SPACE.sample(np.random.default_rng((9, seed))).graph() for seed in range(1000))
    return list(islice((graph for graph in graphs if len(graph.ops) <= 12), count))


def test_networks_of_micro_are_the_same_operations_in_all_three() -> None:
    for graph in short_networks(3):
        tf_keras.backend.clear_session()
        assert graph_from_keras(build_model(graph, tf_keras)) == graph
        tflite = convert(graph, int8=False)
        assert summary(graph_from_tflite(tflite)) == summary(graph)
        assert summary(graph_from_onnx(onnx_of(tflite))) == summary(graph)


def test_a_network_with_wider_operations_has_the_same_ones_in_all_three() -> None:
    tflite = convert(wide_model(), int8=False)
    from_keras = deployed_graph(graph_from_keras(wide_model()))
    from_tflite, from_onnx = graph_from_tflite(tflite), graph_from_onnx(onnx_of(tflite))
    assert summary(from_keras) == summary(from_tflite) == summary(from_onnx)
    assert {"transpose_conv2d", "concat", "resize_nearest", "sub", "mul"} <= {
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
