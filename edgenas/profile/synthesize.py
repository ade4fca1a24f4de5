"""From an OpGraph straight to an int8 or float32 ``.tflite`` file with random weights, without a converter.

Integer kernels take the same time whatever the weights hold, so a latency needs no training and
no conversion: thousands of operations and whole networks can be measured in minutes. Layout,
operator versions and per-channel quantization follow what TensorFlow's converter writes (TFLite
schema version 3; the int8 rules are those of
https://ai.google.dev/edge/litert/models/quantization_spec), so that the runtime picks the same kernels.
The outputs are meaningless: for measuring only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgenas.arch.graph import GraphBuilder, Op, OpGraph
from edgenas.build.flatbuffer import AlignedBufferT, pack_model
from edgenas.errors import UnsupportedError
from edgenas.profile.synthesize_onnx import is_rare, synthesize_onnx
from edgenas.profile.synthesize_steps import write_lstm, write_step

_RELU6_SCALE = 6.0 / 255.0  # a tensor that holds 0 to 6 in 256 steps


@dataclass(frozen=True, slots=True)
class Quantization:
    """Scale and zero point of an activation tensor (per tensor)."""

    scale: float
    zero_point: int


_IMAGE = Quantization(1.0 / 255.0, -128)
POSITIVE = Quantization(_RELU6_SCALE, -128)
SIGNED = Quantization(_RELU6_SCALE, 0)
_PROBABILITY = Quantization(1.0 / 256.0, -128)
ACTIVATIONS = {
    "linear": schema.ActivationFunctionType.NONE,
    "relu": schema.ActivationFunctionType.RELU,
    "relu6": schema.ActivationFunctionType.RELU6,
}
_TYPES = {
    "int8": schema.TensorType.INT8,
    "int32": schema.TensorType.INT32,
    "float32": schema.TensorType.FLOAT32,
}
_PADDINGS = {"same": schema.Padding.SAME, "valid": schema.Padding.VALID}


def synthesize(graph: OpGraph, seed: int = 0, precision: str = "int8") -> bytes:
    """A ``.tflite`` file of a graph, batch 1, with random weights.

    Args:
        graph: The network, or a single operation.
        seed: Seeds the weights; one seed gives the same bytes.
        precision: ``int8`` (weights, activations, input and outputs) or ``float32``.

    Returns:
        The file's bytes; input (1, *graph.input_shape); outputs: every tensor that no operation
        reads (a network has one, a fan of operations over one input has several).

    Raises:
        UnsupportedError: An operation has no writer here.
    """
    writer = Writer(graph, np.random.default_rng(seed), precision == "int8")
    for op in graph.ops:
        if op.kind not in WRITERS or is_rare(op):
            raise UnsupportedError(
                f"operation '{op.kind}' ({op.name}) cannot be synthesized; expected one of "
                f"{', '.join(WRITERS)}, without groups or unusual constant inputs"
            )
        WRITERS[op.kind](writer, op)
    return writer.finish()


def tiny_model(model_format: str = "tflite") -> bytes:
    """A few microseconds of depthwise convolution: of all kernels the most sensitive to a shared core.

    Args:
        model_format: ``tflite`` (int8) or ``onnx`` (float32).
    """
    builder = GraphBuilder((14, 14, 32))
    builder.window("depthwise_conv2d", "tiny", 0, kernel=3, activation="relu6")
    if model_format == "onnx":
        return synthesize_onnx(builder.finish(), 0, "float32", bare=True)
    return synthesize(builder.finish())


class Writer:
    """Collects tensors, buffers and operators of the file; tensor ids of the graph map to the file's."""

    def __init__(self, graph: OpGraph, rng: np.random.Generator, int8: bool) -> None:
        self.rng = rng
        self.int8 = int8
        self.tensors: list[Any] = []
        self.buffers: list[Any] = [schema.BufferT()]  # buffer 0 is empty by the format's rule
        self.operators: list[Any] = []
        self.settings: dict[tuple[Any, ...], int] = {}
        self.shared: dict[str, list[int]] = {}
        self.codes: list[tuple[int, int]] = []
        self.quantizations: list[Quantization] = [_IMAGE]
        self.outputs = [self.tensor("input", graph.input_shape, _IMAGE)]

    def tensor(self, name: str, shape: tuple[int, ...], quantization: Quantization) -> int:
        """Append an activation tensor with batch axis 1."""
        if not self.int8:
            return self._append(name, (1, *shape), schema.TensorType.FLOAT32, 0, None)
        scale = np.array([quantization.scale], np.float32)
        zero = np.array([quantization.zero_point], np.int64)
        return self._append(name, (1, *shape), schema.TensorType.INT8, 0, parameters(scale, zero, 0))

    def constant(self, name: str, values: np.ndarray, scale: np.ndarray | None = None, axis: int = 0) -> int:
        """Append a constant, int8, int32 or float32, symmetric per channel along ``axis`` if scaled.

        Integers that stand for themselves (axes, shapes) are written once, as in the exporter's files.
        """
        setting = (values.shape, values.tobytes()) if scale is None and values.dtype == np.int32 else None
        if setting in self.settings:
            return self.settings[setting]
        if setting:
            self.settings[setting] = len(self.tensors)
        kind = _TYPES[values.dtype.name]
        buffer = AlignedBufferT()
        buffer.data = np.frombuffer(np.ascontiguousarray(values).tobytes(), np.uint8)
        self.buffers.append(buffer)
        zero = None if scale is None else np.zeros(scale.size, np.int64)
        return self._append(name, values.shape, kind, len(self.buffers) - 1, parameters(scale, zero, axis))

    def state(self, name: str, units: int, quantization: Quantization, kind: int) -> int:
        """Append a tensor that keeps its values from one step to the next."""
        if not self.int8:
            number = self._append(name, (1, units), schema.TensorType.FLOAT32, 0, None)
        else:
            scale, zero = np.array([quantization.scale], np.float32), np.array([0], np.int64)
            number = self._append(name, (1, units), kind, 0, parameters(scale, zero, 0))
        self.tensors[number].isVariable = True
        return number

    def notes(self, name: str, hidden: Quantization) -> np.ndarray:
        """Append what an int8 LSTM describes beside its tensors: four empty notes, and its hidden state."""
        numbers = [
            self._append(f"{name}/note{k}", (0,), schema.TensorType.FLOAT32, 0, None) for k in range(4)
        ]
        scale, zero = np.array([hidden.scale], np.float32), np.array([hidden.zero_point], np.int64)
        described = parameters(scale, zero, 0)
        numbers.append(self._append(f"{name}/note4", (0,), schema.TensorType.INT8, 0, described))
        return np.array(numbers, np.int32)

    def _append(self, name: str, shape: tuple[int, ...], kind: int, buffer: int, quantization: Any) -> int:
        tensor = schema.TensorT()
        tensor.name = name
        tensor.shape = np.array(shape, np.int32)
        tensor.type = kind
        tensor.buffer = buffer
        tensor.hasRank = True
        tensor.quantization = quantization
        self.tensors.append(tensor)
        return len(self.tensors) - 1

    def weights(self, op: Op, source: Quantization, result: Quantization, axis: int) -> list[int]:
        """Random weights and bias, scaled so that the outputs fill their range without saturating."""
        if op.weights_of:
            return self.shared[op.weights_of]
        shape = op.weight_shape
        assert shape is not None
        channels = op.out_shape[-1]
        fan_in = prod(shape) // channels
        if not self.int8:
            floats = self.rng.normal(0, 1 / np.sqrt(fan_in), shape).astype(np.float32)
            bias32 = self.rng.normal(0, 0.1, channels).astype(np.float32)
            first = self.constant(f"{op.name}/weights", floats)
            return [first, self.constant(f"{op.name}/bias", bias32) if op.stores_bias else -1]
        gain = 0.005 / np.sqrt(fan_in)  # input and weights uniform in int8: outputs of 25 to 50 steps
        scale = (gain * result.scale / source.scale * self.rng.uniform(0.5, 1.5, channels)).astype(np.float32)
        values = self.rng.integers(-127, 128, shape, dtype=np.int8)
        bias = self.rng.integers(-1000, 1000, channels, dtype=np.int32)
        first = self.constant(f"{op.name}/weights", values, scale, axis)
        if not op.stores_bias:
            return [first, -1]
        return [first, self.constant(f"{op.name}/bias", bias, scale * np.float32(source.scale))]

    def operator(
        self, op: Op, code: int, version: int, inputs: list[int], result: Quantization,
        options_type: int = 0, options: Any = None,
    ) -> None:  # fmt: skip
        """Append one operator and the tensor it writes; ``version`` is that of the int8 operator."""
        version = version if self.int8 else 1
        if (code, version) not in self.codes:
            self.codes.append((code, version))
        self.quantizations.append(result)
        self.outputs.append(self.tensor(op.name, op.out_shape, result))
        operator = schema.OperatorT()
        operator.opcodeIndex = self.codes.index((code, version))
        operator.inputs = np.array(inputs, np.int32)
        operator.outputs = np.array([self.outputs[-1]], np.int32)
        operator.builtinOptionsType = options_type
        operator.builtinOptions = options
        self.operators.append(operator)

    def finish(self) -> bytes:
        """The file's bytes."""
        subgraph = schema.SubGraphT()
        subgraph.tensors = self.tensors
        subgraph.operators = self.operators
        subgraph.inputs = np.array(self.outputs[:1], np.int32)
        read = {tensor for operator in self.operators for tensor in operator.inputs.tolist()}
        subgraph.outputs = np.array([tensor for tensor in self.outputs[1:] if tensor not in read], np.int32)
        return pack_model(subgraph, self.buffers, self.codes, "edgenas synthesized, random weights")


