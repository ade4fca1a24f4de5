"""Blocks of NAS-Bench-201's networks (Dong and Yang 2020): cells of six edges, and what stands around them.

A convolution is ReLU, convolution, batch normalization, as in the paper. A ReLU that alone reads a tensor is
fused into the operation that wrote it, as converters do; where other edges read the tensor too, it is an
operation, one for all edges that need it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgenas.arch.blocks import BLOCKS
from edgenas.arch.graph import GraphBuilder, Op

OPERATIONS = ("none", "skip", "conv1x1", "conv3x3", "avgpool")
"""What an edge may be, in NAS-Bench-201's order."""

EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
"""(source, target) of each edge; node 0 is the cell's input and node 3 its output."""

KERNELS = {"conv1x1": 1, "conv3x3": 3}


@dataclass(frozen=True, slots=True)
class _Step:
    """An operation of a cell before it is known what is fused.

    Attributes:
        kind: Of the operation.
        name: Its name in the cell.
        reads: Values it reads; 0 is the cell's input, k what step k - 1 writes.
        kernel: Side of its window.
    """

    kind: str
    name: str
    reads: tuple[int, ...]
    kernel: int = 1


def cell(
    builder: GraphBuilder, tensor: int, name: str,
    *, e01: str, e02: str, e12: str, e03: str, e13: str, e23: str, rectify: bool,
) -> int:  # fmt: skip
    """Four nodes, each the sum of what arrives on its edges.

    Args:
        e01: Operation of the edge from node 0 to node 1; the others alike.
        rectify: Whether what follows reads the positive part only, so that a ReLU is fused.
    """
    steps, output = _steps((e01, e02, e12, e03, e13, e23))
    plain, positive = _readers(steps)
    (positive if rectify else plain).add(output)
    tensors = [tensor]
    rectified: dict[int, int] = {}
    for value in range(len(steps) + 1):
        if value:
            only = value in positive and value not in plain
            tensors.append(_emit(builder, name, steps[value - 1], tensors, rectified, only))
        if value in positive:
            rectified[value] = _rectified(builder, tensors[value], f"{name}_relu{value}")
    return rectified[output] if rectify and output in rectified and output else tensors[output]


def _steps(edges: Sequence[str]) -> tuple[list[_Step], int]:
    """The operations of a cell, and the value that is its output.

    Edges that carry nothing, or whose target reaches nothing, are left out, and a mean that two edges
    want of one value stands once.
    """
    steps: list[_Step] = []
    known: dict[tuple[str, int], int] = {}

    def append(step: _Step) -> int:
        steps.append(step)
        return len(steps)

    values: list[int | None] = [0, None, None, None]
    useful = useful_nodes(edges)
    for target in (1, 2, 3):
        total: int | None = None
        for (source, end), operation in zip(EDGES, edges, strict=True):
            before = values[source]
            if end != target or target not in useful or operation == "none" or before is None:
                continue
            value = before
            if operation in KERNELS:
                step = _Step("conv2d", f"{source}{target}", (before,), KERNELS[operation])
                value = append(step)
            elif operation == "avgpool":
                if ("avgpool", before) not in known:
                    known["avgpool", before] = append(_Step("avg_pool2d", f"{source}{target}", (before,), 3))
                value = known["avgpool", before]
            total = value if total is None else append(_Step("add", f"sum{source}{target}", (total, value)))
        values[target] = total
    return steps, values[3] or 0


def useful_nodes(edges: Sequence[str]) -> set[int]:
    """Nodes from which something reaches the last one."""
    useful = {3}
    for (source, target), operation in reversed(list(zip(EDGES, edges, strict=True))):
        if operation != "none" and target in useful:
            useful.add(source)
    return useful


def reads_positive_part(edges: Sequence[str]) -> bool:
    """Whether a cell reads its input through ReLUs only.

    Args:
        edges: Operations in the order of `EDGES`.
    """
    steps, output = _steps(edges)
    return output != 0 and 0 not in _readers(steps)[0]


def _readers(steps: Sequence[_Step]) -> tuple[set[int], set[int]]:
    """Values that are read as they are, and values whose positive part is read."""
    plain = {value for step in steps if step.kind != "conv2d" for value in step.reads}
    return plain, {value for step in steps if step.kind == "conv2d" for value in step.reads}


def _emit(
    builder: GraphBuilder, name: str, step: _Step, tensors: list[int], rectified: dict[int, int], only: bool
) -> int:
    """Append a step; ``only``: nothing but its positive part is read."""
    activation = "relu" if only else "linear"
    name = f"{name}_{step.name}"
    if step.kind == "add":
        first, second = (tensors[value] for value in step.reads)
        return builder.simple("add", name, first, second, activation=activation)
    source = (rectified if step.kind == "conv2d" else tensors)[step.reads[0]]
    return builder.window(
        step.kind, name, source, kernel=step.kernel, batch_norm=step.kind == "conv2d", activation=activation
    )


def _rectified(builder: GraphBuilder, tensor: int, name: str) -> int:
    """The positive part of a tensor; the tensor itself where that is known to be all there is."""
    if tensor and builder.ops[tensor - 1].activation in ("relu", "relu6"):
        return tensor
    return builder.simple("activation", name, tensor, activation="relu")


def cell_stem(builder: GraphBuilder, tensor: int, name: str, *, filters: int, rectify: bool) -> int:
    """3x3 convolution and batch normalization; ``rectify``: and ReLU."""
    return builder.window(
        "conv2d", f"{name}_conv", tensor, filters=filters, kernel=3, batch_norm=True,
        activation="relu" if rectify else "linear",
    )  # fmt: skip


def residual_reduction(builder: GraphBuilder, tensor: int, name: str, *, filters: int, rectify: bool) -> int:
    """Residual block that halves the image: two convolutions beside mean and 1x1 convolution."""
    positive = _rectified(builder, tensor, f"{name}_relu")
    hidden = builder.window(
        "conv2d", f"{name}_a", positive, filters=filters, kernel=3, stride=2, batch_norm=True,
        activation="relu",
    )  # fmt: skip
    hidden = builder.window("conv2d", f"{name}_b", hidden, kernel=3, batch_norm=True)
    pooled = builder.window("avg_pool2d", f"{name}_pool", tensor, kernel=2, stride=2)
    shortcut = builder.window("conv2d", f"{name}_skip", pooled, filters=filters)
    activation = "relu" if rectify else "linear"
    return builder.simple("add", f"{name}_sum", shortcut, hidden, activation=activation)


def normalized(builder: GraphBuilder, tensor: int, name: str) -> int:
    """Batch normalization of its own, as a factor and a summand for each channel, and ReLU."""
    shape = builder.shape(tensor)
    channels = shape[-1]
    scaled = builder.add_op(
        Op("mul", f"{name}_bn_scale", (tensor,), shape, shape, constants=channels, batch_norm=True)
    )
    return builder.add_op(
        Op("add", f"{name}_bn", (scaled,), shape, shape, constants=channels, activation="relu")
    )


BLOCKS["cell_stem"] = cell_stem
BLOCKS["cell"] = cell
BLOCKS["residual"] = residual_reduction
BLOCKS["normalized"] = normalized
