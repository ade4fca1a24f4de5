"""Networks that went through TensorFlow's converter, once per process, and what TFLite Micro says of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import islice
from typing import Any

import numpy as np

from edgenas.arch import GraphBuilder, MicroSpace, OpGraph
from edgenas.export import micro
from edgenas.testing.settled import settle

SHAPES = ((8, 8, 1), (28, 28, 1), (32, 32, 3))


@dataclass(frozen=True)
class Converted:
    """A graph, and the file that the converter made of it (random weights)."""

    graph: OpGraph
    model: bytes


@cache
def micro_networks() -> list[Converted]:
    """Two random networks of space micro for each of three input shapes; short ones, to convert quickly."""
    found = []
    for shape in SHAPES:
        space = MicroSpace(shape, 10)
        graphs = (space.sample(np.random.default_rng((5, seed))).graph() for seed in range(1000))
        found += list(islice((graph for graph in graphs if len(graph.ops) <= 15), 2))
    return [Converted(graph, convert(graph)) for graph in found]


@cache
def users_networks() -> list[Converted]:
    """Small networks as users write them: every kind of operation that has a Keras layer."""
    return [Converted(graph, convert(graph)) for graph in (pooled(), without_biases(), joined())]


@cache
def float_network() -> Converted:
    """The pooled network, converted without quantization."""
    return Converted(pooled(), convert(pooled(), int8=False))


def pooled() -> OpGraph:
    """Pooling, an activation on its own that can be fused, flattening, dense layers."""
    builder = GraphBuilder((16, 16, 1))
    tensor = builder.window("conv2d", "conv", 0, filters=4, kernel=3, bias=True, activation="relu")
    tensor = builder.window("max_pool2d", "max", tensor, kernel=2, stride=2, padding="valid")
    tensor = builder.simple("activation", "clip", tensor, activation="relu6")
    tensor = builder.window("avg_pool2d", "avg", tensor, kernel=2, stride=2, padding="valid")
    tensor = builder.simple("reshape", "flat", tensor, out_shape=(64,))
    tensor = builder.dense("hidden", tensor, 12, activation="relu")
    builder.simple("softmax", "softmax", builder.dense("logits", tensor, 5))
    return builder.finish()


def without_biases() -> OpGraph:
    """Convolutions without a bias, to which the converter adds zeros, and dense layers, to which not."""
    builder = GraphBuilder((8, 8, 2))
    tensor = builder.window("conv2d", "first", 0, filters=4, kernel=3)
    tensor = builder.window("conv2d", "second", tensor, filters=4, kernel=3)
    tensor = builder.window("depthwise_conv2d", "third", tensor, kernel=3, padding="valid")
    tensor = builder.simple("reshape", "twice", tensor, out_shape=(36, 4))
    tensor = builder.simple("reshape", "flat", tensor, out_shape=(144,))
    builder.dense("logits", builder.dense("hidden", tensor, 6, bias=False), 3, bias=False)
    return builder.finish()


def joined() -> OpGraph:
    """An activation that cannot be fused, a sum of three, a flattening that disappears, one unit."""
    builder = GraphBuilder((8, 8, 1))
    stem = builder.window("conv2d", "stem", 0, filters=4, kernel=3, bias=True, activation="relu")
    left = builder.window("conv2d", "left", stem, filters=4, kernel=3, bias=True)
    rectified = builder.simple("activation", "rectified", left, activation="relu")
    added = builder.simple("add", "added", stem, left, rectified)
    clipped = builder.simple("activation", "clipped", added, activation="relu6")
    mean = builder.window("avg_pool2d", "mean", clipped, kernel=8, padding="valid")
    flat = builder.simple("reshape", "flat", mean, out_shape=(4,))
    builder.dense("one", flat, 1)
    return builder.finish()


def convert(
    network: OpGraph | Any, int8: bool = True, int8_ends: bool = True, settled: bool = False
) -> bytes:
    """A graph or tf_keras model through TensorFlow's converter, batch 1.

    Args:
        settled: Whether to set the statistics of batch normalizations as a training would: in deep networks
            with random weights, activations else grow so large that all biases become zero, and equal.
    """
    import tensorflow as tf
    import tf_keras

    from edgenas.build.builder import build_model

    rng = np.random.default_rng(0)
    model = network
    if isinstance(network, OpGraph):
        tf_keras.backend.clear_session()
        model = build_model(network, tf_keras)
        if settled:
            settle(model, rng)
        else:
            model.set_weights([weight + rng.uniform(0, 0.1, weight.shape) for weight in model.get_weights()])
    shape = (1, *model.input_shape[1:])
    function = tf.function(lambda image: model(image, training=False))
    concrete = function.get_concrete_function(tf.TensorSpec(shape, tf.float32))
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], model)
    if int8:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([rng.random(shape, np.float32)] for _ in range(4))
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        if int8_ends:
            converter.inference_input_type = converter.inference_output_type = tf.int8
    return bytes(converter.convert())


def measured_arena(model: bytes) -> tuple[int, int]:
    """Total and head of the arena as TFLite Micro's interpreter prints them."""
    measured = micro.measured_arena(model)
    assert measured is not None
    return measured


@cache
def padded_networks() -> tuple[bytes, bytes]:
    """A network with zero padding and a mean that keeps its axes: with int8 and with float ends."""
    import tf_keras

    layers = tf_keras.layers
    image = tf_keras.Input((9, 9, 2))
    hidden = layers.Conv2D(4, 3, 2, padding="valid")(layers.ZeroPadding2D(((0, 1), (1, 1)))(image))
    hidden = layers.Conv2D(3, 1)(layers.GlobalAveragePooling2D(keepdims=True)(hidden))
    model = tf_keras.Model(image, layers.Softmax()(layers.Flatten()(hidden)))
    return convert(model), convert(model, int8_ends=False)
