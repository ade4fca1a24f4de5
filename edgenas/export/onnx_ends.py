"""From a QDQ graph with int8 ends, as tf2onnx makes it of an int8 ``.tflite`` file, to the house's form.

The house's ``.onnx`` files read and write float32 and have uint8 activations, because ONNX Runtime on
x86-64 leaves convolutions beside residual additions in float if activations are int8. An int8 value
plus 128 is the same step of the same range, so no range changes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgenas.export.running import Port

_SHIFT = 128


def with_float_ends(model: Any, source: Port, target: Port, names: tuple[str, str]) -> None:
    """Change a model in place.

    Args:
        model: An ``onnx.ModelProto`` whose input and output are int8.
        source: Input of the ``.tflite`` file.
        target: Its output.
        names: What input and output are to be called.
    """
    graph = model.graph
    del graph.value_info[:]
    _unsigned_activations(graph)
    old_input, old_output = graph.input[0].name, graph.output[0].name
    _float_port(graph.input[0], names[0])
    _float_port(graph.output[0], names[1])
    first = _quantizer(graph, "QuantizeLinear", names[0], old_input, source)
    last = _quantizer(graph, "DequantizeLinear", old_output, names[1], target)
    nodes = [first, *graph.node, last]
    del graph.node[:]
    graph.node.extend(nodes)


def _unsigned_activations(graph: Any) -> None:
    """Shift the zero points of all quantizers whose data are computed."""
    from onnx import TensorProto, numpy_helper

    constants = {one.name: one for one in graph.initializer}
    shifted: dict[str, str] = {}
    for node in graph.node:
        if node.op_type not in ("QuantizeLinear", "DequantizeLinear") or node.input[0] in constants:
            continue
        name = node.input[2] if len(node.input) > 2 else ""
        if name not in constants or constants[name].data_type != TensorProto.INT8:
            continue
        if name not in shifted:
            shifted[name] = f"{name}_unsigned"
            values = numpy_helper.to_array(constants[name]).astype(np.int16) + _SHIFT
            graph.initializer.append(numpy_helper.from_array(values.astype(np.uint8), shifted[name]))
        node.input[2] = shifted[name]


def _float_port(port: Any, name: str) -> None:
    from onnx import TensorProto

    port.name = name
    port.type.tensor_type.elem_type = TensorProto.FLOAT


def _quantizer(graph: Any, kind: str, read: str, written: str, port: Port) -> Any:
    """A node between a float end and the int8 value it stands for, with its constants."""
    from onnx import helper, numpy_helper

    assert port.scale is not None and port.zero_point is not None
    scale, zero = f"{written}_scale", f"{written}_zero_point"
    graph.initializer.extend([
        numpy_helper.from_array(np.float32(port.scale), scale),
        numpy_helper.from_array(np.uint8(port.zero_point + _SHIFT), zero),
    ])  # fmt: skip
    return helper.make_node(kind, [read, scale, zero], [written], name=f"{written}_{kind}")
