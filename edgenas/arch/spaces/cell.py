"""Space `cell`: the networks of NAS-Bench-201 (Dong and Yang 2020), and smaller ones for small devices.

A cell has four nodes and six edges, each of one of five operations. A network is a stem, three stages of
``cells`` equal cells with ``channels``, twice and four times as many channels, residual blocks that halve the
image between them, batch normalization, ReLU, and a head. With 16 channels and 5 cells it is the paper's
network; both are choices here, since those networks have 0.1 to 1.5 million parameters.
"""

from __future__ import annotations

from collections.abc import Iterator

from edgenas.arch.blocks import BLOCKS
from edgenas.arch.cell_blocks import EDGES, KERNELS, OPERATIONS, reads_positive_part, useful_nodes
from edgenas.arch.chooser import Chooser
from edgenas.arch.graph import GraphBuilder, Op, Shape
from edgenas.arch.space import SPACES
from edgenas.arch.spaces.image import ImageSpace
from edgenas.arch.spec import ArchSpec, Block, Value

CHANNELS = (4, 8, 16)
"""Of the first stage."""

CELLS = (1, 2, 3, 5)
"""In each stage."""

STAGES = 3
EDGE_NAMES = tuple(f"edge_{source}_{target}" for source, target in EDGES)
_SKIPPED = ("none", "none", "none", "skip", "none", "none")


@SPACES.register("cell")
class CellSpace(ImageSpace):
    """Cells of six edges, 15,625 of them, in networks of several sizes."""

    name = "cell"
    unshared = "choices edge_0_1 to edge_2_3 give an edge operations with different weights or none"

    def decide(self, chooser: Chooser) -> ArchSpec:
        """The architecture that the chooser's answers describe.

        Equal networks have equal blocks: edges that carry nothing are written as ``none``, and of two
        cells that are mirror images one stands for both. A cell that passes nothing on passes its input
        on instead, so that the residual blocks alone are left; its parameters and MACs are the same.
        """
        edges = plain_form([chooser.choice(name, OPERATIONS) for name in EDGE_NAMES])
        channels = chooser.choice("channels", CHANNELS)
        cells = chooser.choice("cells", CELLS)
        return ArchSpec(
            self.name, self.input_shape, self.classes,
            network_blocks(edges, channels, cells, self.classes), dict(chooser.values),
        )  # fmt: skip

    def operations(self) -> Iterator[Op]:
        """Every operation of the space: those of each stage, with and without a ReLU behind them."""
        for channels in CHANNELS:
            builder = GraphBuilder(self.input_shape)
            for rectify in (False, True):
                BLOCKS["cell_stem"](builder, 0, "stem", filters=channels, rectify=rectify)
            tensor = 1
            for stage in range(STAGES):
                if stage:
                    filters = channels * 2**stage
                    rectified = BLOCKS["residual"](builder, tensor, "r", filters=filters, rectify=True)
                    tensor = BLOCKS["residual"](builder, tensor, "r", filters=filters, rectify=False)
                    assert rectified
                _edge_operations(builder, tensor)
            tensor = BLOCKS["normalized"](builder, tensor, "last")
            BLOCKS["head"](builder, tensor, "head", classes=self.classes)
            yield from builder.ops


def _edge_operations(builder: GraphBuilder, tensor: int) -> None:
    """What the edges and nodes of a stage's cells can be."""
    builder.simple("activation", "relu", tensor, activation="relu")
    for activation in ("linear", "relu"):
        for kernel in KERNELS.values():
            builder.window("conv2d", "conv", tensor, kernel=kernel, batch_norm=True, activation=activation)
        builder.window("avg_pool2d", "mean", tensor, kernel=3, activation=activation)
        builder.simple("add", "sum", tensor, tensor, activation=activation)


def plain_form(edges: list[str]) -> tuple[str, ...]:
    """The one way to write a cell among those that compute the same.

    Args:
        edges: Operations in the order of `EDGES`.
    """
    useful, reached = useful_nodes(edges), {0}
    found = []
    for (source, target), operation in zip(EDGES, edges, strict=True):
        carries = operation != "none" and source in reached and target in useful
        if carries:
            reached.add(target)
        found.append(operation if carries else "none")
    if 3 not in reached:
        return _SKIPPED
    e01, e02, e12, e03, e13, e23 = found
    if e12 == "none":  # nodes 1 and 2 can change places
        (e01, e13), (e02, e23) = sorted([(e01, e13), (e02, e23)], key=_order)
    return (e01, e02, e12, e03, e13, e23)


def _order(edges: tuple[str, ...]) -> tuple[int, ...]:
    return tuple(-OPERATIONS.index(edge) for edge in edges)


def network_blocks(edges: tuple[str, ...], channels: int, cells: int, classes: int) -> tuple[Block, ...]:
    """The blocks of a network of equal cells.

    Args:
        edges: Operations in the order of `EDGES`, in their `plain_form`.
        channels: Of the first stage.
        cells: In each stage.
        classes: Number of classes.
    """
    only_positive = reads_positive_part(edges)
    blocks = [Block("cell_stem", {"filters": channels, "rectify": only_positive})]
    named = {f"e{source}{target}": edge for (source, target), edge in zip(EDGES, edges, strict=True)}
    for stage in range(STAGES):
        if stage:
            args = {"filters": channels * 2**stage, "rectify": only_positive}
            blocks.append(Block("residual", args))
        for place in range(cells):
            blocks.append(Block("cell", {**named, "rectify": only_positive and place < cells - 1}))
    return (*blocks, Block("normalized", {}), Block("head", {"classes": classes}))


def paper_network(edges: tuple[str, ...], input_shape: Shape = (32, 32, 3), classes: int = 10) -> ArchSpec:
    """NAS-Bench-201's network of a cell: 16 channels, 5 cells a stage."""
    choices: dict[str, Value] = {**dict(zip(EDGE_NAMES, edges, strict=True)), "channels": 16, "cells": 5}
    return CellSpace(input_shape, classes).from_choices(choices)
