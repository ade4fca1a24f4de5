"""One order of the tensors of a ``.tflite`` file, so that its size follows from the network alone.

TensorFlow's converter orders constants in several ways, depending on how it was called, and writes some
twice. Here stand: the input; the integer constants that tell operations what to do (axes, shapes), each
once, as operations read them; weights, from the last operation's to the first's, biases before weights; then
what operations keep and write, in their order. That is the converter's own order for networks of
convolutions, which therefore stay as they are.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def put_in_order(subgraph: Any, buffers: list[Any]) -> None:
    """Reorder the tensors of a subgraph and renumber all that refer to them.

    Args:
        subgraph: A ``SubGraphT``; changed in place.
        buffers: Its model's ``BufferT`` by number.
    """
    merged = _merge_equal_settings(subgraph, buffers)
    order = dict.fromkeys(int(number) for number in subgraph.inputs)
    for operator in subgraph.operators:
        order.update(dict.fromkeys(n for n in _read(operator) if _is_setting(subgraph, buffers, n)))
    for operator in reversed(subgraph.operators):
        order.update(dict.fromkeys(n for n in reversed(_read(operator)) if _has_data(subgraph, buffers, n)))
    for operator in subgraph.operators:
        kept = [n for n in _read(operator) if subgraph.tensors[n].isVariable]
        order.update(dict.fromkeys([*kept, *_numbers(operator.intermediates), *_numbers(operator.outputs)]))
    order.update(dict.fromkeys(n for n in range(len(subgraph.tensors)) if n not in merged))
    _renumber(subgraph, {former: number for number, former in enumerate(order)})
    subgraph.tensors = [subgraph.tensors[former] for former in order]


def _merge_equal_settings(subgraph: Any, buffers: list[Any]) -> set[int]:
    """Let operations read one of several equal integer constants; returns those that nothing reads now."""
    first: dict[tuple[bytes, ...], int] = {}
    same: dict[int, int] = {}
    for operator in subgraph.operators:
        for number in _read(operator):
            if _is_setting(subgraph, buffers, number):
                tensor = subgraph.tensors[number]
                content = (
                    bytes([tensor.type]),
                    np.asarray(tensor.shape, np.int32).tobytes(),
                    np.asarray(buffers[tensor.buffer].data, np.uint8).tobytes(),
                )
                same[number] = first.setdefault(content, number)
    for operator in subgraph.operators:
        operator.inputs = np.array([same.get(int(n), int(n)) for n in operator.inputs], np.int32)
    return {number for number, kept in same.items() if number != kept}


def _renumber(subgraph: Any, numbers: dict[int, int]) -> None:
    def new(former: Any) -> np.ndarray:
        return np.array([numbers[int(n)] if n >= 0 else -1 for n in former], np.int32)

    subgraph.inputs, subgraph.outputs = new(subgraph.inputs), new(subgraph.outputs)
    for operator in subgraph.operators:
        operator.inputs, operator.outputs = new(operator.inputs), new(operator.outputs)
        if operator.intermediates is not None:
            operator.intermediates = new(operator.intermediates)


def _read(operator: Any) -> list[int]:
    return [number for number in _numbers(operator.inputs) if number >= 0]


def _numbers(values: Any) -> list[int]:
    return [] if values is None else [int(value) for value in values]


def _has_data(subgraph: Any, buffers: list[Any], number: int) -> bool:
    data = buffers[subgraph.tensors[number].buffer].data
    return data is not None and len(data) > 0


def _is_setting(subgraph: Any, buffers: list[Any], number: int) -> bool:
    """Whether a tensor is a constant of integers that stand for themselves."""
    from ai_edge_litert import schema_py_generated as schema

    tensor = subgraph.tensors[number]
    quantization = tensor.quantization
    scaled = quantization is not None and quantization.scale is not None and len(quantization.scale) > 0
    integer = tensor.type in (schema.TensorType.INT32, schema.TensorType.INT64)
    return integer and not scaled and _has_data(subgraph, buffers, number)
