"""One builder for both Keras: from the operations of a graph to layers, one emitter per kind.

The same function called with ``keras`` (Keras 3, any backend) and with ``tf_keras`` gives models
with the same weights in the same order, so that `edgenas.build.twin` can copy them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

from edgenas.arch.graph import Op, OpGraph
from edgenas.arch.spec import ArchSpec
from edgenas.build.functions import activation_function
from edgenas.errors import UnsupportedError

EPSILON = 1e-3
"""What a batch normalization adds to the variance: Keras's default, which `build_model` leaves as it is."""

Tensor = Any
Model = Any
Emitter = Callable[[ModuleType, Op, Sequence[Tensor]], Tensor]


def build_model(network: ArchSpec | OpGraph, keras_module: ModuleType) -> Model:
    """A Keras model with fresh weights.

    Args:
        network: A spec, or a graph of operations.
        keras_module: ``keras`` or ``tf_keras``.

    Returns:
        A functional model from float32 (batch, *input_shape) to the last operation's output;
        each layer group is named after its operation.

    Raises:
        UnsupportedError: An operation has no emitter here.
    """
    graph = network.graph() if isinstance(network, ArchSpec) else network
    tensors = [keras_module.Input(graph.input_shape, name="input")]
    reused = {op.weights_of for op in graph.ops}
    layers = {op.name: _dense_layer(keras_module, op) for op in graph.ops if op.name in reused}
    for op in graph.ops:
        if op.kind not in EMITTERS:
            raise UnsupportedError(
                f"operation '{op.kind}' ({op.name}) cannot be built; expected one of {', '.join(EMITTERS)}"
            )
        inputs = [tensors[index] for index in op.inputs]
        if layer := layers.get(op.weights_of or op.name):
            hidden = layer(inputs[0])
        else:
            hidden = EMITTERS[op.kind](keras_module, op, inputs)
        tensors.append(_finish(keras_module, op, hidden))
    return keras_module.Model(tensors[0], tensors[-1])


def _finish(keras_module: ModuleType, op: Op, hidden: Tensor) -> Tensor:
    """Batch normalization and activation, as the operation asks."""
    layers = keras_module.layers
    if op.batch_norm and op.kind != "mul":
        hidden = layers.BatchNormalization(name=f"{op.name}_bn", momentum=0.9)(hidden)
    name = op.name if op.kind == "activation" else f"{op.name}_{op.activation}"
    if op.activation in ("relu", "relu6"):
        limit = 6.0 if op.activation == "relu6" else None
        hidden = layers.ReLU(limit, name=name)(hidden)
    elif op.activation != "linear":
        hidden = layers.Activation(activation_function(keras_module, op), name=name)(hidden)
    return hidden


def _conv2d(keras_module: ModuleType, op: Op, inputs: Sequence[Tensor]) -> Tensor:
    layer = keras_module.layers.Conv2D(
        op.out_shape[-1],
        op.kernel,
        op.stride,
        padding=op.padding,
        dilation_rate=op.dilation,
        use_bias=op.bias,
        kernel_initializer="he_normal",
        bias_initializer=keras_module.initializers.Constant(op.bias_start),
        name=op.name,
    )
    return layer(inputs[0])


def _depthwise(keras_module: ModuleType, op: Op, inputs: Sequence[Tensor]) -> Tensor:
    layer = keras_module.layers.DepthwiseConv2D(
        op.kernel,
        op.stride,
        padding=op.padding,
        dilation_rate=op.dilation,
        use_bias=op.bias,
        depthwise_initializer="he_normal",
        name=op.name,
    )
    return layer(inputs[0])


def _dense_layer(keras_module: ModuleType, op: Op) -> Any:
    return keras_module.layers.Dense(op.out_shape[-1], use_bias=op.bias, name=op.name)


def _dense(keras_module: ModuleType, op: Op, inputs: Sequence[Tensor]) -> Tensor:
    return _dense_layer(keras_module, op)(inputs[0])


