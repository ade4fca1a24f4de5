"""Weights as a training leaves them, for networks that are converted without one."""

from __future__ import annotations

from typing import Any

import numpy as np


def settle(model: Any, rng: np.random.Generator) -> None:
    """Set random biases, and batch normalizations to the statistics of random images, in place.

    With random statistics the activations of a deep network grow until all biases are zero, and equal ones
    are stored once.

    Args:
        model: A tf_keras model with fresh weights.
        rng: Draws weights and images.
    """
    for layer in model.layers:
        if type(layer).__name__ == "BatchNormalization":
            layer.momentum = 0.0
            gamma, beta, *statistics = layer.get_weights()
            noise = [rng.normal(0, 0.2, weight.shape) for weight in (gamma, beta)]
            layer.set_weights([gamma + noise[0], beta + noise[1], *statistics])
        elif getattr(layer, "use_bias", False):
            *kernels, bias = layer.get_weights()
            layer.set_weights([*kernels, bias + rng.normal(0, 0.1, bias.shape)])
    model(rng.random((8, *model.input_shape[1:]), np.float32), training=True)
