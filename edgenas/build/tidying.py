"""Functions that files spell out in several operations, put together as a converter does."""

from __future__ import annotations

from dataclasses import replace

from edgenas.arch.graph import Op, OpGraph, window_output


def fold_hard_swish(graph: OpGraph) -> OpGraph:
    """Replace ``x * relu6(x + 3) / 6``, in either order of its products, by one ``hard_swish``."""
    readers = _readers(graph)
    replaced: dict[int, Op] = {}
    gone: set[int] = set()
    for number, op in enumerate(graph.ops, start=1):
        parts = _parts(graph.ops, number, op, readers)
        if parts is not None:
            shape = op.out_shape
            replaced[number] = Op("activation", op.name, (parts[0],), shape, shape, activation="hard_swish")
            gone.update(parts[1:])
    return _without(graph, gone, replaced) if replaced else graph


def fold_padding(graph: OpGraph) -> OpGraph:
    """Make a padding part of the convolution behind it where both are a convolution of padding ``same``."""
    readers = _readers(graph)
    replaced: dict[int, Op] = {}
    gone: set[int] = set()
    for number, op in enumerate(graph.ops, start=1):
        source = op.inputs[0] if op.inputs else 0
        if op.kind not in ("conv2d", "depthwise_conv2d") or op.padding != "valid" or not source:
            continue
        pad = graph.ops[source - 1]
        if pad.kind != "pad" or readers[source] > 1 or not _is_same(pad, op):
            continue
        gone.add(source)
        replaced[number] = replace(op, inputs=pad.inputs, in_shape=pad.in_shape, padding="same")
    return _without(graph, gone, replaced) if replaced else graph


def _is_same(pad: Op, op: Op) -> bool:
    """Whether a padding adds as much as ``same`` would."""
    if pad.in_shape[2:] != op.in_shape[2:]:
        return False
    for k in (0, 1):
        span = (op.kernel[k] - 1) * op.dilation[k] + 1
        out = window_output(pad.in_shape[k], span, op.stride[k], "same")
        added = max(0, (out - 1) * op.stride[k] + span - pad.in_shape[k])
        if op.out_shape[k] != out or pad.out_shape[k] - pad.in_shape[k] != added:
            return False
    return True


def _readers(graph: OpGraph) -> dict[int, int]:
    readers: dict[int, int] = {}
    for op in graph.ops:
        for tensor in op.inputs:
            readers[tensor] = readers.get(tensor, 0) + 1
    return readers


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
