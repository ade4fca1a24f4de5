"""Files become the graphs they were written from; what has no cost, or is damaged, is refused in a line."""

from __future__ import annotations

import random
import struct
from dataclasses import replace
from typing import Any

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from hypothesis import given, settings
from hypothesis import strategies as st

from edgenas.arch import GraphBuilder, MicroSpace, Op, OpGraph
from edgenas.build.read_tflite import float_operations, graph_from_tflite, is_int8
from edgenas.errors import UnsupportedError
from edgenas.export.compact import compact
from edgenas.profile.synthesize import synthesize, tiny_model
from tests.converted import float_network, micro_networks, padded_networks, users_networks

SPACES = [MicroSpace((8, 8, 1), 10), MicroSpace((28, 28, 1), 10), MicroSpace((32, 32, 3), 10)]


def bare(graph: OpGraph) -> list[Op]:
    return [replace(op, name="", bias=False, batch_norm=False) for op in graph.ops]


def every_kind() -> OpGraph:
    builder = GraphBuilder((12, 10, 3))
    stem = builder.window("conv2d", "stem", 0, filters=8, kernel=(3, 5), stride=(2, 1), activation="relu6")
    deep = builder.window("depthwise_conv2d", "deep", stem, kernel=(5, 3), activation="relu")
    wide = builder.window("conv2d", "wide", deep, filters=8)
    added = builder.simple("add", "added", stem, wide, activation="relu")
    clipped = builder.simple("activation", "clipped", added, activation="relu6")
    padded = builder.simple("pad", "padded", clipped, out_shape=(8, 13, 8))
    largest = builder.window("max_pool2d", "largest", padded, kernel=(2, 3), stride=2, padding="valid")
    mean = builder.window("avg_pool2d", "mean", largest, kernel=2, stride=1)
    rows = builder.simple("reshape", "rows", mean, out_shape=(4, 48))
    hidden = builder.dense("hidden", rows, 6, activation="relu")
    builder.simple("softmax", "softmax", hidden)
    builder.simple("global_avg_pool", "pool", mean, out_shape=(8,))
    return builder.finish()


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_a_synthesized_network_is_read_as_it_was_written(seed: int) -> None:
    graph = SPACES[seed % 3].sample(np.random.default_rng(seed)).graph()
    model = synthesize(graph)
    read = graph_from_tflite(model)
    assert (read.input_shape, bare(read)) == (graph.input_shape, bare(graph))
    assert [op.name for op in read.ops] == [op.name for op in graph.ops]
    assert read.macs == graph.macs and is_int8(model) and float_operations(model) == []


def test_every_kind_is_read() -> None:
    assert bare(graph_from_tflite(synthesize(every_kind()))) == bare(every_kind())


def test_converted_and_compacted_networks_are_read() -> None:
    for network in micro_networks():
        for model in (network.model, compact(network.model)):
            read = graph_from_tflite(model)
            assert bare(read) == bare(network.graph)
            assert len({op.name for op in read.ops}) == len(read.ops)
            assert is_int8(model) and float_operations(model) == []


def test_a_float_network_has_the_same_operations_and_is_not_int8() -> None:
    model = float_network().model
    assert bare(graph_from_tflite(model)) == bare(graph_from_tflite(users_networks()[0].model))
    assert not is_int8(model)
    kinds = [text.split()[0] for text in float_operations(model)]
    assert kinds == [
        "CONV_2D", "MAX_POOL_2D", "AVERAGE_POOL_2D", "RESHAPE", "FULLY_CONNECTED", "FULLY_CONNECTED",
        "SOFTMAX",
    ]  # fmt: skip


def test_quantization_at_the_ends_is_not_part_of_the_network() -> None:
    int8_ends, float_ends = padded_networks()
    assert bare(graph_from_tflite(float_ends)) == bare(graph_from_tflite(int8_ends))
    assert is_int8(float_ends) and float_operations(float_ends) == []
    kinds = ["pad", "conv2d", "global_avg_pool", "conv2d", "reshape", "softmax"]
    assert [op.kind for op in graph_from_tflite(float_ends).ops] == kinds


