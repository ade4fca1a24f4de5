"""A user's own Keras model as a graph with weights by layer, so that it can be built anew and trained.

The graph comes from `edgenas.build.read_keras`; the weights of each layer, and those of a batch
normalization that was merged into it, are looked up in the model. That the network built anew is the
same is not believed but tried, on random images.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from edgenas.arch.graph import OpGraph
from edgenas.build.builder import EPSILON
from edgenas.build.keras_layers import SKIPPED
from edgenas.build.read_keras import graph_from_keras
from edgenas.build.twin import named_twin
from edgenas.errors import UnsupportedError

SAME = 1e-3
"""Largest difference of an output, relative to the largest output."""


def own_network(model: Any) -> tuple[OpGraph, dict[str, list[np.ndarray]]]:
    """Graph and weights of a model.

    Raises:
        UnsupportedError: A layer cannot be read or built anew (it is named), or the network built
            anew computes something else.
    """
    graph = graph_from_keras(model)
    names = {op.name for op in graph.ops}
    weights: dict[str, list[np.ndarray]] = {}
    for layer in _layers(model):
        if type(layer).__name__ == "BatchNormalization":
            weights[f"{_before(layer)}_bn"] = _normalization(layer)
        elif layer.weights and layer.name in names:
            weights[layer.name] = [np.asarray(array) for array in layer.get_weights()]
    _check_same(model, graph, weights)
    return graph, weights


def _layers(model: Any) -> Iterator[Any]:
    for layer in model.layers:
        if hasattr(layer, "layers"):
            yield from _layers(layer)
        else:
            yield layer


def _before(layer: Any) -> str:
    """Name of the layer that a batch normalization follows; those that do nothing are passed over."""
    while True:
        history = layer.input._keras_history
        layer = getattr(history, "operation", None) or history.layer
        if type(layer).__name__ not in SKIPPED:
            return str(layer.name)


def _normalization(layer: Any) -> list[np.ndarray]:
    """Scale, offset, mean and variance as a layer with Keras' usual epsilon has them."""
    arrays = [np.asarray(array) for array in layer.get_weights()]
    mean, variance = arrays[-2:]
    gamma = arrays[0] if layer.scale else np.ones_like(mean)
    beta = arrays[int(layer.scale)] if layer.center else np.zeros_like(mean)
    return [gamma, beta, mean, variance + np.float32(layer.epsilon - EPSILON)]


def _check_same(model: Any, graph: OpGraph, weights: dict[str, list[np.ndarray]]) -> None:
    advice = "schemes that only convert, such as full-int8 and int16x8, do not need that"
    try:
        rebuilt = named_twin(graph, weights)
    except (UnsupportedError, ValueError, TypeError) as error:
        raise UnsupportedError(
            f"the network cannot be built anew for a training: {' '.join(str(error).split())}; {advice}"
        ) from None
    images = np.random.default_rng(0).random((8, *graph.input_shape), dtype=np.float32)
    outputs, expected = np.asarray(rebuilt(images)), np.asarray(model(images, training=False))
    difference = float(np.abs(outputs - expected).max()) if outputs.shape == expected.shape else float("inf")
    if not difference <= SAME * max(1.0, float(np.abs(expected).max())):
        raise UnsupportedError(
            f"the network built anew for a training differs from the model by {difference:.2g}, so one of "
            f"its layers means something else; {advice}"
        )
