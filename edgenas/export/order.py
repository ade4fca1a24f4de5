"""Operators, tensors and codes of a ``.tflite`` file in an order that follows from the network alone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgenas.cost.running_order import running_order

_CODES = schema.BuiltinOperator
WEIGHTED = frozenset(
    {_CODES.CONV_2D, _CODES.DEPTHWISE_CONV_2D, _CODES.TRANSPOSE_CONV, _CODES.FULLY_CONNECTED,
     _CODES.UNIDIRECTIONAL_SEQUENCE_LSTM}
)  # fmt: skip
"""Operators whose constants stand behind those of all others."""

_INTEGERS = frozenset({schema.TensorType.INT32, schema.TensorType.INT64})


def put_in_order(subgraph: Any, buffers: list[Any], codes: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Sort a subgraph in place: operators as `edgenas.cost.running_order` says, and tensors by operators.

    Inputs come first, then constants that tell operators what to do in running order, then weights from the
    last operator to the first, bias before weights, then what operators keep and write. Of equal integers
    that tell operators what to do (axes, shapes, places), one stays.

    Args:
        subgraph: A ``SubGraphT``.
        buffers: Its model's ``BufferT`` by number.
        codes: (builtin operator, version) by opcode index.

    Returns:
        The codes by new opcode index, in the order in which operators use them.
    """
    operators = subgraph.operators
    writer = {int(tensor): place for place, one in enumerate(operators) for tensor in one.outputs}
    sources = [[writer[int(t)] for t in one.inputs if int(t) in writer] for one in operators]
    subgraph.operators = [operators[place] for place in running_order(sources)]
    used: dict[int, None] = {}
    for operator in subgraph.operators:
        used.setdefault(operator.opcodeIndex)
    numbers = {old: new for new, old in enumerate(used)}
    for operator in subgraph.operators:
        operator.opcodeIndex = numbers[operator.opcodeIndex]
    kept = [codes[old] for old in used]
    merged = _merge_equal_settings(subgraph, buffers)
    order = [number for number in _tensor_order(subgraph, kept) if number not in merged]
    _renumber(subgraph, order)
    return kept


def _merge_equal_settings(subgraph: Any, buffers: list[Any]) -> set[int]:
    """Let operators read one of several equal integer constants; returns those that nothing reads now."""
    first: dict[tuple[bytes, ...], int] = {}
    same: dict[int, int] = {}
    for operator in subgraph.operators:
        for number in (int(tensor) for tensor in operator.inputs if tensor >= 0):
            tensor = subgraph.tensors[number]
            data = buffers[tensor.buffer].data
            if tensor.type in _INTEGERS and not _is_scaled(tensor) and data is not None and len(data):
                shape = np.asarray(tensor.shape, np.int32).tobytes()
                content = (bytes([tensor.type]), shape, np.asarray(data, np.uint8).tobytes())
                same[number] = first.setdefault(content, number)
    for operator in subgraph.operators:
        operator.inputs = np.array([same.get(int(n), int(n)) for n in operator.inputs], np.int32)
    return {number for number, other in same.items() if number != other}


def _is_scaled(tensor: Any) -> bool:
    quantization = tensor.quantization
    return quantization is not None and quantization.scale is not None and len(quantization.scale) > 0


def _tensor_order(subgraph: Any, codes: list[tuple[int, int]]) -> list[int]:
    order: dict[int, None] = dict.fromkeys(map(int, subgraph.inputs))
    written = {int(tensor) for operator in subgraph.operators for tensor in operator.outputs}

    def constants(operator: Any) -> Iterable[int]:
        read = (int(t) for t in operator.inputs if t >= 0 and int(t) not in written and int(t) not in order)
        return (number for number in read if not subgraph.tensors[number].isVariable)

    weighted = [operator for operator in subgraph.operators if codes[operator.opcodeIndex][0] in WEIGHTED]
    for operator in subgraph.operators:
        if codes[operator.opcodeIndex][0] not in WEIGHTED:
            order.update(dict.fromkeys(list(constants(operator))))
    for operator in reversed(weighted):
        order.update(dict.fromkeys(list(constants(operator))[::-1]))
    for operator in subgraph.operators:
        kept = [int(t) for t in operator.inputs if t >= 0 and subgraph.tensors[int(t)].isVariable]
        notes = [] if operator.intermediates is None else map(int, operator.intermediates)
        order.update(dict.fromkeys([*kept, *notes, *map(int, operator.outputs)]))
    order.update(dict.fromkeys(range(len(subgraph.tensors))))
    return list(order)


def _renumber(subgraph: Any, order: list[int]) -> None:
    numbers = {old: new for new, old in enumerate(order)}
    numbers[-1] = -1
    subgraph.tensors = [subgraph.tensors[old] for old in order]

    def moved(tensors: Any) -> Any:
        return None if tensors is None else np.array([numbers[int(t)] for t in tensors], np.int32)

    subgraph.inputs, subgraph.outputs = moved(subgraph.inputs), moved(subgraph.outputs)
    for operator in subgraph.operators:
        operator.inputs, operator.outputs = moved(operator.inputs), moved(operator.outputs)
        operator.intermediates = moved(operator.intermediates)