def parameters(scale: np.ndarray | None, zero: np.ndarray | None, axis: int) -> Any:
    """Quantization of a tensor, per channel along ``axis``; empty without a scale."""
    parameters = schema.QuantizationParametersT()
    parameters.scale = scale
    parameters.zeroPoint = zero
    parameters.quantizedDimension = axis
    return parameters


def _range(op: Op) -> Quantization:
    return SIGNED if op.activation == "linear" else POSITIVE


def _conv2d(writer: Writer, op: Op) -> None:
    options = schema.Conv2DOptionsT()
    options.padding = _PADDINGS[op.padding]
    options.strideH, options.strideW = op.stride
    options.dilationHFactor, options.dilationWFactor = op.dilation
    options.fusedActivationFunction = ACTIVATIONS[op.activation]
    inputs = [
        writer.outputs[op.inputs[0]],
        *writer.weights(op, writer.quantizations[op.inputs[0]], _range(op), 0),
    ]
    kind = schema.BuiltinOptions.Conv2DOptions
    writer.operator(op, schema.BuiltinOperator.CONV_2D, 3, inputs, _range(op), kind, options)


def _depthwise(writer: Writer, op: Op) -> None:
    options = schema.DepthwiseConv2DOptionsT()
    options.padding = _PADDINGS[op.padding]
    options.strideH, options.strideW = op.stride
    options.dilationHFactor, options.dilationWFactor = op.dilation
    options.depthMultiplier = 1
    options.fusedActivationFunction = ACTIVATIONS[op.activation]
    inputs = [
        writer.outputs[op.inputs[0]],
        *writer.weights(op, writer.quantizations[op.inputs[0]], _range(op), 3),
    ]
    kind = schema.BuiltinOptions.DepthwiseConv2DOptions
    writer.operator(op, schema.BuiltinOperator.DEPTHWISE_CONV_2D, 3, inputs, _range(op), kind, options)


