"""Synthesized ONNX files: they run, hold what the graph says, and fuse as exported ones do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from edgenas.arch import SPACES, GraphBuilder, MicroSpace, Op, OpGraph
from edgenas.build.read_onnx import graph_from_onnx
from edgenas.errors import UnsupportedError
from edgenas.profile.sweep import fan, operations
from edgenas.profile.synthesize import synthesize
from edgenas.profile.synthesize_onnx import synthesize_onnx
from tests.profile.test_synthesize import every_kind

PRECISIONS = ("int8", "float32")


def run(model: bytes) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    entry = session.get_inputs()[0]
    kind = np.uint8 if entry.type == "tensor(uint8)" else np.float32
    image = np.random.default_rng(0).integers(0, 2, entry.shape).astype(kind)
    return list(session.run(None, {entry.name: image}))


@pytest.mark.parametrize("precision", PRECISIONS)
def test_every_kind_runs_and_gives_probabilities(precision: str) -> None:
    (out,) = run(synthesize_onnx(every_kind(), 0, precision))
    assert out.shape == (1, 6)
    assert out.sum() == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("shape", [(16, 16, 3), (12, 10, 1)])
def test_a_network_read_back_is_the_network(precision: str, shape: tuple[int, ...]) -> None:
    graph = MicroSpace(shape, 10).sample(np.random.default_rng(1)).graph()
    read = graph_from_onnx(synthesize_onnx(graph, 0, precision))
    assert (read.macs, read.input_shape) == (graph.macs, graph.input_shape)
    assert [(op.kind, op.out_shape) for op in read.ops] == [(op.kind, op.out_shape) for op in graph.ops]


@pytest.mark.parametrize("precision", PRECISIONS)
def test_every_operation_of_micro_runs_as_a_fan(precision: str) -> None:
    found = list(operations([MicroSpace((8, 8, 1), 3)]).values())
    for op in found[:: len(found) // 12]:
        outputs = run(synthesize_onnx(fan(op, 2), 0, precision, bare=True))
        pixel = (1, op.out_shape[-1], 1, 1) if len(op.out_shape) == 3 else (1, *op.out_shape)
        assert [out.shape for out in outputs] == [pixel] * 2


def test_one_seed_gives_one_file() -> None:
    assert synthesize_onnx(every_kind(), 3) == synthesize_onnx(every_kind(), 3)
    assert synthesize_onnx(every_kind(), 3) != synthesize_onnx(every_kind(), 4)


def test_onnxruntime_leaves_no_convolution_of_a_residual_network_in_float(tmp_path: Path) -> None:
    builder = GraphBuilder((12, 12, 3))
    tensor = builder.window("conv2d", "stem", 0, filters=16, kernel=3, activation="relu6")
    for number in range(2):
        deep = builder.window("depthwise_conv2d", f"dw{number}", tensor, kernel=3, activation="relu6")
        thin = builder.window("conv2d", f"pw{number}", deep, filters=16)
        tensor = builder.simple("add", f"add{number}", tensor, thin)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    model = synthesize_onnx(builder.finish())
    onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    kinds = [node.op_type for node in onnx.load(tmp_path / "optimized.onnx").graph.node]
    assert kinds.count("QLinearConv") == 5 and "Conv" not in kinds


def test_what_has_no_writer_is_refused_by_name() -> None:
    with pytest.raises(UnsupportedError, match="fourier"):
        synthesize_onnx(OpGraph((4,), (Op("fourier", "f", (0,), (4,), (4,)),)))
    grouped = Op("conv2d", "wide", (0,), (8, 8, 4), (8, 8, 4), (3, 3), groups=2)
    for write in (synthesize, synthesize_onnx):
        with pytest.raises(UnsupportedError, match="groups"):
            write(OpGraph((8, 8, 4), (grouped,)))


@pytest.mark.parametrize("precision", ["int8", "float32"])
@pytest.mark.parametrize("bare", [True, False])
def test_operations_over_time_and_features_run(precision: str, bare: bool) -> None:
    for space in (SPACES.get("sequence")((12, 3), 4), SPACES.get("dense")((20,), 4)):
        forms = {(op.kind, op.activation, op.padding, op.dilation): op for op in space.operations()}
        for op in forms.values():
            model = synthesize_onnx(fan(op, 2), 1, precision, bare=bare)
            options = onnxruntime.SessionOptions()
            options.log_severity_level = 4
            onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
