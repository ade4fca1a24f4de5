from functools import partial

import numpy as np
import pytest

from edgenas.arch.graph import GraphBuilder, Op, OpGraph
from edgenas.arch.reference_networks import efficientnet_lite, mobilenet_v1, mobilenet_v2
from edgenas.cost.kernel_sets import APPLICATION, MICROCONTROLLER, kernel_set
from edgenas.cost.transfer_kernels import (
    CORE_FEATURES,
    CORE_NAMES,
    core_network_features,
    core_op_features,
    core_prior,
)
from edgenas.cost.transfer_log import fit_kernels, leave_out
from edgenas.errors import UnknownNameError, UnsupportedError


def counts_of(op: Op, precision: str = "float32") -> dict[str, float]:
    return {CORE_NAMES[place]: count for place, count in core_op_features(op, precision)}


def conv(kernel: int, stride: int = 1, side: int = 6, channels: int = 12, filters: int = 20) -> Op:
    net = GraphBuilder((side, side, channels))
    net.window("conv2d", "conv", 0, filters=filters, kernel=kernel, stride=stride)
    return net.ops[0]


def test_matrix_products_are_padded_to_whole_tiles_and_depths() -> None:
    # 36 positions and 20 filters become 40 and 24; a depth of 12 is whole in float, 16 in int8.
    assert counts_of(conv(1))["product_mac"] == 40 * 24 * 12
    assert counts_of(conv(1), "int8")["product_mac"] == 40 * 24 * 16
    assert counts_of(conv(1))["product_weight"] == 12 * 20


def test_larger_windows_are_gathered_and_those_that_can_be_transformed_counted_apart() -> None:
    assert counts_of(conv(3))["unit_window_mac"] == 40 * 24 * 108
    assert counts_of(conv(3, stride=2)).keys() >= {"window_mac", "gathered", "window_out"}
    assert counts_of(conv(5))["gathered"] == 36 * 25 * 12


def test_weights_larger_than_the_cache_cost_more_and_int8_fits_where_float_does_not() -> None:
    large = conv(1, channels=512, filters=512)
    assert counts_of(large)["spilled_weight_byte"] == 4 * 512 * 512
    assert "spilled_weight_byte" not in counts_of(large, "int8")


def test_one_position_is_a_matter_of_reading_weights() -> None:
    net = GraphBuilder((64,))
    net.dense("logits", 0, 10)
    assert counts_of(net.ops[0]) == {"operation": 1, "dense_byte": 4 * 640}
    assert counts_of(conv(1, side=1), "int8") == {"operation": 1, "dense_byte": 240}


def test_depthwise_convolutions_are_told_apart_by_window_and_stride() -> None:
    net = GraphBuilder((8, 8, 4))
    net.window("depthwise_conv2d", "small", 0, kernel=3)
    net.window("depthwise_conv2d", "wide", 0, kernel=5, stride=2)
    small, wide = map(counts_of, net.ops)
    assert small == {"operation": 1, "depthwise_mac": 64 * 36, "depthwise_out": 256}
    assert wide["wide_depthwise_mac"] == wide["strided_mac"] == 16 * 100


def test_a_network_is_the_sum_of_its_operations_and_one() -> None:
    graph = mobilenet_v2(0.35, 96)
    total = np.zeros(len(CORE_FEATURES))
    for op in graph.ops:
        for place, count in core_op_features(op, "int8"):
            total[place] += count
    found = core_network_features(graph, "int8")
    assert found[CORE_NAMES.index("network")] == 1
    assert (found - total == np.eye(len(total))[CORE_NAMES.index("network")]).all()


def test_operations_without_a_cost_are_refused() -> None:
    with pytest.raises(UnsupportedError, match="operation 'fft'"):
        core_network_features(OpGraph((4,), (Op("fft", "x", (0,), (4,), (4,)),)), "int8")


def test_kernel_sets_are_found_by_name() -> None:
    assert kernel_set(APPLICATION, "int8").names == CORE_NAMES
    graph = mobilenet_v1(0.25, 128)
    application = kernel_set(APPLICATION, "float32")
    assert (application.of_networks([graph])[0] == core_network_features(graph, "float32")).all()
    assert len(kernel_set(MICROCONTROLLER, "int8").of_network(graph)) == len(
        kernel_set(MICROCONTROLLER, "int8").names
    )
    with pytest.raises(UnknownNameError, match="did you mean 'application'"):
        kernel_set("aplication", "int8")


def board() -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Networks of three families on a made-up board whose kernels differ from the prior."""
    families = {
        "v1": [mobilenet_v1(width, side) for width in (0.25, 0.5, 1.0) for side in (128, 192, 224)],
        "v2": [mobilenet_v2(width, side) for width in (0.35, 0.75, 1.0) for side in (96, 160, 224)],
        "lite": [efficientnet_lite(number) for number in range(5)],
    }
    counts = np.array([core_network_features(g, "float32") for graphs in families.values() for g in graphs])
    rng = np.random.default_rng(0)
    kernels = core_prior("float32", np.log(3.0)).log_cycles + rng.normal(0, 0.3, len(CORE_NAMES))
    cost = counts @ np.exp(kernels) * np.exp(rng.normal(0, 0.01, len(counts)))
    return counts, cost, [name for name, graphs in families.items() for _ in graphs]


def test_families_never_seen_are_predicted_and_intervals_hold_them() -> None:
    counts, cost, groups = board()
    found = leave_out(partial(core_prior, "float32"), counts, cost, groups)
    assert np.mean(np.abs(found.errors) < 0.10) >= 0.8
    rates = cost / counts[:, CORE_NAMES.index("product_mac")]
    assert np.mean(np.abs(np.median(rates) / rates - 1) < 0.10) < 0.5, "one rate would not have done"
    assert found.errors == pytest.approx(found.predicted / cost - 1)


def test_spoilt_measurements_do_not_bend_the_others() -> None:
    counts, cost, _ = board()
    spoilt = cost.copy()
    spoilt[[3, 12]] *= 3
    clean, bent = (fit_kernels(partial(core_prior, "float32"), counts, values) for values in (cost, spoilt))
    others = [k for k in range(len(cost)) if k not in (3, 12)]
    errors = np.exp(bent.kernels.predict(counts)[0]) / cost - 1
    assert np.abs(errors[others]).mean() < 0.03
    assert clean.noise < bent.noise


def test_the_unit_of_the_measurements_does_not_matter() -> None:
    counts, cost, _ = board()
    one, thousand = (
        fit_kernels(partial(core_prior, "float32"), counts, values) for values in (cost, 1000 * cost)
    )
    assert thousand.kernels.log_cycles - one.kernels.log_cycles == pytest.approx(np.log(1000), abs=1e-3)