def _dense(writer: Writer, op: Op) -> None:
    options = schema.FullyConnectedOptionsT()
    options.fusedActivationFunction = ACTIVATIONS[op.activation]
    options.keepNumDims = len(op.in_shape) > 1
    weights = writer.weights(op, writer.quantizations[op.inputs[0]], _range(op), 0)
    writer.shared[op.name] = weights
    inputs = [writer.outputs[op.inputs[0]], *weights]
    kind = schema.BuiltinOptions.FullyConnectedOptions
    writer.operator(op, schema.BuiltinOperator.FULLY_CONNECTED, 4, inputs, _range(op), kind, options)


def _pool(code: int, version: int) -> Callable[[Writer, Op], None]:
    def write(writer: Writer, op: Op) -> None:
        options = schema.Pool2DOptionsT()
        options.padding = _PADDINGS[op.padding]
        options.strideH, options.strideW = op.stride
        options.filterHeight, options.filterWidth = op.kernel
        options.fusedActivationFunction = ACTIVATIONS[op.activation]
        same = writer.quantizations[op.inputs[0]]  # int8 pooling must not rescale
        inputs = [writer.outputs[op.inputs[0]]]
        writer.operator(op, code, version, inputs, same, schema.BuiltinOptions.Pool2DOptions, options)

    return write


def _global_pool(code: int, version: int) -> Callable[[Writer, Op], None]:
    return lambda writer, op: _reduce(writer, op, code, version)


def _reduce(writer: Writer, op: Op, code: int, version: int) -> None:
    options = schema.ReducerOptionsT()
    options.keepDims = len(op.out_shape) == len(op.in_shape)
    axes = writer.constant(f"{op.name}/axes", np.array([1, 2], np.int32))
    inputs = [writer.outputs[op.inputs[0]], axes]
    same = writer.quantizations[op.inputs[0]]
    kind = schema.BuiltinOptions.ReducerOptions
    writer.operator(op, code, version, inputs, same, kind, options)


