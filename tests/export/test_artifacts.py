"""What holds for every artifact of every network."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path

import flatbuffers
import numpy as np
import onnx
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from edgenas.build.read_tflite import float_operations
from edgenas.export.compact import compact
from edgenas.export.manifest import read_manifest
from edgenas.export.running import Program, load_onnx, load_tflite
from tests.export.digit_bundles import SHAPE, Exported, Images

FILES = ["model.float32.onnx", "model.float32.tflite", "model.int8.onnx", "model.int8.tflite"]


def load(path: Path) -> Program:
    return (load_tflite if path.suffix == ".tflite" else load_onnx)(path.read_bytes())


def onnx_graph(bundle: Exported, precision: str) -> onnx.GraphProto:
    return onnx.load(bundle.folder / f"model.{precision}.onnx").graph


def test_a_bundle_holds_the_four_files_and_what_uses_them(bundle: Exported) -> None:
    files = [path.name for path in bundle.folder.iterdir() if path.is_file()]
    documents = ["manifest.json", "README.md", "model_card.md", "LICENSES.md"]
    assert sorted(files) == sorted([*FILES, *documents])
    folders = {path.name for path in bundle.folder.iterdir() if path.is_dir()}
    assert folders == {"c", "projects", "samples", "test_vectors"}
    assert bundle.manifest.proof is not None and bundle.manifest.proof.failures == []
    assert list(bundle.folder.parent.glob(".*")) == []
    assert read_manifest(bundle.folder) == bundle.manifest


@pytest.mark.parametrize("file", FILES)
def test_every_file_does_what_keras_does(bundle: Exported, digits: Images, file: str) -> None:
    entry, program = bundle.manifest.artifact(file), load(bundle.folder / file)
    outputs = program.run(digits.validation[0])
    agreement = float(np.mean(outputs.argmax(-1) == bundle.reference.argmax(-1)))
    difference = float(np.abs(outputs - bundle.reference).max())
    assert entry.parity.images == len(outputs)
    assert entry.parity.agreement == pytest.approx(agreement)
    assert entry.parity.max_abs_difference == pytest.approx(difference, abs=1e-7)
    assert agreement >= 0.98
    assert file.startswith("model.int8") or difference <= 1e-4


@pytest.mark.parametrize("file", FILES)
def test_the_manifest_tells_the_truth_about_each_file(bundle: Exported, digits: Images, file: str) -> None:
    entry, content = bundle.manifest.artifact(file), (bundle.folder / file).read_bytes()
    assert entry.bytes == len(content)
    assert entry.sha256 == hashlib.sha256(content).hexdigest()
    assert file == f"model.{entry.precision}.{entry.format}"
    program = load(bundle.folder / file)
    assert (entry.input, entry.output) == (program.input, program.output)
    assert entry.input.shape == (1, *SHAPE) and entry.output.shape == (1, 10)
    for name, (images, labels) in (("validation", digits.validation), ("test", digits.test)):
        right = float(np.mean(program.run(images).argmax(-1) == labels))
        assert entry.accuracy[name] == pytest.approx(right)
        assert right > 0.85


def test_the_int8_tflite_file_is_int8_from_end_to_end(bundle: Exported) -> None:
    content = (bundle.folder / "model.int8.tflite").read_bytes()
    assert float_operations(content) == []
    entry = bundle.manifest.artifact("model.int8.tflite")
    assert entry.input.dtype == entry.output.dtype == "int8"
    assert entry.input.scale == pytest.approx(1 / 255, rel=0.02)
    assert (entry.output.scale, entry.output.zero_point) == (1 / 256, -128)


def test_tflite_files_are_compact(bundle: Exported) -> None:
    for precision in ("float32", "int8"):
        content = (bundle.folder / f"model.{precision}.tflite").read_bytes()
        assert compact(content) == content


def test_onnx_has_every_batch_normalization_folded(bundle: Exported) -> None:
    kinds = Counter(node.op_type for node in onnx_graph(bundle, "float32").node)
    assert kinds["BatchNormalization"] == kinds["Mul"] == kinds["Sub"] == 0
    assert kinds["Transpose"] <= 2
    adds = {"separable": 1, "bottleneck": 1}
    assert kinds["Add"] == adds.get(bundle.manifest.description["network"], 0)


def test_the_int8_onnx_file_feeds_int8_to_every_operation_with_weights(bundle: Exported) -> None:
    graph = onnx_graph(bundle, "int8")
    writer = {name: node for node in graph.node for name in node.output}
    constants = {constant.name: constant for constant in graph.initializer}
    weighted = [node for node in graph.node if node.op_type in ("Conv", "Gemm", "MatMul")]
    assert weighted
    for node in weighted:
        sources = [writer[name] for name in node.input]
        assert {source.op_type for source in sources} == {"DequantizeLinear"}
        weights = constants[sources[1].input[0]]
        assert weights.data_type == onnx.TensorProto.INT8
        if node.op_type == "Conv":
            assert list(constants[sources[1].input[1]].dims) == [weights.dims[0]], "one scale a channel"


def without_classifier(content: bytes) -> bytes:
    """A file that ends before its fully connected layer and softmax."""
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    subgraph, kinds = model.subgraphs[0], schema.BuiltinOperator
    for kind in (kinds.SOFTMAX, kinds.FULLY_CONNECTED):
        last = subgraph.operators.pop()
        assert model.operatorCodes[last.opcodeIndex].builtinCode == kind
    subgraph.outputs = [last.inputs[0]]
    builder = flatbuffers.Builder()
    builder.Finish(model.Pack(builder), b"TFL3")
    return compact(bytes(builder.Output()))


def both_outputs(content: bytes, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What TFLite-Micro and LiteRT's reference kernels give for int8 images, as int32."""
    runtime = pytest.importorskip("tflite_micro", reason="tflite-micro is a development extra").runtime
    reference = Interpreter(model_content=content, experimental_op_resolver_type=OpResolverType.BUILTIN_REF)
    reference.allocate_tensors()
    source, target = reference.get_input_details()[0]["index"], reference.get_output_details()[0]["index"]
    micro = runtime.Interpreter.from_bytes(content)
    found: list[tuple[np.ndarray, np.ndarray]] = []
    for image in images:
        reference.set_tensor(source, image[None])
        reference.invoke()
        micro.set_input(image[None], 0)
        micro.invoke()
        found.append((micro.get_output(0).astype(int), reference.get_tensor(target).astype(int)))
    ours, theirs = (np.concatenate(part) for part in zip(*found, strict=True))
    return ours, theirs


def test_tflite_micro_computes_what_the_reference_kernels_compute(bundle: Exported, digits: Images) -> None:
    """Bit for bit up to the fully connected layer, which the two round differently: by one step at most."""
    content = (bundle.folder / "model.int8.tflite").read_bytes()
    images = load_tflite(content).input.quantize(digits.validation[0][:20])
    micro, reference = both_outputs(without_classifier(content), images)
    assert np.array_equal(micro, reference)
    micro, reference = both_outputs(content, images)
    assert np.abs(micro - reference).max() <= 1
    assert np.mean(micro != reference) < 0.02


def test_the_manifest_has_the_arena_of_tflite_micro(bundle: Exported) -> None:
    pytest.importorskip("tflite_micro", reason="tflite-micro is a development extra")
    micro = bundle.manifest.tflite_micro
    assert micro is not None and bundle.manifest.tflite_micro_note is None
    assert micro.images == 100 and micro.agreement >= 0.97
    assert micro.arena_bytes == micro.arena_head_bytes + micro.arena_tail_bytes
    assert micro.arena_head_bytes >= 8 * 8 * (8 + 1)
