"""The converter's rules: what is fused, dropped and split, checked against the files it writes."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np

from edgenas.arch import GraphBuilder, MicroSpace, Op, OpGraph
from edgenas.build.read_tflite import graph_from_tflite
from edgenas.cost.deployed import deployed_graph
from tests.converted import micro_networks, users_networks


def summary(graph: OpGraph) -> Counter[tuple[Any, ...]]:
    fields = ("kind", "in_shape", "out_shape", "kernel", "stride", "padding", "activation")
    return Counter(tuple(getattr(op, field) for field in fields) for op in graph.ops)


def bare(op: Op) -> Op:
    return replace(op, name="", bias=False, batch_norm=False)


def test_a_network_of_micro_is_deployed_as_it_is() -> None:
    for network in micro_networks():
        assert deployed_graph(network.graph) is network.graph
        assert summary(graph_from_tflite(network.model)) == summary(network.graph)


def test_users_networks_hold_the_operations_that_the_converter_writes() -> None:
    for network in users_networks()[:2]:
        read = graph_from_tflite(network.model)
        assert [bare(op) for op in deployed_graph(network.graph).ops] == [bare(op) for op in read.ops]
    # the reader shows a flattening that is part of a fully connected operator
    read, stated = (
        summary(graph_from_tflite(users_networks()[2].model)),
        deployed_graph(users_networks()[2].graph),
    )
    kinds = Counter(kind for kind, *_ in read.elements())
    assert kinds - Counter(op.kind for op in stated.ops) == Counter({"reshape": 1})
    assert Counter(op.kind for op in stated.ops) - kinds == Counter()


def test_an_activation_that_others_bypass_stays() -> None:
    builder = GraphBuilder((8, 8, 2))
    conv = builder.window("conv2d", "conv", 0, filters=2, kernel=3)
    rectified = builder.simple("activation", "relu", conv, activation="relu")
    builder.simple("add", "add", conv, rectified)
    assert deployed_graph(builder.finish()).ops == builder.finish().ops


def test_what_cannot_carry_an_activation_is_followed_by_one() -> None:
    builder = GraphBuilder((8, 8, 2))
    mean = builder.simple("global_avg_pool", "mean", 0, out_shape=(2,), activation="relu")
    builder.dense("dense", mean, 3)
    ops = deployed_graph(builder.finish()).ops
    assert [(op.kind, op.activation, op.inputs) for op in ops] == [
        ("global_avg_pool", "linear", (0,)), ("activation", "relu", (1,)), ("dense", "linear", (2,)),
    ]  # fmt: skip


def test_tensors_are_renumbered_consistently() -> None:
    for seed in range(20):
        graph = MicroSpace((8, 8, 1), 10).sample(np.random.default_rng(seed)).graph()
        split = []
        for op in graph.ops:
            shape = op.out_shape
            lone = Op("activation", f"{op.name}_act", (), shape, shape, activation=op.activation)
            split += [replace(op, activation="linear"), lone]
        ops = tuple(
            replace(op, inputs=tuple(2 * k for k in graph.ops[n // 2].inputs) if n % 2 == 0 else (n,))
            for n, op in enumerate(split)
        )
        assert deployed_graph(OpGraph(graph.input_shape, ops)).ops == graph.ops
