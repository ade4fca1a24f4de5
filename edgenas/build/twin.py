"""The tf_keras twin of a Keras 3 model: the same network, the same weights.

Conversion (and later quantization-aware training) works on tf_keras, training on Keras 3.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from edgenas.arch.graph import OpGraph
from edgenas.arch.spec import ArchSpec
from edgenas.build.builder import build_model
from edgenas.errors import UnsupportedError


def twin(network: ArchSpec | OpGraph, weights: list[np.ndarray]) -> Any:
    """A tf_keras model with the weights of a trained Keras 3 model.

    Args:
        network: The spec or graph that the Keras 3 model was built from.
        weights: What its ``get_weights()`` returned.

    Returns:
        A tf_keras model whose outputs equal the Keras 3 model's within 1e-5.

    Raises:
        UnsupportedError: The weights do not belong to this network.
    """
    import tf_keras

    tf_keras.backend.clear_session()
    model = build_model(network, tf_keras)
    expected = [tuple(weight.shape) for weight in model.get_weights()]
    given = [tuple(weight.shape) for weight in weights]
    if expected != given:
        raise UnsupportedError(
            f"{len(given)} weight arrays were given, the network has {len(expected)} of other shapes; "
            "pass the weights of a model built from the same spec"
        )
    model.set_weights(weights)
    return model


def named_weights(model: Any) -> dict[str, list[np.ndarray]]:
    """The weights of each layer of a Keras model that has some, by the layer's name."""
    return {layer.name: layer.get_weights() for layer in model.layers if layer.weights}


def named_twin(graph: OpGraph, weights: Mapping[str, list[np.ndarray]]) -> Any:
    """A tf_keras model of a graph, with weights given by layer, as `named_weights` returns them.

    Raises:
        UnsupportedError: A layer has no weights here, or weights of other shapes.
    """
    import tf_keras

    tf_keras.backend.clear_session()
    model = build_model(graph, tf_keras)
    for layer in model.layers:
        expected = [tuple(weight.shape) for weight in layer.weights]
        given = [tuple(weight.shape) for weight in weights.get(layer.name, [])]
        if expected != given:
            raise UnsupportedError(
                f"layer '{layer.name}' has weights of shapes {expected}, {given} were given; pass those of a "
                "model built from the same graph"
            )
        layer.set_weights(weights.get(layer.name, []))
    return model
