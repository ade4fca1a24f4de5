"""Synthesized files: they run, hold what the graph says, and match the converter's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from edgenas.arch import GraphBuilder, MicroSpace, Op, OpGraph
from edgenas.errors import UnsupportedError
from edgenas.profile.sweep import fan
from edgenas.profile.synthesize import synthesize


def run(model: bytes) -> list[np.ndarray]:
    interpreter = Interpreter(model_content=model, num_threads=1)
    interpreter.allocate_tensors()
    entry = interpreter.get_input_details()[0]
    image = np.random.default_rng(0).integers(-128, 128, entry["shape"], dtype=np.int8)
    interpreter.set_tensor(entry["index"], image)
    interpreter.invoke()
    return [interpreter.get_tensor(detail["index"]) for detail in interpreter.get_output_details()]


def every_kind() -> OpGraph:
    builder = GraphBuilder((12, 10, 3))
    stem = builder.window("conv2d", "stem", 0, filters=8, kernel=3, stride=2, activation="relu6")
    deep = builder.window("depthwise_conv2d", "deep", stem, kernel=5, activation="relu")
    wide = builder.window("conv2d", "wide", deep, filters=8)
    added = builder.simple("add", "added", stem, wide)
    clipped = builder.simple("activation", "clipped", added, activation="relu6")
    padded = builder.simple("pad", "padded", clipped, out_shape=(8, 7, 8))
    largest = builder.window("max_pool2d", "largest", padded, kernel=2, stride=2, padding="valid")
    mean = builder.window("avg_pool2d", "mean", largest, kernel=2, stride=1)
    flat = builder.simple("reshape", "flat", mean, out_shape=(4 * 3 * 8,))
    hidden = builder.dense("hidden", flat, 6, activation="relu")
    builder.simple("softmax", "softmax", hidden)
    return builder.finish()


def model_of(data: bytes) -> Any:
    return schema.ModelT.InitFromPackedBuf(data, 0)


def test_every_kind_runs_and_gives_probabilities() -> None:
    (out,) = run(synthesize(every_kind()))
    assert out.shape == (1, 6) and out.dtype == np.int8
    assert np.sum(out.astype(int) + 128) == pytest.approx(256, abs=4)


@pytest.mark.parametrize("kind", ["conv2d", "depthwise_conv2d", "dense"])
def test_outputs_neither_vanish_nor_saturate(kind: str) -> None:
    builder = GraphBuilder((8, 8, 16) if kind != "dense" else (64,))
    if kind == "dense":
        builder.dense("one", 0, 200)
    else:
        builder.window(kind, "one", 0, filters=16, kernel=3)
    (out,) = run(synthesize(builder.finish()))
    assert 15 < out.std() < 110
    assert np.mean(np.abs(out.astype(int)) >= 127) < 0.2


def test_the_file_holds_the_shapes_of_the_graph() -> None:
    graph = every_kind()
    subgraph = model_of(synthesize(graph)).subgraphs[0]
    written = [tuple(subgraph.tensors[op.outputs[0]].shape) for op in subgraph.operators]
    assert written == [(1, *op.out_shape) for op in graph.ops]
    weights = [tuple(subgraph.tensors[subgraph.operators[k].inputs[1]].shape) for k in (0, 1, 9)]
    assert weights == [graph.ops[k].weight_shape for k in (0, 1, 9)]


def test_buffers_are_aligned_to_16_bytes() -> None:
    data = synthesize(every_kind())
    model = schema.Model.GetRootAs(data, 0)
    addresses = []
    for number in range(model.BuffersLength()):
        buffer = model.Buffers(number)
        if buffer.DataLength():
            addresses.append(buffer._tab.Vector(buffer._tab.Offset(4)))
    assert len(addresses) == 10  # four times weights and bias, amounts of padding, shape of reshape
    assert [address % 16 for address in addresses] == [0] * len(addresses)


def test_one_seed_gives_one_file() -> None:
    assert synthesize(every_kind(), 3) == synthesize(every_kind(), 3)
    assert synthesize(every_kind(), 3) != synthesize(every_kind(), 4)


def test_a_fan_has_an_output_for_each_copy_with_weights_of_its_own() -> None:
    builder = GraphBuilder((6, 6, 4))
    builder.window("conv2d", "one", 0, filters=8, kernel=3)
    outputs = run(synthesize(fan(builder.ops[0], 5)))
    assert [out.shape for out in outputs] == [(1, 6, 6, 8)] * 5
    assert len({out.tobytes() for out in outputs}) == 5


@pytest.mark.parametrize("seed", range(6))
def test_random_networks_of_micro_run(seed: int) -> None:
    space = MicroSpace((8, 8, 1), 10)
    (out,) = run(synthesize(space.sample(np.random.default_rng(seed)).graph()))
    assert out.shape == (1, 10)


def test_an_unknown_operation_is_refused() -> None:
    graph = OpGraph((4,), (Op("fourier", "f", (0,), (4,), (4,)),))
    with pytest.raises(UnsupportedError, match="fourier"):
        synthesize(graph)
    lone = OpGraph((4,), (Op("activation", "a", (0,), (4,), (4,), activation="gelu"),))
    with pytest.raises(UnsupportedError, match="gelu"):
        synthesize(lone)


def test_it_is_the_file_that_the_converter_writes_but_for_weights() -> None:
    graph = MicroSpace((16, 16, 3), 10).sample(np.random.default_rng(1)).graph()
    assert {op.kind for op in graph.ops} >= {"conv2d", "depthwise_conv2d", "add", "dense", "softmax"}
    assert outline(synthesize(graph)) == outline(converted(graph))


def outline(data: bytes) -> list[tuple[Any, ...]]:
    """Operator, version, options, and shape, type and quantized axis of each tensor, in running order."""
    model = model_of(data)
    subgraph, lines = model.subgraphs[0], []
    for operator in model.subgraphs[0].operators:
        code = model.operatorCodes[operator.opcodeIndex]
        options = operator.builtinOptions
        tensors = [subgraph.tensors[index] for index in (*operator.inputs, *operator.outputs)]
        kinds = [(tuple(tensor.shape), tensor.type) for tensor in tensors]
        if len(operator.inputs) == 3:  # weights and bias are quantized per channel
            scales = [(len(t.quantization.scale), t.quantization.quantizedDimension) for t in tensors[1:3]]
            kinds += scales  # type: ignore[arg-type]
        names = ("padding", "strideW", "strideH", "fusedActivationFunction", "depthMultiplier", "keepDims")
        settings = [getattr(options, name, None) for name in names]
        lines.append((code.builtinCode, code.version, settings, sorted(map(str, kinds))))
    return lines


def converted(graph: OpGraph) -> bytes:
    """The same graph through Keras and TensorFlow's converter."""
    import tensorflow as tf
    import tf_keras

    from edgenas.build.builder import build_model

    model = build_model(graph, tf_keras)
    rng = np.random.default_rng(0)
    model.set_weights([weight + rng.uniform(0, 0.1, weight.shape) for weight in model.get_weights()])
    function = tf.function(lambda image: model(image, training=False))
    concrete = function.get_concrete_function(tf.TensorSpec((1, *graph.input_shape), tf.float32))
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: (
        [rng.random((1, *graph.input_shape), np.float32)] for _ in range(4)
    )
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    return bytes(converter.convert())
