"""Specs as values, graphs as lists of operations."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgenas.arch import ArchSpec, Block, GraphBuilder, MicroSpace, Op
from edgenas.errors import ConfigError, UnknownNameError, UnsupportedError

SPACE = MicroSpace((28, 28, 1), 10)
GOLDEN = Path(__file__).parent / "golden" / "spec_v1.json"


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=100, deadline=None)
def test_a_spec_round_trips_through_json(seed: int) -> None:
    spec = SPACE.sample(np.random.default_rng(seed))
    again = ArchSpec.from_json(json.loads(json.dumps(spec.to_json())))
    assert again == spec
    assert again.arch_id == spec.arch_id
    assert again.graph() == spec.graph()


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=100, deadline=None)
def test_a_graph_reads_only_what_was_written_and_shapes_fit(seed: int) -> None:
    graph = SPACE.sample(np.random.default_rng(seed)).graph()
    assert len({op.name for op in graph.ops}) == len(graph.ops)
    for position, op in enumerate(graph.ops):
        assert all(tensor <= position for tensor in op.inputs)
        assert op.in_shape == graph.shape(op.inputs[0])
        if op.kind == "add":
            assert len({graph.shape(tensor) for tensor in op.inputs}) == 1
    assert graph.ops[-1].kind == "softmax"
    assert graph.shape(len(graph.ops)) == (10,)


def test_macs_and_parameters_of_a_network_counted_by_hand() -> None:
    blocks = (
        Block("stem", {"filters": 8, "kernel": 3, "stride": 2}),
        Block("ds", {"filters": 16, "kernel": 3, "stride": 1, "skip": False}),
        Block("head", {"classes": 10}),
    )
    graph = ArchSpec("hand", (28, 28, 1), 10, blocks, {}).graph()
    stem = 14 * 14 * 8 * 9
    depthwise, pointwise = 14 * 14 * 8 * 9, 14 * 14 * 16 * 8
    assert graph.macs == stem + depthwise + pointwise + 160
    assert graph.params == (72 + 32) + (72 + 32) + (128 + 64) + (160 + 10)


def test_the_file_of_schema_1_is_still_read() -> None:
    document = json.loads(GOLDEN.read_text())
    spec = ArchSpec.from_json(document["spec"])
    assert spec.arch_id == document["arch_id"]
    assert spec.graph().macs == document["macs"]
    assert spec.graph().params == document["params"]
    assert spec.to_json() == document["spec"]


@pytest.mark.parametrize("schema", [0, 2, None, "1"])
def test_a_document_of_another_schema_is_refused(schema: object) -> None:
    document = {**SPACE.sample(np.random.default_rng(0)).to_json(), "schema": schema}
    with pytest.raises(ConfigError, match="update edgenas"):
        ArchSpec.from_json(document)


def test_a_document_without_a_field_names_it() -> None:
    document = SPACE.sample(np.random.default_rng(0)).to_json()
    del document["classes"]
    with pytest.raises(ConfigError, match="'classes'"):
        ArchSpec.from_json(document)


@pytest.mark.parametrize("change", [{"unit": 3}, {"stride": 0}])
def test_a_block_that_cannot_be_built_is_named(change: dict[str, Any]) -> None:
    spec = SPACE.sample(np.random.default_rng(0))
    first = Block(spec.blocks[0].kind, {**spec.blocks[0].args, **change})
    with pytest.raises(ConfigError, match=f"block 0 '{first.kind}' of an architecture") as raised:
        replace(spec, blocks=(first, *spec.blocks[1:])).graph()
    assert "\n" not in str(raised.value)


def test_blocks_for_images_refuse_rows_of_numbers() -> None:
    spec = SPACE.sample(np.random.default_rng(0))
    with pytest.raises(ConfigError, match="block 0"):
        replace(spec, input_shape=(16,)).graph()


def test_an_unknown_block_says_what_was_meant() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'mbconv'"):
        ArchSpec("x", (8, 8, 1), 2, (Block("mbcnv", {}),), {})


def test_an_unknown_operation_has_no_cost_of_zero() -> None:
    op = Op("warp", "w", (0,), (8, 8, 1), (8, 8, 1))
    with pytest.raises(UnsupportedError, match="'warp'"):
        _ = op.macs


def test_stride_and_padding_follow_tensorflow() -> None:
    graph = GraphBuilder((7, 9, 3))
    same = graph.window("conv2d", "same", 0, filters=4, kernel=3, stride=2)
    valid = graph.window("conv2d", "valid", 0, filters=4, kernel=3, stride=2, padding="valid")
    assert graph.shape(same) == (4, 5, 4)
    assert graph.shape(valid) == (3, 4, 4)
