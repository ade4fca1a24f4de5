"""Synaptic flow (Tanaka et al. 2020), summed over a network (Abdelfattah et al. 2021)."""

from __future__ import annotations

from dataclasses import replace
from math import log
from typing import Any

import numpy as np

from edgenas.arch.graph import Op, OpGraph
from edgenas.oneshot.proxies.proxy import PROXIES, Probe, Proxy

LEAST = 1e-300
"""A flow below this counts as this much, so that its logarithm is finite."""


class SynflowProxy(Proxy):
    """log of the sum over weights of ``weight * d(sum of outputs) / d(weight)``, with absolute weights.

    The network is made linear for it: no batch normalization, no activation, no softmax; its input is all
    ones, so the data do not count. It is calculated in float64, as the flow through deep networks is
    larger than float32 holds.
    """

    sees_data = False

    def score(self, probe: Probe) -> float:
        """The logarithm of the flow, which ranks as the flow does."""
        import keras

        policy = keras.config.dtype_policy()
        keras.config.set_dtype_policy("float64")
        try:
            model = probe.build(linear(probe.graph))
        finally:
            keras.config.set_dtype_policy(policy)
        return log(max(flow(model), LEAST))


def flow(model: Any) -> float:
    """The flow through a linear model, whose weights become absolute ones."""
    import tensorflow as tf

    model.set_weights([np.abs(weights) for weights in model.get_weights()])
    ones = tf.ones((1, *model.input_shape[1:]), model.compute_dtype)
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(model(ones, training=False))
    kernels = [variable.value for variable in model.trainable_variables if variable.ndim > 1]
    gradients = tape.gradient(total, kernels)
    return sum(_product(kernel, gradient) for kernel, gradient in zip(kernels, gradients, strict=True))


def _product(kernel: Any, gradient: Any) -> float:
    return 0.0 if gradient is None else float(np.sum(np.asarray(kernel) * np.asarray(gradient)))


def linear(graph: OpGraph) -> OpGraph:
    """The operations without batch normalization and activations; tensors keep their numbers."""
    return OpGraph(graph.input_shape, tuple(_linear(op) for op in graph.ops))


def _linear(op: Op) -> Op:
    own_normalization = op.kind == "mul" and len(op.inputs) == 1
    kind = "activation" if own_normalization or op.kind == "softmax" else op.kind
    return replace(op, kind=kind, batch_norm=False, activation="linear")


PROXIES.register("synflow")(SynflowProxy())
