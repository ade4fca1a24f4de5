"""What is counted of an operation, and that every kind has something to count."""

from __future__ import annotations

import pytest

from edgenas.arch import GraphBuilder, Op
from edgenas.arch.graph import OP_KINDS
from edgenas.cost.kernel_features import FEATURES, NAMES, network_features, op_features
from edgenas.errors import UnsupportedError


def counts(op: Op) -> dict[str, float]:
    return {NAMES[place]: count for place, count in op_features(op)}


def test_a_convolution_is_counted_as_gathering_and_a_matrix_product() -> None:
    op = Op("conv2d", "c", (0,), (8, 8, 3), (4, 4, 16), (3, 3), (2, 2))
    assert counts(op) == {
        "gemm_mac": 4 * 4 * 16 * 27, "window_mac": 4 * 4 * 16 * 27, "gemm_out": 256, "ragged_out": 256,
        "gather_row": 16 * 9, "gather_element": 16 * 27, "operation": 1,
    }  # fmt: skip
    point = Op("conv2d", "p", (0,), (4, 4, 16), (4, 4, 8))
    assert counts(point) == {
        "gemm_mac": 16 * 8 * 16, "gemm_out": 128, "gather_element": 256, "operation": 1,
    }  # fmt: skip


def test_groups_make_windows_shallower() -> None:
    op = Op("conv2d", "c", (0,), (4, 4, 8), (4, 4, 8), groups=4)
    assert counts(op)["gemm_mac"] == 4 * 4 * 8 * 2 and counts(op)["ragged_out"] == 128


def test_a_network_is_the_sum_of_its_operations_and_one_inference() -> None:
    builder = GraphBuilder((8, 8, 4))
    tensor = builder.window("depthwise_conv2d", "d", 0, kernel=3)
    tensor = builder.simple("add", "a", tensor, 0)
    tensor = builder.simple("global_avg_pool", "g", tensor, out_shape=(4,))
    builder.dense("f", builder.simple("reshape", "r", tensor, out_shape=(4,)), 2)
    found = dict(zip(NAMES, network_features(builder.finish()), strict=True))
    assert found["depthwise_mac"] == 8 * 8 * 4 * 9 and found["elementwise"] == found["pooled"] == 256
    assert found["dense_mac"] == 8 and found["operation"] == 4 and found["network"] == 1


@pytest.mark.parametrize("kind", OP_KINDS)
def test_every_kind_of_operation_costs_something_but_a_reshape(kind: str) -> None:
    shape = (6, 8) if kind in ("lstm", "gru") else (4, 4, 8)
    assert bool(counts(Op(kind, "x", (0,), shape, shape))) == (kind != "reshape")


def test_a_curve_costs_more_than_a_clip_may_and_a_softmax_more_than_a_curve() -> None:
    clip, curve = (Op("activation", "x", (0,), (8,), (8,), activation=f) for f in ("relu6", "hard_swish"))
    assert counts(clip)["elementwise"] == counts(curve)["looked_up"] == 8
    assert counts(Op("softmax", "x", (0,), (8,), (8,)))["looked_up"] == 160


def test_an_unknown_kind_is_refused_by_name() -> None:
    with pytest.raises(UnsupportedError, match="kind 'fft'"):
        op_features(Op("fft", "f", (0,), (8,), (8,)))


def test_features_have_names_of_their_own_and_a_prior() -> None:
    assert len(set(NAMES)) == len(FEATURES)
    assert all(feature.cycles > 0 and feature.spread > 0 for feature in FEATURES)
