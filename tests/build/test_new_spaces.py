"""Networks of spaces `mobile`, `cell` and `tiny` in both Keras, as files, and what they need there."""

from __future__ import annotations

from collections import Counter
from typing import Any

import keras
import numpy as np
import pytest
import tf_keras

from edgenas.arch import SPACES, ArchSpec, OpGraph
from edgenas.arch.spaces.cell import EDGE_NAMES
from edgenas.build.builder import build_model
from edgenas.build.read_keras import graph_from_keras
from edgenas.build.read_onnx import graph_from_onnx
from edgenas.build.read_tflite import float_operations, graph_from_tflite
from edgenas.build.twin import twin
from edgenas.cost.deployed import deployed_graph
from edgenas.cost.running_order import in_running_order, running_order
from edgenas.cost.static import StaticSource
from edgenas.export.compact import compact
from edgenas.export.onnx import float32_onnx
from tests.converted import convert, measured_arena, settle

MOBILE: dict[str, Any] = {
    "resolution": 8, "width": 0.25, "stem_stride": 1, "stages": 3, "stem_activation": "hard_swish",
    "s1_depth": 1, "s1_kernel": 3, "s1_expansion": 1, "s1_squeeze": False, "s1_activation": "relu6",
    "s2_depth": 2, "s2_kernel": 5, "s2_expansion": 3, "s2_squeeze": True, "s2_activation": "relu6",
    "s3_depth": 1, "s3_kernel": 3, "s3_expansion": 3, "s3_squeeze": True, "s3_activation": "hard_swish",
    "last_expansion": 3, "last_activation": "hard_swish",
}  # fmt: skip
TINY: dict[str, Any] = {
    "resolution": 8, "stem_filters": 6, "stem_kernel": 5, "stem_stride": 3, "stages": 2,
    "s1_kind": "conv", "s1_filters": 12, "s1_kernel": 3, "s1_stride": 1,
    "s2_kind": "ds", "s2_filters": 20, "s2_kernel": 3, "s2_stride": 2, "head": "flat",
}  # fmt: skip
CELLS = {
    "every operation": ("conv3x3", "avgpool", "conv1x1", "skip", "conv1x1", "conv3x3"),
    "rectified": ("conv3x3", "conv1x1", "conv1x1", "conv1x1", "skip", "skip"),
    "ends in one convolution": ("none", "none", "none", "conv3x3", "none", "none"),
    "one mean for two edges": ("avgpool", "avgpool", "skip", "none", "conv1x1", "skip"),
}


def cell(edges: tuple[str, ...], cells: int = 1) -> ArchSpec:
    choices = {**dict(zip(EDGE_NAMES, edges, strict=True)), "channels": 4, "cells": cells}
    return SPACES.get("cell")((8, 8, 1), 10).from_choices(choices)


SPECS = {
    "mobile": SPACES.get("mobile")((8, 8, 1), 10).from_choices(MOBILE),
    "tiny": SPACES.get("tiny")((8, 8, 1), 10).from_choices(TINY),
    **{name: cell(edges) for name, edges in CELLS.items()},
}


def short_samples(name: str, count: int) -> list[ArchSpec]:
    space = SPACES.get(name)((12, 12, 2), 5)
    specs = (space.sample(np.random.default_rng((4, seed))) for seed in range(1000))
    return [spec for spec in specs if len(spec.graph().ops) <= 40][:count]


@pytest.mark.parametrize("name", ["mobile", "cell", "tiny"])
def test_random_networks_agree_with_keras(name: str) -> None:
    for spec in short_samples(name, 3):
        graph = spec.graph()
        model = build_model(graph, keras)
        assert model.count_params() == graph.params
        assert in_running_order(graph_from_keras(model)) == in_running_order(graph)
        keras.backend.clear_session()


@pytest.mark.parametrize("name", SPECS)
def test_the_twin_computes_the_same(name: str) -> None:
    rng = np.random.default_rng(0)
    model = build_model(SPECS[name], keras)
    settle(model, rng)
    images = rng.random((4, *SPECS[name].input_shape), dtype=np.float32)
    expected = np.asarray(model(images, training=False))
    given = np.asarray(twin(SPECS[name], model.get_weights())(images, training=False))
    assert np.abs(given - expected).max() <= 1e-5
    assert expected.std(axis=0).max() > 0.01  # it tells images apart


def summary(graph: OpGraph) -> Counter[tuple[Any, ...]]:
    fields = ("kind", "in_shape", "out_shape", "kernel", "stride", "activation", "constants", "broadcasts")
    return Counter((*(getattr(op, field) for field in fields), len(op.inputs)) for op in graph.ops)


@pytest.mark.parametrize("name", SPECS)
def test_the_int8_file_holds_and_needs_what_is_stated_to_the_byte(name: str) -> None:
    graph = SPECS[name].graph()
    model = compact(convert(graph, settled=True))
    cost = StaticSource().estimate(graph)
    assert float_operations(model) == []
    assert summary(graph_from_tflite(model)) == summary(deployed_graph(graph))
    assert (cost.peak_ram_bytes, cost.arena_head_bytes) == measured_arena(model)
    assert cost.flash_bytes == len(model)
    assert compact(model) == model


@pytest.mark.parametrize("name", ["mobile", "every operation"])
def test_the_onnx_file_holds_the_same_operations(name: str) -> None:
    graph = SPECS[name].graph()
    tflite = convert(graph, int8=False, settled=True)
    assert summary(graph_from_onnx(float32_onnx(tflite))) == summary(deployed_graph(graph))


def test_a_gate_starts_half_open() -> None:
    model = build_model(SPECS["mobile"], tf_keras)
    biases = [layer.get_weights()[1] for layer in model.layers if layer.name.endswith("_excite")]
    assert biases and all((bias == 3).all() for bias in biases)


def test_branches_run_depth_first_in_the_order_of_inputs() -> None:
    # 0 is read by 1 and 2, 3 joins 2 and 1: all that 3's first input needs comes before its second
    assert running_order([[], [0], [0], [2, 1]]) == [0, 2, 1, 3]
    assert running_order([[], [], []]) == [0, 1, 2]
