"""ONNX files of several exporters become one graph; what has no cost, or is damaged, is refused in a line."""

from __future__ import annotations

import random
import subprocess
import sys
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgenas.arch import OpGraph
from edgenas.build.onnx_file import MOST_NODES
from edgenas.build.read_onnx import graph_from_onnx
from edgenas.cost.static import StaticSource
from edgenas.errors import EdgenasError, UnsupportedError
from edgenas.testing.damage import damaged_file
from tests.build.onnx_models import Maker, exported


def kinds(graph: OpGraph) -> list[str]:
    return [op.activation if op.kind == "activation" else op.kind for op in graph.ops]


def test_an_exported_network_is_fused_and_has_channels_last() -> None:
    graph = graph_from_onnx(exported())
    assert graph.input_shape == (16, 16, 3)
    assert kinds(graph) == [
        "conv2d", "hard_swish", "global_avg_pool", "conv2d", "conv2d", "sigmoid", "mul", "reshape",
        "transpose", "reshape", "depthwise_conv2d", "max_pool2d", "reshape", "dense", "softmax",
    ]  # fmt: skip
    stem, deep = graph.ops[0], graph.ops[10]
    assert (stem.out_shape, stem.stride, stem.padding, stem.batch_norm) == ((8, 8, 8), (2, 2), "same", True)
    assert (deep.dilation, deep.padding, deep.activation, deep.batch_norm) == ((2, 2), "same", "relu", True)
    # 8x8x8 by 3x3x3; two of 8x4; 8x8x8 by 3x3; 128x5
    assert graph.macs == 512 * 27 + 2 * 32 + 512 * 9 + 640


def test_conversions_between_float_and_int8_are_no_operations() -> None:
    whole, quantized = graph_from_onnx(exported()), graph_from_onnx(exported(quantized=True))
    assert kinds(quantized) == kinds(whole)
    assert (quantized.macs, quantized.stored_params) == (whole.macs, whole.stored_params)


def read(shape: tuple[Any, ...], build: Any) -> OpGraph:
    made = Maker()
    return graph_from_onnx(made.model(shape, build(made)))


def test_an_activation_that_others_bypass_stays_on_its_own() -> None:
    def build(made: Maker) -> str:
        x = made.add("Conv", "image", made.weight(3, 3, 1, 1))
        return made.add("Add", x, made.add("Relu", x))

    assert kinds(read((1, 3, 4, 4), build)) == ["conv2d", "relu", "add"]


def test_factors_and_sums_of_channels_are_folded_and_others_are_not() -> None:
    def folded(made: Maker) -> str:
        x = made.add("Mul", made.add("Conv", "image", made.weight(5, 3, 1, 1)), made.weight(5, 1, 1))
        return made.add("Add", x, made.weight(1, 5, 1, 1))

    def kept(made: Maker) -> str:
        return made.add("Add", made.add("Conv", "image", made.weight(5, 3, 1, 1)), made.weight(4, 1))

    graph = read((1, 3, 4, 4), folded)
    assert (kinds(graph), graph.ops[0].bias) == (["conv2d"], True)
    assert kinds(read((1, 3, 4, 4), kept)) == ["conv2d", "add"]


def test_windows_of_neither_padding_get_a_padding_of_their_own() -> None:
    def build(made: Maker) -> str:
        x = made.add("Conv", "image", made.weight(4, 3, 4, 4), pads=[1, 1, 1, 1])
        return made.add("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)

    graph = read((1, 3, 8, 8), build)
    assert [(op.kind, op.out_shape) for op in graph.ops] == [
        ("pad", (10, 10, 3)), ("conv2d", (7, 7, 4)), ("max_pool2d", (3, 3, 4)),
    ]  # fmt: skip


def test_a_network_over_time_and_recurrent_layers() -> None:
    def convolution(made: Maker) -> str:
        x = made.add("Relu", made.norm(made.add("Conv", "image", made.weight(6, 4, 3), pads=[1, 1]), 6))
        return made.add("Conv", x, made.weight(2, 6, 1))

    graph = read((1, 4, 20), convolution)
    assert [(op.kind, op.in_shape, op.out_shape) for op in graph.ops] == [
        ("reshape", (20, 4), (1, 20, 4)), ("conv2d", (1, 20, 4), (1, 20, 6)),
        ("conv2d", (1, 20, 6), (1, 20, 2)),
    ]  # fmt: skip
    assert graph.macs == 20 * (3 * 4 * 6 + 6 * 2)

    def recurrent(made: Maker) -> str:
        x = made.add("Transpose", "image", perm=[1, 0, 2])
        return made.add(
            "LSTM", x, made.weight(1, 28, 5), made.weight(1, 28, 7), made.weight(1, 56), hidden_size=7
        )

    graph = read((1, 12, 5), recurrent)
    assert kinds(graph) == ["lstm"]
    assert (graph.macs, graph.params) == (12 * 4 * 7 * (5 + 7), 4 * 7 * (5 + 7) + 4 * 7)


def test_attention_is_matrices() -> None:
    def build(made: Maker) -> str:
        q, k = (made.add("MatMul", "image", made.weight(8, 8)) for _ in range(2))
        scores = made.add("MatMul", q, made.add("Transpose", k, perm=[0, 2, 1]))
        return made.add("MatMul", made.add("Softmax", scores), made.add("MatMul", "image", made.weight(8, 8)))

    graph = read((1, 10, 8), build)
    assert sorted(kinds(graph)) == ["dense"] * 3 + ["matmul"] * 2 + ["softmax", "transpose"]
    assert graph.macs == 3 * 10 * 8 * 8 + 2 * 10 * 10 * 8


def network(nodes: list[Any], weights: list[Any], shape: tuple[Any, ...] = (1, 3, 8, 8)) -> bytes:
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)
    out = helper.make_tensor_value_info("out", TensorProto.FLOAT, None)
    return bytes(
        helper.make_model(helper.make_graph(nodes, "g", [image], [out], weights)).SerializeToString()
    )


