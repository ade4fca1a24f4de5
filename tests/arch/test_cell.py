"""Cells: the paper's networks number by number, and one form for cells that compute the same."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from edgenas.arch import SPACES, OpGraph
from edgenas.arch.cell_blocks import OPERATIONS
from edgenas.arch.spaces.cell import EDGE_NAMES, CellSpace, paper_network, plain_form

BEST = ("conv3x3", "conv3x3", "conv3x3", "skip", "conv3x3", "conv1x1")
# The smallest and largest of all cells: parameters and FLOPs (there: MACs and the head's biases) as the
# benchmark's own files have them; EvoXBench and MO-HPOBench print them. The best: counted from the paper's
# description of its network, layer by layer.
KNOWN = [
    (("none",) * 6, 10, 73_306, 7_783_050),
    (("conv3x3",) * 6, 10, 1_531_546, 220_119_690),
    (("none",) * 6, 100, 79_156, 7_788_900),
    (("conv3x3",) * 6, 100, 1_537_396, 220_125_540),
    (BEST, 10, 1_073_466, 153_272_970),
]


def trainable(graph: OpGraph) -> int:
    """Parameters without the statistics of batch normalizations, as PyTorch counts them."""
    return graph.params - sum(2 * op.out_shape[-1] for op in graph.ops if op.batch_norm)


@pytest.mark.parametrize(("edges", "classes", "params", "flops"), KNOWN)
def test_the_papers_networks_have_its_parameters_and_macs(
    edges: tuple[str, ...], classes: int, params: int, flops: int
) -> None:
    graph = paper_network(edges, classes=classes).graph()
    assert (trainable(graph), graph.macs + classes) == (params, flops)


def counted(edges: tuple[str, ...]) -> tuple[int, int]:
    """Parameters and MACs of the paper's network, from its layers: every edge counts, used or not."""
    params, macs, side = 3 * 9 * 16 + 2 * 16, 3 * 9 * 16 * 32 * 32, 32
    for stage, width in enumerate((16, 32, 64)):
        if stage:
            side //= 2
            weights = [width // 2 * width * 9, width * width * 9, width // 2 * width]
            params += sum(weights) + 2 * 2 * width
            macs += sum(weights) * side * side
        for edge in edges:
            window = {"conv1x1": 1, "conv3x3": 9}.get(edge)
            if window:
                params += 5 * (width * width * window + 2 * width)
                macs += 5 * width * width * window * side * side
    return params + 2 * 64 + 64 * 10 + 10, macs + 64 * 10


def test_a_sample_of_cells_has_the_papers_parameters_and_macs() -> None:
    rng = np.random.default_rng(0)
    checked = 0
    while checked < 60:
        edges = tuple(OPERATIONS[place] for place in rng.integers(len(OPERATIONS), size=6))
        if any(a != b for a, b in zip(sorted(plain_form(list(edges))), sorted(edges), strict=True)):
            continue  # edges that carry nothing are counted by the paper and built by nobody
        graph = paper_network(edges).graph()
        assert (trainable(graph), graph.macs) == counted(edges), edges
        checked += 1


def test_cells_that_compute_the_same_are_one_network() -> None:
    space = CellSpace((8, 8, 1), 3)

    def name(*edges: str) -> str:
        choices = dict(zip(EDGE_NAMES, edges, strict=True))
        return space.from_choices({**choices, "channels": 4, "cells": 1}).arch_id

    # nothing leaves node 1; nodes 1 and 2 change places; nothing reaches the output
    assert name("conv3x3", "none", "none", "skip", "none", "none") == name(
        *["none"] * 3, "skip", *["none"] * 2
    )
    assert name("conv1x1", "skip", "none", "none", "avgpool", "conv3x3") == name(
        "skip", "conv1x1", "none", "none", "conv3x3", "avgpool"
    )
    assert name(*["none"] * 6) == name("conv3x3", *["none"] * 5)


def test_the_plain_form_of_a_plain_form_is_itself() -> None:
    forms = {plain_form(list(edges)) for edges in product(OPERATIONS, repeat=6)}
    assert all(plain_form(list(form)) == form for form in forms)
    assert 5_000 < len(forms) < 15_625


def test_a_relu_stands_alone_only_where_others_read_the_tensor_too() -> None:
    graph = paper_network(("conv3x3",) * 6).graph()
    lone = [op.name for op in graph.ops if op.kind == "activation"]
    assert all("residual" in name for name in lone)  # beside its ReLU, a mean reads what it reads
    rectified = {k for k, op in enumerate(graph.ops, start=1) if op.activation == "relu"}
    for op in graph.ops:
        if op.kind == "conv2d" and "cell_" in op.name.replace("cell_stem", ""):
            assert op.inputs[0] in rectified


def test_mobile_halves_images_only_while_enough_is_left() -> None:
    for shape, least in (((8, 8, 1), 4), ((32, 32, 3), 4), ((224, 224, 3), 4)):
        space = SPACES.get("mobile")(shape, 10)
        graphs = [space.sample(np.random.default_rng(seed)).graph() for seed in range(40)]
        sides = {op.in_shape[0] for graph in graphs for op in graph.ops if op.kind == "depthwise_conv2d"}
        assert min(sides) >= least
    assert SPACES.get("mobile")((400, 300, 3), 10).resolutions == (160, 192, 224)