def changed(change: Any, model: bytes | None = None) -> bytes:
    parsed = schema.ModelT.InitFromPackedBuf(model or tiny_model(), 0)
    change(parsed, parsed.subgraphs[0])
    builder = flatbuffers.Builder(1 << 16)
    builder.Finish(parsed.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def test_one_operation_that_fell_back_to_float_is_named() -> None:
    def fall_back(model: Any, subgraph: Any) -> None:
        subgraph.tensors[subgraph.operators[-1].outputs[0]].type = schema.TensorType.FLOAT32

    model = changed(fall_back, synthesize(SPACES[0].sample(np.random.default_rng(0)).graph()))
    (named,) = float_operations(model)
    assert named.startswith("SOFTMAX '") and not is_int8(model)


def test_a_quantization_in_the_middle_is_an_operation() -> None:
    def quantize(model: Any, subgraph: Any) -> None:
        model.operatorCodes[subgraph.operators[1].opcodeIndex].builtinCode = schema.BuiltinOperator.QUANTIZE

    builder = GraphBuilder((4,))
    tensor = builder.simple("softmax", "a", 0)
    tensor = builder.simple("activation", "middle", tensor, activation="relu")
    builder.dense("z", tensor, 3)
    graph = graph_from_tflite(changed(quantize, synthesize(builder.finish())))
    assert [(op.kind, op.name) for op in graph.ops[:2]] == [("softmax", "a"), ("quantize", "middle")]


def option(name: str, value: int) -> Any:
    return lambda model, subgraph: setattr(subgraph.operators[0].builtinOptions, name, value)


def operator_code(code: int) -> Any:
    def change(model: Any, subgraph: Any) -> None:
        model.operatorCodes[0].builtinCode = code
        model.operatorCodes[0].deprecatedBuiltinCode = min(code, 127)

    return change


def shape_of(tensor: int, shape: tuple[int, ...]) -> Any:
    return lambda model, subgraph: setattr(subgraph.tensors[tensor], "shape", np.array(shape, np.int32))


def type_of_all(kind: int) -> Any:
    return lambda model, subgraph: [setattr(tensor, "type", kind) for tensor in subgraph.tensors]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (operator_code(schema.BuiltinOperator.TRANSPOSE_CONV), "TRANSPOSE_CONV 'tiny' reads no computed"),
        (operator_code(schema.BuiltinOperator.UNIQUE), "UNIQUE 'tiny' has no cost; expected one of ABS, ADD"),
        (operator_code(4_000), "operator 4000 'tiny' has no cost"),
        (option("dilationWFactor", 0), "has window .3, 3, 1, 0,"),
        (option("fusedActivationFunction", 4), "activation 4; expected none, relu or relu6"),
        (option("strideW", 0), "stride .1, 0."),
        (option("padding", 7), "expected 1 or more"),
        (shape_of(0, (2, 14, 14, 32)), "expected a batch of 1"),
        (shape_of(0, (1, 14, 14, 20)), "has 32 filters for 20 channels; expected a multiple"),
        (shape_of(3, (1, 9, 14, 32)), r"writes \(9, 14, 32\); expected \(14, 14, 32\)"),
        (shape_of(0, (1, 14, 32)), r"expected \(height, width, channels\)"),
        (type_of_all(schema.TensorType.STRING), "is of type string; expected a network of numbers"),
        (lambda model, subgraph: setattr(subgraph, "inputs", np.array([0, 1], np.int32)), "2 inputs"),
        (lambda model, subgraph: setattr(model, "subgraphs", [subgraph] * 2), "2 subgraphs"),
        (lambda model, subgraph: setattr(subgraph.operators[0], "builtinOptions", None), "lacks its options"),
        (lambda model, subgraph: setattr(subgraph.operators[0], "opcodeIndex", 9), "operator code 9 of 1"),
        (lambda model, subgraph: setattr(subgraph.tensors[1], "buffer", 99), "buffer 99"),
        (lambda model, subgraph: setattr(subgraph.tensors[1], "buffer", 0), "no constant as its input 1"),
    ],
)  # fmt: skip
def test_a_form_without_a_cost_is_refused_by_name(change: Any, message: str) -> None:
    with pytest.raises(UnsupportedError, match=message):
        graph_from_tflite(changed(change))


def test_no_change_is_no_reason_to_refuse() -> None:
    assert [op.kind for op in graph_from_tflite(changed(lambda model, subgraph: None)).ops] == [
        "depthwise_conv2d"
    ]


@pytest.mark.parametrize(
    "model", [b"", b"TFL3", b"\0" * 100, b"\x1c\0\0\0TFL3", b"#!/bin/sh\necho hello\n" * 10]
)
def test_bytes_that_are_no_model_are_refused(model: bytes) -> None:
    for question in (graph_from_tflite, is_int8, float_operations):
        with pytest.raises(UnsupportedError, match=r"\.tflite file"):
            question(model)


def test_every_truncation_is_refused_or_read_in_one_line() -> None:
    model = tiny_model()
    for length in range(0, len(model), 7):
        assert_answered(model[:length])


def test_damaged_files_never_crash_or_hang() -> None:
    rng = random.Random(0)
    whole = compact(synthesize(every_kind()))
    answers = [assert_answered(damage(whole, rng)) for _ in range(2500)]
    assert 100 < sum(answers) < 2400  # the damage reaches what is read, and does not destroy all


def damage(model: bytes, rng: random.Random) -> bytes:
    data = bytearray(model)
    if rng.random() < 0.2:
        return bytes(data[: rng.randrange(len(data))])
    for _ in range(rng.randrange(1, 6)):
        extreme = [0, 1, 2**31 - 1, 2**31, 2**32 - 1, rng.randrange(2**32), rng.randrange(len(data))]
        struct.pack_into("<I", data, rng.randrange(len(data) - 4), rng.choice(extreme))
    return bytes(data)


def assert_answered(model: bytes) -> bool:
    """Each question gets an answer or a refusal of one line; whether the graph was refused."""
    refused = False
    for question in (is_int8, float_operations, graph_from_tflite):
        try:
            question(model)
            refused = False
        except UnsupportedError as error:
            assert "\n" not in str(error) and len(str(error)) < 2500
            refused = True
    return refused
