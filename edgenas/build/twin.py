"""The tf_keras twin of a Keras 3 model: the same network, the same weights.

Conversion (and later quantization-aware training) works on tf_keras, training on Keras 3.
"""

from __future__ import annotations

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
