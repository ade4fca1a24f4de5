"""Functions that files spell out in several operations, put together as a converter does."""

from __future__ import annotations

from dataclasses import replace

from edgenas.arch.graph import Op, OpGraph


def fold_hard_swish(graph: OpGraph) -> OpGraph:
    """Replace ``x * relu6(x + 3) / 6``, in either order of its products, by one ``hard_swish``."""
    readers: dict[int, int] = {}
    for op in graph.ops:
        for tensor in op.inputs:
            readers[tensor] = readers.get(tensor, 0) + 1
    replaced: dict[int, Op] = {}
    gone: set[int] = set()
    for number, op in enumerate(graph.ops, start=1):
        parts = _parts(graph.ops, number, op, readers)
        if parts is not None:
            shape = op.out_shape
            replaced[number] = Op("activation", op.name, (parts[0],), shape, shape, activation="hard_swish")
            gone.update(parts[1:])
    return _without(graph, gone, replaced) if replaced else graph


def _parts(ops: tuple[Op, ...], number: int, op: Op, readers: dict[int, int]) -> tuple[int, int, int] | None:
    """The tensor that a product is the hard swish of, and the two tensors between them."""

    def written(tensor: int) -> Op | None:
        return ops[tensor - 1] if tensor and readers.get(tensor, 0) == 1 else None

    if op.activation != "linear":
        return None
    if op.kind in ("mul", "div") and op.constants == 1 and len(op.inputs) == 1:  # (x * clipped) / 6
        product = written(op.inputs[0])
        if product is not None and product.kind == "mul" and len(product.inputs) == 2:
            for source, clipped in (product.inputs, product.inputs[::-1]):
                if _is_clipped_sum(written(clipped), source) and product.activation == "linear":
                    return source, clipped, op.inputs[0]
    if op.kind == "mul" and len(op.inputs) == 2:  # x * (clipped / 6)
        for source, scaled in (op.inputs, op.inputs[::-1]):
            factor = written(scaled)
            if factor is not None and factor.kind in ("mul", "div") and factor.constants == 1:
                clipped = factor.inputs[0]
                if len(factor.inputs) == 1 and _is_clipped_sum(written(clipped), source):
                    return source, clipped, scaled
    return None


def _is_clipped_sum(op: Op | None, source: int) -> bool:
    return (
        op is not None
        and (op.kind, op.activation, op.constants) == ("add", "relu6", 1)
        and op.inputs == (source,)
    )


def _without(graph: OpGraph, gone: set[int], replaced: dict[int, Op]) -> OpGraph:
    ops: list[Op] = []
    numbers = {0: 0}
    for number, op in enumerate(graph.ops, start=1):
        if number in gone:
            continue
        op = replaced.get(number, op)
        ops.append(replace(op, inputs=tuple(numbers[tensor] for tensor in op.inputs)))
        numbers[number] = len(ops)
    return OpGraph(graph.input_shape, tuple(ops))
