"""A network with operations beyond space micro, as users write it, and its files."""

from __future__ import annotations

import logging
from functools import cache
from typing import Any

import numpy as np

from edgenas.arch.graph import OpGraph


@cache
def wide_model() -> Any:
    """Groups, dilation, squeeze and excite, hard swish, swish, joins, resizing, a transposed convolution."""
    import tf_keras

    layers = tf_keras.layers
    image = tf_keras.Input((16, 16, 3))
    x = layers.Conv2D(8, 3, 2, padding="same", use_bias=False)(image)
    x = layers.BatchNormalization()(x)
    x = layers.Activation(hard_swish)(x)
    model = tf_keras.Model(image, _tail(x, layers))
    rng = np.random.default_rng(0)  # the converter drops what adds zeros
    model.set_weights([weight + rng.uniform(0, 0.1, weight.shape) for weight in model.get_weights()])
    return model


def hard_swish(x: Any) -> Any:
    """As MobileNetV3 writes it (Howard et al. 2019)."""
    import tf_keras

    return x * tf_keras.activations.relu(x + 3.0, max_value=6.0) / 6.0


def _tail(x: Any, layers: Any) -> Any:
    wide = layers.Conv2D(8, 3, padding="same", dilation_rate=2, activation="relu")(x)
    deep = layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2)(x)
    deep = layers.ReLU(6.0)(layers.BatchNormalization()(deep))
    gate = layers.GlobalAveragePooling2D(keepdims=True)(deep)
    gate = layers.Conv2D(4, 1, activation="relu")(gate)
    gate = layers.Conv2D(16, 1, activation="sigmoid")(gate)
    joined = layers.Concatenate()([layers.Multiply()([deep, gate]), wide])
    joined = layers.ZeroPadding2D(((0, 1), (0, 1)))(joined)
    x = layers.Conv2D(8, 3, 2, use_bias=False)(joined)
    x = layers.BatchNormalization()(x)
    x = layers.LeakyReLU(0.1)(x)
    up = layers.UpSampling2D(2)(x)
    back = layers.Conv2DTranspose(8, 2, 2)(x)
    x = layers.Subtract()([layers.Add()([up, back]), wide])
    x = layers.BatchNormalization()(layers.MaxPooling2D()(x))
    x = layers.Activation("tanh")(layers.Dense(6)(layers.Flatten()(x)))
    return layers.Softmax()(layers.Dense(3)(x))


def onnx_of(tflite: bytes) -> bytes:
    """The file through tf2onnx."""
    from edgenas.export.onnx import float32_onnx

    logging.getLogger("tf2onnx").setLevel(logging.ERROR)
    return float32_onnx(tflite)


def summary(graph: OpGraph) -> tuple[int, int, list[tuple[str, str]]]:
    """MACs, stored parameters and kinds of operations."""
    return graph.macs, graph.stored_params, sorted((op.kind, op.activation) for op in graph.ops)
