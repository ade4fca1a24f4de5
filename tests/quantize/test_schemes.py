"""Every registered scheme, and what is particular to full int8."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
import tf_keras

from edgenas.arch.graph import GraphBuilder
from edgenas.build.builder import build_model
from edgenas.build.read_tflite import is_int8
from edgenas.errors import DataError, UnsupportedError
from edgenas.export.onnx import float32_onnx
from edgenas.export.running import load_onnx, load_tflite
from edgenas.export.tflite import float32_tflite
from edgenas.quantize import SCHEMES, Scheme
from edgenas.quantize.post_training import full_int8

SHAPE = (8, 8, 3)


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(0).random((64, *SHAPE), dtype=np.float32)


@pytest.fixture(scope="module")
def model() -> Any:
    tf_keras.utils.set_random_seed(1)
    graph = GraphBuilder(SHAPE)
    hidden = graph.window("conv2d", "first", 0, filters=8, kernel=3, batch_norm=True, activation="relu6")
    hidden = graph.window("depthwise_conv2d", "second", hidden, kernel=3, stride=2, batch_norm=True)
    pooled = graph.simple("global_avg_pool", "pool", hidden, out_shape=(8,))
    graph.simple("softmax", "softmax", graph.dense("dense", pooled, 5))
    return build_model(graph.finish(), tf_keras)


@pytest.fixture(scope="module")
def float_onnx(model: Any) -> bytes:
    return float32_onnx(float32_tflite(model, SHAPE))


@pytest.fixture(params=SCHEMES.names())
def scheme(request: pytest.FixtureRequest) -> Scheme:
    return SCHEMES.get(request.param)()


def test_a_scheme_gives_files_near_the_float_network(
    scheme: Scheme, model: Any, float_onnx: bytes, images: np.ndarray
) -> None:
    reference = np.asarray(model(images))
    for program in (load_tflite(scheme.tflite(model, images)), load_onnx(scheme.onnx(float_onnx, images))):
        assert program.input.shape == (1, *SHAPE)
        assert np.abs(program.run(images) - reference).max() < 0.05


def test_a_scheme_refuses_bad_calibration_in_both_formats(
    scheme: Scheme, model: Any, float_onnx: bytes, images: np.ndarray
) -> None:
    for quantize in (lambda bad: scheme.tflite(model, bad), lambda bad: scheme.onnx(float_onnx, bad)):
        with pytest.raises(DataError, match="2 calibration images"):
            quantize(images[:2])
        with pytest.raises(DataError, match="shape"):
            quantize(images[:, :4])


def test_full_int8_is_int8_throughout_and_the_same_each_time(model: Any, images: np.ndarray) -> None:
    first, second = full_int8(model, images), full_int8(model, images)
    assert is_int8(first)
    assert first == second


def test_qdq_keeps_a_float_input_of_the_same_name(float_onnx: bytes, images: np.ndarray) -> None:
    quantized = onnx.load_from_string(SCHEMES.get("full-int8")().onnx(float_onnx, images))
    assert [(port.name, port.type.tensor_type.elem_type) for port in quantized.graph.input] == [
        ("input", onnx.TensorProto.FLOAT)
    ]
    kinds = {node.op_type for node in quantized.graph.node}
    assert {"QuantizeLinear", "DequantizeLinear"} < kinds


def test_what_is_no_onnx_network_of_one_image_is_refused_in_one_line(images: np.ndarray) -> None:
    loop = onnx.helper.make_node("NonMaxSuppression", ["input", "input"], ["output"])
    ports = [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, *SHAPE])
        for name in ("input", "output")
    ]
    graph = onnx.helper.make_graph([loop], "broken", ports[:1], ports[1:])
    broken = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)])
    with pytest.raises(UnsupportedError, match="int8 ONNX quantization failed") as caught:
        SCHEMES.get("full-int8")().onnx(broken.SerializeToString(), images)
    assert "\n" not in str(caught.value)
