"""Zen score (Lin et al. 2021, "Zen-NAS"): how much a random network's features move with its input."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgenas.oneshot.proxies.proxy import PROXIES, Probe, Proxy

STEP = 0.01
"""By how much a Gaussian input is moved, in its own units."""

LEAST = 1e-30


class ZenProxy(Proxy):
    """log of the features' change for a small step of a Gaussian input, with the scales normalized away.

    Weights are Gaussian with variance 1. Features are what the global pooling reads. Batch normalization
    uses the batch's own statistics; the logarithm of each one's mean deviation is added, so that the score is
    that of the network without it. The data count only by their shape and number.
    """

    sees_data = False

    def score(self, probe: Probe) -> float:
        """The score in natural logarithms."""
        import keras

        model = probe.model
        rng, fresh = np.random.default_rng(probe.seed), model.get_weights()
        normalizations = [layer for layer in model.layers if type(layer).__name__ == "BatchNormalization"]
        outputs = [_features(model), *(layer.input for layer in normalizations)]
        parts = keras.Model(model.input, outputs)
        first, second = rng.standard_normal((2, *probe.images.shape)).astype(np.float32)
        model.set_weights([_gaussian(weights, rng) for weights in fresh])
        try:
            features, *before = parts(first, training=True)
            moved = parts(first + STEP * second, training=True)[0]
        finally:
            model.set_weights(fresh)
        axes = tuple(range(1, features.ndim))
        change = float(np.mean(np.sum(np.abs(np.asarray(features) - np.asarray(moved)), axis=axes)))
        return float(np.log(max(change, LEAST)) + sum(_log_scale(np.asarray(values)) for values in before))


def _gaussian(weights: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """New values of weights: kernels are drawn, everything else stays as it is built."""
    return weights if weights.ndim < 2 else rng.standard_normal(weights.shape).astype(np.float32)


def _features(model: Any) -> Any:
    """What the last pooling reads; without one, what the last layer with weights reads."""
    pooled = [layer for layer in model.layers if type(layer).__name__.startswith("Global") and _flat(layer)]
    last = pooled[-1] if pooled else [layer for layer in model.layers if layer.weights][-1]
    return last.input


def _flat(layer: Any) -> bool:
    return len(layer.output.shape) == 2


def _log_scale(values: np.ndarray) -> float:
    variance = values.var(axis=tuple(range(values.ndim - 1)))
    return float(np.log(max(float(np.sqrt(variance.mean())), LEAST)))


PROXIES.register("zen")(ZenProxy())