def relu(name: str = "image") -> Any:
    return helper.make_node("Relu", [name], ["out"], name="last")


def outside() -> bytes:
    weight = numpy_helper.from_array(np.ones((3, 3, 1, 1), np.float32), "w")
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    entry = weight.external_data.add()
    entry.key, entry.value = "location", "/etc/passwd"
    return network([relu()], [weight])


def claimed(*dims: int) -> bytes:
    weight = numpy_helper.from_array(np.ones(4, np.float32), "w")
    del weight.dims[:]
    weight.dims.extend(dims)
    return network([relu()], [weight])


WEIGHT = numpy_helper.from_array(np.ones((4, 2, 3, 3), np.float32), "w")
REFUSED = {
    "unknown": (
        network([helper.make_node("Det", ["image"], ["out"], name="d")], []),
        "Det 'd' has no cost; exp"),
    "other domain": (
        network([helper.make_node("Fancy", ["image"], ["out"], name="f", domain="my.own")], []),
        "my.own.Fancy 'f' has no cost",
    ),
    "batch": (network([relu()], [], (2, 3, 8, 8)), "expected a batch of 1 and fixed sizes"),
    "free axes": (network([relu()], [], (1, 3, "height", 8)), r"\(1, 3, height, 8\)"),
    "nothing earlier": (network([relu("later")], []), "reads no computed tensor as its input 0 .'later'."),
    "other weights": (
        network([helper.make_node("Conv", ["image", "w"], ["out"], name="c")], [WEIGHT]),
        r"weights of shape \(4, 2, 3, 3\) for 3 channels",
    ),
    "no such output": (
        network([helper.make_node("Relu", ["image"], ["x"])], []),
        "output 'out' is computed"),
    "weights elsewhere": (outside(), "has its data in another file"),
    "claimed size": (claimed(2**30, 2**30), "has 16 bytes of data"),
    "negative size": (claimed(-4), "has the shape"),
    "many nodes": (network([relu()] * (MOST_NODES + 1), []), "expected at most"),
    "empty": (b"", "without the graph of an ONNX model"),
    "text": (b"#!/bin/sh\necho hello\n", r"\.onnx file"),
    "billions of fields": (b"\x08\x08" * 300_001, "more than 300000 fields"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_without_a_cost_is_refused_in_one_line(name: str) -> None:
    model, message = REFUSED[name]
    with pytest.raises(UnsupportedError, match=message) as refused:
        graph_from_onnx(model)
    assert "\n" not in str(refused.value)


def test_several_inputs_are_refused_but_weights_among_them_are_none() -> None:
    made = onnx.load_from_string(exported())
    made.graph.input.append(helper.make_tensor_value_info("w0", TensorProto.FLOAT, (8, 3, 3, 3)))
    assert graph_from_onnx(made.SerializeToString()) == graph_from_onnx(exported())
    made.graph.input.append(helper.make_tensor_value_info("other", TensorProto.FLOAT, (1, 3)))
    with pytest.raises(UnsupportedError, match="2 inputs"):
        graph_from_onnx(made.SerializeToString())


def test_a_thousand_damaged_files_never_crash() -> None:
    rng = random.Random(0)
    wholes = [exported(), exported(quantized=True)]
    read_ones = 0
    for _ in range(1000):
        model = damaged_file(rng.choice(wholes), rng.choice(wholes), rng)
        try:
            StaticSource().estimate(graph_from_onnx(model), per_op=True)
            read_ones += 1
        except EdgenasError as error:
            assert "\n" not in str(error)
    assert 100 < read_ones < 900  # the damage reaches what is read, and does not destroy all


def test_reading_loads_no_onnx_library_and_no_framework() -> None:
    code = (
        "import sys\n"
        "from edgenas.build.read_onnx import graph_from_onnx\n"
        "assert graph_from_onnx(sys.stdin.buffer.read()).macs > 0\n"
        "print([m for m in ('onnx', 'onnxruntime', 'tensorflow', 'keras') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], input=exported(), capture_output=True, check=True)
    assert done.stdout.strip() == b"[]"