def _merge(layer_name: str) -> Emitter:
    def emit(keras_module: ModuleType, op: Op, inputs: Sequence[Tensor]) -> Tensor:
        return getattr(keras_module.layers, layer_name)(name=op.name)(list(inputs))

    return emit


def _pad(keras_module: ModuleType, op: Op, inputs: Sequence[Tensor]) -> Tensor:
    gaps = [out - size for size, out in zip(op.in_shape[:2], op.out_shape[:2], strict=True)]
    amounts = tuple((gap, 0) if op.padding == "causal" else (gap // 2, gap - gap // 2) for gap in gaps)
    return keras_module.layers.ZeroPadding2D(amounts, name=op.name)(inputs[0])


def _slice(keras_module: ModuleType, op: Op, inputs: Sequence[Tensor]) -> Tensor:
    return inputs[0][:, op.start]


def _lstm(keras_module: ModuleType, op: Op, inputs: Sequence[Tensor]) -> Tensor:
    return keras_module.layers.LSTM(op.out_shape[-1], return_sequences=True, name=op.name)(inputs[0])


def _add(keras_module: ModuleType, op: Op, inputs: Sequence[Tensor]) -> Tensor:
    if len(inputs) == 1:  # the summand of a batch normalization of its own, which the factor before it made
        return inputs[0]
    return keras_module.layers.Add(name=op.name)(list(inputs))


def _mul(keras_module: ModuleType, op: Op, inputs: Sequence[Tensor]) -> Tensor:
    if len(inputs) > 1:
        return keras_module.layers.Multiply(name=op.name)(list(inputs))
    if not op.batch_norm:
        raise UnsupportedError(
            f"a product with a constant ({op.name}) cannot be built; expected one of two tensors, or the "
            "factor of a batch normalization"
        )
    name = op.name.removesuffix("_scale")
    return keras_module.layers.BatchNormalization(name=name, momentum=0.9)(inputs[0])


def _pool(layer_name: str) -> Emitter:
    def emit(keras_module: ModuleType, op: Op, inputs: Sequence[Tensor]) -> Tensor:
        layer = getattr(keras_module.layers, layer_name)
        return layer(op.kernel, op.stride, padding=op.padding, name=op.name)(inputs[0])

    return emit


def _global_pool(layer_name: str) -> Emitter:
    def emit(keras_module: ModuleType, op: Op, inputs: Sequence[Tensor]) -> Tensor:
        keeps_axes = len(op.out_shape) == len(op.in_shape)
        return getattr(keras_module.layers, layer_name)(keepdims=keeps_axes, name=op.name)(inputs[0])

    return emit


def _reshape(keras_module: ModuleType, op: Op, inputs: Sequence[Tensor]) -> Tensor:
    return keras_module.layers.Reshape(op.out_shape, name=op.name)(inputs[0])


def _softmax(keras_module: ModuleType, op: Op, inputs: Sequence[Tensor]) -> Tensor:
    return keras_module.layers.Softmax(name=op.name)(inputs[0])


def _nothing(keras_module: ModuleType, op: Op, inputs: Sequence[Tensor]) -> Tensor:
    return inputs[0]  # a lone activation: `_finish` adds it


EMITTERS: dict[str, Emitter] = {
    "conv2d": _conv2d,
    "depthwise_conv2d": _depthwise,
    "dense": _dense,
    "add": _add,
    "sub": _merge("Subtract"),
    "mul": _mul,
    "concat": _merge("Concatenate"),
    "max_pool2d": _pool("MaxPooling2D"),
    "avg_pool2d": _pool("AveragePooling2D"),
    "global_avg_pool": _global_pool("GlobalAveragePooling2D"),
    "global_max_pool": _global_pool("GlobalMaxPooling2D"),
    "pad": _pad,
    "slice": _slice,
    "lstm": _lstm,
    "reshape": _reshape,
    "softmax": _softmax,
    "activation": _nothing,
}
"""How each kind of operation becomes a layer, ``emit(keras_module, op, inputs) -> tensor``.

`build_model` adds the activation and batch normalization fused into it. A kind that is missing here can be
added.
"""
