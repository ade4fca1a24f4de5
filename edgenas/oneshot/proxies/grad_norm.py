"""Gradient norm (Abdelfattah et al. 2021): how strongly one batch would change fresh weights."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgenas.oneshot.proxies.proxy import PROXIES, Probe, Proxy


class GradNormProxy(Proxy):
    """Sum over layers of the Euclidean norm of the loss's gradient by the layer's weights."""

    def score(self, probe: Probe) -> float:
        """The sum of norms, of the loss that the network would be trained with."""
        import tensorflow as tf

        model = probe.model
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(_losses(probe, model(probe.images, training=True)))
        kernels = [variable.value for variable in model.trainable_variables if variable.ndim > 1]
        gradients = tape.gradient(loss, kernels)
        return float(
            sum(np.linalg.norm(np.asarray(gradient)) for gradient in gradients if gradient is not None)
        )


def _losses(probe: Probe, outputs: Any) -> Any:
    import keras

    if probe.task.loss is None:
        return keras.losses.sparse_categorical_crossentropy(probe.labels, outputs)
    targets = probe.task.targets(probe.images, probe.labels)
    return keras.losses.get(probe.task.loss)(np.asarray(targets, np.float32), outputs)


PROXIES.register("grad_norm")(GradNormProxy())
