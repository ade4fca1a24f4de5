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


def put_in_order(subgraph: Any, codes: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Sort a subgraph in place: operators as `edgenas.cost.running_order` says, and tensors by operators.

    Inputs come first, then constants that tell operators what to do in running order, then weights from the
    last operator to the first, bias before weights, then what operators write.

    Args:
        subgraph: A ``SubGraphT``.
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
    _renumber(subgraph, _tensor_order(subgraph, kept))
    return kept


def _tensor_order(subgraph: Any, codes: list[tuple[int, int]]) -> list[int]:
    order: dict[int, None] = dict.fromkeys(map(int, subgraph.inputs))
    written = {int(tensor) for operator in subgraph.operators for tensor in operator.outputs}

    def constants(operator: Any) -> Iterable[int]:
        return (int(t) for t in operator.inputs if t >= 0 and int(t) not in written and int(t) not in order)

    weighted = [operator for operator in subgraph.operators if codes[operator.opcodeIndex][0] in WEIGHTED]
    for operator in subgraph.operators:
        if codes[operator.opcodeIndex][0] not in WEIGHTED:
            order.update(dict.fromkeys(list(constants(operator))))
    for operator in reversed(weighted):
        order.update(dict.fromkeys(list(constants(operator))[::-1]))
    for operator in subgraph.operators:
        order.update(dict.fromkeys(map(int, operator.outputs)))
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
