"""Removing channels: what is worth nothing goes, and the network computes the same."""

from __future__ import annotations

import numpy as np
import pytest

from edgenas.arch.graph import GraphBuilder, OpGraph
from edgenas.build.twin import named_twin
from edgenas.quantize.channels import without_channels
from edgenas.quantize.importance import loss_by_channel


def flattened(graph: GraphBuilder, tensor: int) -> int:
    height, width, channels = graph.shape(tensor)
    flat = graph.simple("reshape", "flat", tensor, out_shape=(height * width * channels,))
    return graph.dense("dense", flat, 5)


def pooled(graph: GraphBuilder, tensor: int) -> int:
    mean = graph.simple("global_avg_pool", "pool", tensor, out_shape=graph.shape(tensor)[-1:])
    return graph.dense("dense", mean, 5)


def network(head: object) -> OpGraph:
    """A residual block between convolutions; ``a`` and ``c`` share their channels, ``b`` has its own."""
    graph = GraphBuilder((6, 6, 3))
    first = graph.window("conv2d", "a", 0, filters=16, kernel=3, bias=True, activation="relu")
    wide = graph.window("conv2d", "b", first, filters=24, bias=True, activation="relu6")
    wide = graph.window("depthwise_conv2d", "d", wide, kernel=3, bias=True, activation="relu6")
    narrow = graph.window("conv2d", "c", wide, filters=16, bias=True)
    summed = graph.simple("add", "sum", first, narrow, activation="relu")
    head(graph, graph.window("max_pool2d", "max", summed, kernel=2, stride=2, padding="valid"))
    return graph.finish()


def weights_of(graph: OpGraph, dead: dict[str, list[int]]) -> dict[str, list[np.ndarray]]:
    """Random weights, with some channels that are always zero."""
    import tf_keras

    from edgenas.build.builder import build_model

    tf_keras.utils.set_random_seed(0)
    rng, weights = np.random.default_rng(0), {}
    for layer in build_model(graph, tf_keras).layers:
        if layer.weights:
            arrays = [rng.normal(size=weight.shape).astype(np.float32) / 3 for weight in layer.weights]
            for channel in dead.get(layer.name, []):
                for array in arrays:
                    index = (
                        (..., channel, slice(None))
                        if layer.name == "d" and array.ndim == 4
                        else (..., channel)
                    )
                    array[index] = 0
            weights[layer.name] = arrays
    return weights


@pytest.mark.parametrize("head", [flattened, pooled])
def test_channels_that_are_always_zero_go_and_outputs_stay(head: object) -> None:
    dead = {
        "a": [0, 5, 7, 15],
        "c": [0, 5, 7, 15],
        "b": [1, 2, 3, 20, 21, 22, 23, 8],
        "d": [1, 2, 3, 20, 21, 22, 23, 8],
    }
    graph = network(head)
    weights = weights_of(graph, dead)
    smaller, cut, counts = without_channels(graph, weights, 0.3)
    assert counts == {"channels_before": 40, "channels_after": 28}
    assert {op.name: op.out_shape[-1] for op in smaller.ops if op.kind == "conv2d"} == {
        "a": 12,
        "b": 16,
        "c": 12,
    }
    images = np.random.default_rng(1).random((9, 6, 6, 3), dtype=np.float32)
    before, after = (np.asarray(named_twin(g, w)(images)) for g, w in ((graph, weights), (smaller, cut)))
    assert after == pytest.approx(before, abs=1e-4)


def test_few_channels_stay_whole() -> None:
    graph = GraphBuilder((6, 6, 3))
    graph.dense("dense", graph.window("conv2d", "a", 0, filters=4, kernel=6, padding="valid"), 2)
    smaller, _, counts = without_channels(graph.finish(), weights_of(graph.finish(), {}), 0.9)
    assert smaller == graph.finish() and counts["channels_after"] == 4


def test_the_loss_tells_channels_that_matter_from_dead_ones_and_idle_ones() -> None:
    """Dead ones change nothing, nor do those whose reader has no weights for them, however large they are."""
    dead = {"a": [0, 4, 5, 15], "c": [0, 4, 5, 15], "b": [1, 2, 3], "d": [1, 2, 3]}
    graph = network(pooled)
    weights = weights_of(graph, dead)
    weights["b"][0][..., 7] *= 50.0
    weights["c"][0][..., 7, :] = 0.0  # ``c`` reads ``b`` through the depthwise ``d``
    model = named_twin(graph, weights)
    random = np.random.default_rng(2)
    images, labels = random.random((300, 6, 6, 3), dtype=np.float32), random.integers(0, 5, 300)
    worth = loss_by_channel(model, graph, images, labels)
    assert {name: one.shape for name, one in worth.items()} == {
        "a": (16,), "b": (24,), "c": (16,), "d": (24,), "dense": (5,),
    }  # fmt: skip
    for name, rows in {**dead, "d": [1, 2, 3, 7]}.items():
        assert worth[name][rows] == pytest.approx(0.0, abs=1e-9)
        assert worth[name].mean() == pytest.approx(1.0)
    assert worth["b"][7] == pytest.approx(0.0, abs=1e-9)
    _, cut, _ = without_channels(graph, weights, 0.3, worth)
    largest = np.abs(weights["b"][0]).sum(axis=(0, 1, 2)).argmax()
    assert largest == 7 and cut["b"][0].max() < weights["b"][0][..., 7].max()


def test_where_a_batch_normalization_follows_its_scale_and_offset_tell() -> None:
    graph = GraphBuilder((6, 6, 3))
    pooled(graph, graph.window("conv2d", "a", 0, filters=8, batch_norm=True))
    weights = weights_of(graph.finish(), {})
    gamma, beta, mean, variance = weights["a_bn"]
    weights["a_bn"] = [np.abs(gamma) + 1.0, np.zeros_like(beta), mean, np.ones_like(variance)]
    weights["a_bn"][0][[2, 5]] = 0.0  # with no offset either, nothing passes
    weights["a"][0][..., 2] *= 100.0
    random = np.random.default_rng(4)
    images, labels = random.random((200, 6, 6, 3), dtype=np.float32), random.integers(0, 5, 200)
    worth = loss_by_channel(named_twin(graph.finish(), weights), graph.finish(), images, labels)["a"]
    assert worth[[2, 5]] == pytest.approx(0.0, abs=1e-12)
    assert (np.delete(worth, [2, 5]) > 0).all()