def _softmax(writer: Writer, op: Op) -> None:
    options = schema.SoftmaxOptionsT()
    options.beta = 1.0
    inputs = [writer.outputs[op.inputs[0]]]
    kind = schema.BuiltinOptions.SoftmaxOptions
    writer.operator(op, schema.BuiltinOperator.SOFTMAX, 2, inputs, _PROBABILITY, kind, options)


def _reshape(writer: Writer, op: Op) -> None:
    options = schema.ReshapeOptionsT()
    options.newShape = np.array((1, *op.out_shape), np.int32)
    shape = writer.constant(f"{op.name}/shape", np.array((1, *op.out_shape), np.int32))
    inputs = [writer.outputs[op.inputs[0]], shape]
    same = writer.quantizations[op.inputs[0]]
    kind = schema.BuiltinOptions.ReshapeOptions
    writer.operator(op, schema.BuiltinOperator.RESHAPE, 1, inputs, same, kind, options)


def _pad(writer: Writer, op: Op) -> None:
    missing = [out - size for size, out in zip(op.in_shape, op.out_shape, strict=True)]
    before = [gap if op.padding == "causal" else gap // 2 for gap in missing]
    amounts = np.array([(0, 0), *((n, gap - n) for gap, n in zip(missing, before, strict=True))], np.int32)
    inputs = [writer.outputs[op.inputs[0]], writer.constant(f"{op.name}/amounts", amounts)]
    same = writer.quantizations[op.inputs[0]]
    kind = schema.BuiltinOptions.PadOptions
    writer.operator(op, schema.BuiltinOperator.PAD, 2, inputs, same, kind, schema.PadOptionsT())


def _elementwise(code: int, options_kind: int, options: Callable[[], Any]) -> Callable[[Writer, Op], None]:
    """Of two tensors, or of one and a constant for each channel."""

    def write(writer: Writer, op: Op) -> None:
        chosen = options()
        chosen.fusedActivationFunction = ACTIVATIONS[op.activation]
        inputs = [writer.outputs[tensor] for tensor in op.inputs]
        if op.constants:
            inputs.append(_factors(writer, op))
        writer.operator(op, code, 2, inputs, _range(op), options_kind, chosen)

    return write


def _factors(writer: Writer, op: Op) -> int:
    values = writer.rng.integers(-127, 128, op.constants, dtype=np.int8)
    if writer.int8:
        return writer.constant(f"{op.name}/constant", values, np.array([1 / 64], np.float32))
    return writer.constant(f"{op.name}/constant", values.astype(np.float32) / 64)


_FUNCTIONS = {
    "relu": (schema.BuiltinOperator.RELU, 2, POSITIVE),
    "relu6": (schema.BuiltinOperator.RELU6, 2, POSITIVE),
    "hard_swish": (schema.BuiltinOperator.HARD_SWISH, 1, SIGNED),
    "sigmoid": (schema.BuiltinOperator.LOGISTIC, 2, _PROBABILITY),
    "tanh": (schema.BuiltinOperator.TANH, 2, Quantization(1.0 / 128.0, 0)),
}
"""Operator, version of int8, and range of each lone activation."""


def _activation(writer: Writer, op: Op) -> None:
    if op.activation not in _FUNCTIONS:
        raise UnsupportedError(
            f"activation '{op.activation}' ({op.name}) was given; expected one of {', '.join(_FUNCTIONS)}"
        )
    code, version, result = _FUNCTIONS[op.activation]
    writer.operator(op, code, version, [writer.outputs[op.inputs[0]]], result)


WRITERS: dict[str, Callable[[Writer, Op], None]] = {
    "conv2d": _conv2d,
    "depthwise_conv2d": _depthwise,
    "dense": _dense,
    "add": _elementwise(schema.BuiltinOperator.ADD, schema.BuiltinOptions.AddOptions, schema.AddOptionsT),
    "sub": _elementwise(schema.BuiltinOperator.SUB, schema.BuiltinOptions.SubOptions, schema.SubOptionsT),
    "mul": _elementwise(schema.BuiltinOperator.MUL, schema.BuiltinOptions.MulOptions, schema.MulOptionsT),
    "slice": write_step,
    "lstm": write_lstm,
    "max_pool2d": _pool(schema.BuiltinOperator.MAX_POOL_2D, 2),
    "avg_pool2d": _pool(schema.BuiltinOperator.AVERAGE_POOL_2D, 2),
    "global_avg_pool": _global_pool(schema.BuiltinOperator.MEAN, 2),
    "global_max_pool": _global_pool(schema.BuiltinOperator.REDUCE_MAX, 2),
    "softmax": _softmax,
    "reshape": _reshape,
    "pad": _pad,
    "activation": _activation,
}
