"""The one order in which the operations of a network with branches run.

A network in a row has only one order. Of branches, any may come first, and what waits meanwhile takes memory;
the converter's choice depends on the names of layers. So that memory and size follow from the graph alone,
the exporter's files (`edgenas.export.compact`) are written in the order that this module says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from edgenas.arch.graph import OpGraph


def running_order(sources: Sequence[Sequence[int]]) -> list[int]:
    """Depth first: before an operation comes all that its first input needs, then all that its second needs.

    Args:
        sources: For each operation the places of those whose results it reads, in the order of its inputs;
            all come before it in the list.

    Returns:
        Places in running order, each once; those that nobody reads are reached in the list's order.
    """
    read = {source for reader in sources for source in reader}
    done = [False] * len(sources)
    order: list[int] = []
    for last in range(len(sources)):
        if last in read:
            continue
        waiting = [last]
        while waiting:
            place = waiting[-1]
            open_source = next((source for source in sources[place] if not done[source]), None)
            if open_source is not None:
                waiting.append(open_source)
                continue
            waiting.pop()
            if not done[place]:
                done[place] = True
                order.append(place)
    return order


def in_running_order(graph: OpGraph) -> OpGraph:
    """The graph with its operations in running order; the same graph if they are in a row."""
    if all(not place or place in op.inputs for place, op in enumerate(graph.ops)):
        return graph
    order = running_order([[tensor - 1 for tensor in op.inputs if tensor] for op in graph.ops])
    numbers = {0: 0, **{place + 1: number for number, place in enumerate(order, start=1)}}
    ops = (graph.ops[place] for place in order)
    moved = tuple(replace(op, inputs=tuple(numbers[tensor] for tensor in op.inputs)) for op in ops)
    return OpGraph(graph.input_shape, moved)
