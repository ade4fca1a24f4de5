"""Compacted files compute the same, bit by bit, and hold nothing a runtime does not need."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from edgenas.arch import GraphBuilder, Op, OpGraph
from edgenas.errors import UnsupportedError
from edgenas.export.compact import compact
from edgenas.profile.synthesize import synthesize, tiny_model
from tests.converted import float_network, micro_networks, users_networks

WHAT_COMPUTES = (
    "inputs", "outputs", "builtinOptionsType", "customOptions", "mutatingVariableInputs", "intermediates",
)  # fmt: skip


def litert_output(model: bytes, seed: int = 0) -> np.ndarray:
    interpreter = Interpreter(model_content=model, num_threads=1)
    interpreter.allocate_tensors()
    entry = interpreter.get_input_details()[0]
    interpreter.set_tensor(entry["index"], image(entry["shape"], entry["dtype"], seed))
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


def micro_output(model: bytes, seed: int = 0) -> np.ndarray:
    from tflite_micro import runtime

    interpreter = runtime.Interpreter.from_bytes(model, arena_size=4 << 20)
    entry = interpreter.get_input_details(0)
    interpreter.set_input(image(entry["shape"], entry["dtype"], seed), 0)
    interpreter.invoke()
    return interpreter.get_output(0)


def image(shape: Any, kind: Any, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    if kind == np.int8:
        return rng.integers(-128, 128, tuple(shape), dtype=np.int8)
    return rng.random(tuple(shape), np.float32)


def parsed(model: bytes) -> Any:
    return schema.ModelT.InitFromPackedBuf(model, 0)


def test_int8_networks_compute_the_same_in_both_runtimes() -> None:
    for network in (*micro_networks(), *users_networks()):
        small = compact(network.model)
        for seed in range(3):
            assert np.array_equal(litert_output(small, seed), litert_output(network.model, seed))
            assert np.array_equal(micro_output(small, seed), micro_output(network.model, seed))


def test_a_float_network_computes_the_same() -> None:
    small = compact(float_network().model)
    assert np.array_equal(litert_output(small), litert_output(float_network().model))
    assert len(small) < len(float_network().model)


def test_an_lstm_keeps_its_states() -> None:
    graph = OpGraph((9, 3), (Op("lstm", "lstm", (0,), (9, 3), (9, 5), constants=20),))
    model = synthesize(graph)
    small = compact(model)
    assert np.array_equal(litert_output(small), litert_output(model))
    assert np.array_equal(micro_output(small), micro_output(model))
    assert [tensor.isVariable for tensor in parsed(small).subgraphs[0].tensors].count(True) == 2


def test_equal_axes_and_shapes_are_stored_once() -> None:
    builder = GraphBuilder((6, 4))
    for time in (1, 1, 2):
        builder.step(f"at{time}", 0, time)
    tensors = parsed(compact(synthesize(builder.finish()))).subgraphs[0].tensors
    assert len([tensor for tensor in tensors if tensor.type == schema.TensorType.INT32]) == 5  # of 9


def test_what_decides_the_computation_is_untouched() -> None:
    for network in (micro_networks()[0], *users_networks()):
        before, after = parsed(network.model), parsed(compact(network.model))
        assert sorted(map(content, operators(before))) == sorted(map(content, operators(after)))
        for model in (before, after):
            entries = [model.subgraphs[0].tensors[k] for k in model.subgraphs[0].inputs]
            assert [tensor.shape.tolist() for tensor in entries] == [[1, *network.graph.input_shape]]


def test_a_network_in_a_row_keeps_its_order() -> None:
    before, after = (
        parsed(model) for model in (micro_networks()[0].model, compact(micro_networks()[0].model))
    )
    for old, new in zip(before.subgraphs[0].operators, after.subgraphs[0].operators, strict=True):
        assert all(np.array_equal(getattr(old, name), getattr(new, name)) for name in WHAT_COMPUTES)
        assert old.opcodeIndex == new.opcodeIndex
    for old, new in zip(before.subgraphs[0].tensors, after.subgraphs[0].tensors, strict=True):
        assert old.type == new.type and np.array_equal(old.shape, new.shape)
        same_data(before.buffers[old.buffer].data, after.buffers[new.buffer].data)
        same_quantization(old.quantization, new.quantization)


def operators(model: Any) -> list[tuple[Any, Any]]:
    return [(model, operator) for operator in model.subgraphs[0].operators]


def content(entry: tuple[Any, Any]) -> str:
    """An operator with all that it reads and writes, without the numbers under which a file keeps them."""
    model, operator = entry
    code = model.operatorCodes[operator.opcodeIndex]
    lines = [str(max(code.builtinCode, code.deprecatedBuiltinCode)), str(code.version)]
    lines.append(str(sorted(vars(operator.builtinOptions).items())) if operator.builtinOptions else "")
    for number in (*operator.inputs, *operator.outputs):
        tensor = model.subgraphs[0].tensors[number] if number >= 0 else None
        if tensor is None:
            lines.append("none")
            continue
        data = model.buffers[tensor.buffer].data
        scale = tensor.quantization.scale if tensor.quantization else None
        lines += [
            str(tensor.shape),
            str(tensor.type),
            "" if data is None else np.asarray(data).tobytes().hex(),
        ]
        lines.append("" if scale is None else np.asarray(scale).tobytes().hex())
    return "|".join(lines)


def same_data(old: Any, new: Any) -> None:
    assert (old is None) == (new is None)
    assert old is None or np.array_equal(old, new)


def same_quantization(old: Any, new: Any) -> None:
    for name in ("scale", "zeroPoint", "min", "max", "quantizedDimension"):
        values = [getattr(entry, name, None) if entry else None for entry in (old, new)]
        if name != "quantizedDimension" or new is not None:  # parameters without scales are left out whole
            assert np.array_equal(*values)


def test_names_metadata_signatures_and_empty_buffers_are_gone() -> None:
    model = parsed(compact(micro_networks()[0].model))
    tensors = model.subgraphs[0].tensors
    assert [tensor.name.decode() for tensor in tensors] == [str(number) for number in range(len(tensors))]
    assert not model.metadata and not model.signatureDefs and model.description == b"edgenas"
    used = {tensor.buffer for tensor in tensors}
    assert used == set(range(len(model.buffers)))
    assert [k for k, buffer in enumerate(model.buffers) if buffer.data is None] == [0]
    contents = [buffer.data.tobytes() for buffer in model.buffers[1:]]
    assert len(contents) == len(set(contents))


def test_equal_biases_of_zeros_are_stored_once() -> None:
    without_biases = users_networks()[1]
    model = parsed(compact(without_biases.model))
    zeros = [buffer for buffer in model.buffers[1:] if not buffer.data.any()]
    readers = [t for t in model.subgraphs[0].tensors if model.buffers[t.buffer] in zeros]
    assert len(zeros) == 1 and len(readers) == 3


def test_constants_start_on_16_byte_boundaries() -> None:
    model = schema.Model.GetRootAs(compact(micro_networks()[0].model), 0)
    buffers = [model.Buffers(k) for k in range(1, model.BuffersLength())]
    assert buffers and all(buffer._tab.Vector(buffer._tab.Offset(4)) % 16 == 0 for buffer in buffers)


def test_compacting_twice_changes_nothing_more() -> None:
    for model in (micro_networks()[0].model, float_network().model):
        small = compact(model)
        assert compact(small) == small and len(small) < len(model)


def test_names_of_layers_do_not_change_the_size() -> None:
    model = parsed(users_networks()[0].model)
    for tensor in model.subgraphs[0].tensors:
        tensor.name = "a/much/longer/name/" * 20
    import flatbuffers

    builder = flatbuffers.Builder(1 << 16)
    builder.Finish(model.Pack(builder), b"TFL3")
    assert compact(bytes(builder.Output())) == compact(users_networks()[0].model)


@pytest.mark.parametrize("bytes_", [b"", b"not a model at all", tiny_model()[:200]])
def test_bytes_that_are_no_model_are_refused(bytes_: bytes) -> None:
    with pytest.raises(UnsupportedError, match=r"\.tflite file"):
        compact(bytes_)


def repacked(change: Any) -> bytes:
    import flatbuffers

    model = parsed(tiny_model())
    change(model)
    builder = flatbuffers.Builder(1 << 16)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def test_what_a_compacted_file_could_not_hold_is_refused() -> None:
    def with_custom_operator(model: Any) -> None:
        model.operatorCodes[0].customCode = "Mine"

    def with_two_subgraphs(model: Any) -> None:
        model.subgraphs = model.subgraphs * 2

    for change, message in (
        (with_custom_operator, "custom operators"),
        (with_two_subgraphs, "2 subgraphs"),
    ):
        with pytest.raises(UnsupportedError, match=message):
            compact(repacked(change))
