"""The network that is left of a ``.tflite`` file once channels that can only be constant are dropped.

Training with weight decay behind ReLU leaves filters whose int8 weights are all zero (MLPerf Tiny's person
detector has 971 of them). Their output does not depend on the input, so a compiler may drop them, and what
reads them, without changing a single result. Some do: a cost for such a runtime must be one of this network.
"""

from __future__ import annotations

from dataclasses import replace
from math import prod

import numpy as np
import numpy.typing as npt

from edgenas.arch.graph import Op, OpGraph
from edgenas.build.read_tflite import graph_from_tflite
from edgenas.build.tflite_tables import FLOAT32, INT8, OperatorTable, TfliteFile

Alive = npt.NDArray[np.bool_]

_FILTERS = {"conv2d": "CONV_2D", "dense": "FULLY_CONNECTED"}
_FOLLOWED = frozenset(
    {*_FILTERS, "depthwise_conv2d", "add", "sub", "mul", "max_pool2d", "avg_pool2d", "global_avg_pool",
     "pad", "activation", "softmax", "reshape"}
)  # fmt: skip
"""Kinds through which constant channels are followed."""


def living_graph(model: bytes) -> OpGraph:
    """The graph of a ``.tflite`` file without the channels of filters whose weights are all zero.

    A network with grouped convolutions or other kinds than `_FOLLOWED` is left whole.

    Raises:
        UnsupportedError: As `edgenas.build.read_tflite.graph_from_tflite`.
    """
    graph = graph_from_tflite(model)
    if any(op.kind not in _FOLLOWED or op.groups > 1 or op.constants for op in graph.ops):
        return graph
    filters = _living_filters(model, graph)
    last = _last_reader(graph)
    alive: list[Alive] = [np.ones(graph.input_shape[-1], dtype=bool)]
    ops = []
    for place, op in enumerate(graph.ops):
        written = _alive(op, alive, filters.get(place) if place < last else None)
        alive.append(written)
        ops.append(
            replace(
                op,
                in_shape=(*op.in_shape[:-1], int(alive[op.inputs[0]].sum())),
                out_shape=(*op.out_shape[:-1], int(written.sum())),
            )
        )
    return OpGraph(graph.input_shape, tuple(ops))


def _living_filters(model: bytes, graph: OpGraph) -> dict[int, Alive]:
    """Which filters have a weight other than zero, by the place of their operation in the graph."""
    file = TfliteFile(model)
    found = {}
    for kind, operator_kind in _FILTERS.items():
        places = [place for place, op in enumerate(graph.ops) if op.kind == kind]
        operators = [operator for operator in file.operators if operator.kind == operator_kind]
        if len(places) == len(operators):
            for place, operator in zip(places, operators, strict=True):
                living = _nonzero(file, operator)
                if living is not None and living.any():
                    found[place] = living
    return found


def _nonzero(file: TfliteFile, operator: OperatorTable) -> Alive | None:
    tensor = file.tensors[operator.inputs[1]]
    size = prod(tensor.shape) * {INT8: 1, FLOAT32: 4}.get(tensor.kind, 0)
    content = tensor.content()
    if not size or len(content) != size:
        return None
    rows = np.frombuffer(content, dtype=np.uint8).reshape(tensor.shape[0], -1)
    return np.asarray(rows.any(axis=1), dtype=np.bool_)


def _alive(op: Op, alive: list[Alive], filters: Alive | None) -> Alive:
    """Which channels of an operation's output are more than a constant."""
    read = alive[op.inputs[0]]
    channels = op.out_shape[-1]
    if filters is not None and len(filters) == channels:
        return filters
    if op.kind in _FILTERS:
        return np.ones(channels, dtype=bool)
    if len(op.inputs) > 1:
        if all(len(alive[tensor]) == channels for tensor in op.inputs):
            return np.asarray(np.any([alive[tensor] for tensor in op.inputs], axis=0), dtype=np.bool_)
    elif channels == len(read):
        return read
    elif op.kind == "reshape" and channels % len(read) == 0 and len(op.out_shape) == 1:
        return np.tile(read, channels // len(read))
    return np.ones(channels, dtype=bool)


def _last_reader(graph: OpGraph) -> int:
    """Place of the last operation with filters: what it writes is the network's answer."""
    places = [place for place, op in enumerate(graph.ops) if op.kind in _FILTERS]
    return places[-1] if places else 0
