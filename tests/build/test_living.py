"""Channels that can only be constant are left out, and what reads them with them; nothing else changes."""

from __future__ import annotations

import numpy as np

from edgenas.arch import GraphBuilder, OpGraph
from edgenas.build.living import living_graph
from edgenas.build.read_tflite import graph_from_tflite
from edgenas.build.tflite_tables import TfliteFile
from edgenas.profile.synthesize import synthesize


def network(grouped: bool = False) -> OpGraph:
    builder = GraphBuilder((8, 8, 3))
    stem = builder.window("conv2d", "stem", 0, filters=8, kernel=3, activation="relu6")
    deep = builder.window("depthwise_conv2d", "deep", stem, kernel=3, activation="relu6")
    point = builder.window("conv2d", "point", deep, filters=8, activation="relu6")
    tensor = builder.simple("add", "sum", deep, point)
    tensor = builder.window("max_pool2d", "pool", tensor, kernel=2, stride=2)
    tensor = builder.simple("reshape", "flat", tensor, out_shape=(128,))
    tensor = builder.dense("hidden", tensor, 6, activation="relu")
    builder.simple("softmax", "softmax", builder.dense("logits", tensor, 4))
    return builder.finish()


def with_zeros(model: bytes, zeros: dict[str, list[int]]) -> bytes:
    """The file with some filters' weights set to zero, by the name of their operation."""
    file, changed = TfliteFile(model), bytearray(model)
    for operator in file.operators:
        name = file.tensors[operator.outputs[0]].name
        if name in zeros:
            tensor = file.tensors[operator.inputs[1]]
            content = tensor.content()
            start = model.index(content)
            size = len(content) // tensor.shape[0]
            for row in zeros[name]:
                changed[start + row * size : start + (row + 1) * size] = bytes(size)
    return bytes(changed)


def test_a_network_without_constant_channels_is_left_as_it_is() -> None:
    model = synthesize(network())
    assert living_graph(model) == graph_from_tflite(model)


def test_constant_channels_go_with_what_reads_them() -> None:
    model = with_zeros(synthesize(network()), {"stem": [0, 3, 5], "hidden": [1]})
    ops = {op.name: op for op in living_graph(model).ops}
    assert ops["stem"].out_shape == ops["deep"].out_shape == (8, 8, 5)
    assert ops["point"].in_shape == (8, 8, 5) and ops["point"].out_shape == (8, 8, 8)
    assert ops["hidden"].in_shape == (128,), "a sum lives where one of its two does"
    assert ops["logits"].in_shape == (5,) and ops["logits"].macs == 20


def test_a_sum_is_constant_only_where_both_are() -> None:
    model = with_zeros(synthesize(network()), {"stem": [0, 3], "point": [3, 4]})
    ops = {op.name: op for op in living_graph(model).ops}
    assert ops["sum"].out_shape == (8, 8, 7)
    assert ops["flat"].out_shape == (16 * 7,) and ops["hidden"].in_shape == (16 * 7,)


def test_the_answer_keeps_its_classes_and_a_dead_layer_its_shape() -> None:
    model = with_zeros(synthesize(network()), {"logits": [0, 1], "point": list(range(8))})
    ops = {op.name: op for op in living_graph(model).ops}
    assert ops["softmax"].out_shape == (4,) and ops["point"].out_shape == (8, 8, 8)
    assert np.prod(ops["logits"].out_shape) == 4
