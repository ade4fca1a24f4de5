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

_RELU6_SCALE = 6.0 / 255.0  # a tensor that holds 0 to 6 in 256 steps


@dataclass(frozen=True, slots=True)
class _Quantization:
    """Scale and zero point of an activation tensor (per tensor)."""

    scale: float
    zero_point: int


_IMAGE = _Quantization(1.0 / 255.0, -128)
_POSITIVE = _Quantization(_RELU6_SCALE, -128)
_SIGNED = _Quantization(_RELU6_SCALE, 0)
_PROBABILITY = _Quantization(1.0 / 256.0, -128)
_ACTIVATIONS = {
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
    writer = _Writer(graph, np.random.default_rng(seed), precision == "int8")
    for op in graph.ops:
        if op.kind not in WRITERS or is_rare(op):
            raise UnsupportedError(
                f"operation '{op.kind}' ({op.name}) cannot be synthesized; expected one of "
                f"{', '.join(WRITERS)}, without groups or constant inputs"
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


class _Writer:
    """Collects tensors, buffers and operators of the file; tensor ids of the graph map to the file's."""

    def __init__(self, graph: OpGraph, rng: np.random.Generator, int8: bool) -> None:
        self.rng = rng
        self.int8 = int8
        self.tensors: list[Any] = []
        self.buffers: list[Any] = [schema.BufferT()]  # buffer 0 is empty by the format's rule
        self.operators: list[Any] = []
        self.settings: dict[tuple[Any, ...], int] = {}
        self.codes: list[tuple[int, int]] = []
        self.quantizations: list[_Quantization] = [_IMAGE]
        self.outputs = [self.tensor("input", graph.input_shape, _IMAGE)]

    def tensor(self, name: str, shape: tuple[int, ...], quantization: _Quantization) -> int:
        """Append an activation tensor with batch axis 1."""
        if not self.int8:
            return self._append(name, (1, *shape), schema.TensorType.FLOAT32, 0, None)
        scale = np.array([quantization.scale], np.float32)
        zero = np.array([quantization.zero_point], np.int64)
        return self._append(name, (1, *shape), schema.TensorType.INT8, 0, _parameters(scale, zero, 0))

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
        return self._append(name, values.shape, kind, len(self.buffers) - 1, _parameters(scale, zero, axis))

    def _append(self, name: str, shape: tuple[int, ...], kind: int, buffer: int, quantization: Any) -> int:
        tensor = schema.TensorT()
        tensor.name = name
        tensor.shape = np.array(shape, np.int32)
        tensor.type = kind
        tensor.buffer = buffer
        tensor.quantization = quantization
        self.tensors.append(tensor)
        return len(self.tensors) - 1

    def weights(self, op: Op, source: _Quantization, result: _Quantization, axis: int) -> list[int]:
        """Random weights and bias, scaled so that the outputs fill their range without saturating."""
        shape = op.weight_shape
        assert shape is not None
        channels = op.out_shape[-1]
        fan_in = prod(shape) // channels
        if not self.int8:
            floats = self.rng.normal(0, 1 / np.sqrt(fan_in), shape).astype(np.float32)
            bias32 = self.rng.normal(0, 0.1, channels).astype(np.float32)
            return [self.constant(f"{op.name}/weights", floats), self.constant(f"{op.name}/bias", bias32)]
        gain = 0.005 / np.sqrt(fan_in)  # input and weights uniform in int8: outputs of 25 to 50 steps
        scale = (gain * result.scale / source.scale * self.rng.uniform(0.5, 1.5, channels)).astype(np.float32)
        values = self.rng.integers(-127, 128, shape, dtype=np.int8)
        bias = self.rng.integers(-1000, 1000, channels, dtype=np.int32)
        return [
            self.constant(f"{op.name}/weights", values, scale, axis),
            self.constant(f"{op.name}/bias", bias, scale * np.float32(source.scale)),
        ]

    def operator(
        self, op: Op, code: int, version: int, inputs: list[int], result: _Quantization,
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


def _parameters(scale: np.ndarray | None, zero: np.ndarray | None, axis: int) -> Any:
    parameters = schema.QuantizationParametersT()
    parameters.scale = scale
    parameters.zeroPoint = zero
    parameters.quantizedDimension = axis
    return parameters


def _range(op: Op) -> _Quantization:
    return _SIGNED if op.activation == "linear" else _POSITIVE


def _conv2d(writer: _Writer, op: Op) -> None:
    options = schema.Conv2DOptionsT()
    options.padding = _PADDINGS[op.padding]
    options.strideH, options.strideW = op.stride
    options.dilationHFactor, options.dilationWFactor = op.dilation
    options.fusedActivationFunction = _ACTIVATIONS[op.activation]
    inputs = [
        writer.outputs[op.inputs[0]],
        *writer.weights(op, writer.quantizations[op.inputs[0]], _range(op), 0),
    ]
    kind = schema.BuiltinOptions.Conv2DOptions
    writer.operator(op, schema.BuiltinOperator.CONV_2D, 3, inputs, _range(op), kind, options)


def _depthwise(writer: _Writer, op: Op) -> None:
    options = schema.DepthwiseConv2DOptionsT()
    options.padding = _PADDINGS[op.padding]
    options.strideH, options.strideW = op.stride
    options.dilationHFactor, options.dilationWFactor = op.dilation
    options.depthMultiplier = 1
    options.fusedActivationFunction = _ACTIVATIONS[op.activation]
    inputs = [
        writer.outputs[op.inputs[0]],
        *writer.weights(op, writer.quantizations[op.inputs[0]], _range(op), 3),
    ]
    kind = schema.BuiltinOptions.DepthwiseConv2DOptions
    writer.operator(op, schema.BuiltinOperator.DEPTHWISE_CONV_2D, 3, inputs, _range(op), kind, options)


def _dense(writer: _Writer, op: Op) -> None:
    options = schema.FullyConnectedOptionsT()
    options.fusedActivationFunction = _ACTIVATIONS[op.activation]
    options.keepNumDims = len(op.in_shape) > 1
    inputs = [
        writer.outputs[op.inputs[0]],
        *writer.weights(op, writer.quantizations[op.inputs[0]], _range(op), 0),
    ]
    kind = schema.BuiltinOptions.FullyConnectedOptions
    writer.operator(op, schema.BuiltinOperator.FULLY_CONNECTED, 4, inputs, _range(op), kind, options)


def _add(writer: _Writer, op: Op) -> None:
    options = schema.AddOptionsT()
    options.fusedActivationFunction = _ACTIVATIONS[op.activation]
    inputs = [writer.outputs[tensor] for tensor in op.inputs]
    kind = schema.BuiltinOptions.AddOptions
    writer.operator(op, schema.BuiltinOperator.ADD, 2, inputs, _range(op), kind, options)


def _pool(code: int, version: int) -> Callable[[_Writer, Op], None]:
    def write(writer: _Writer, op: Op) -> None:
        options = schema.Pool2DOptionsT()
        options.padding = _PADDINGS[op.padding]
        options.strideH, options.strideW = op.stride
        options.filterHeight, options.filterWidth = op.kernel
        options.fusedActivationFunction = _ACTIVATIONS[op.activation]
        same = writer.quantizations[op.inputs[0]]  # int8 pooling must not rescale
        inputs = [writer.outputs[op.inputs[0]]]
        writer.operator(op, code, version, inputs, same, schema.BuiltinOptions.Pool2DOptions, options)

    return write


def _global_pool(writer: _Writer, op: Op) -> None:
    options = schema.ReducerOptionsT()
    options.keepDims = len(op.out_shape) == len(op.in_shape)
    axes = writer.constant(f"{op.name}/axes", np.array([1, 2], np.int32))
    inputs = [writer.outputs[op.inputs[0]], axes]
    same = writer.quantizations[op.inputs[0]]
    kind = schema.BuiltinOptions.ReducerOptions
    writer.operator(op, schema.BuiltinOperator.MEAN, 2, inputs, same, kind, options)


def _softmax(writer: _Writer, op: Op) -> None:
    options = schema.SoftmaxOptionsT()
    options.beta = 1.0
    inputs = [writer.outputs[op.inputs[0]]]
    kind = schema.BuiltinOptions.SoftmaxOptions
    writer.operator(op, schema.BuiltinOperator.SOFTMAX, 2, inputs, _PROBABILITY, kind, options)


def _reshape(writer: _Writer, op: Op) -> None:
    options = schema.ReshapeOptionsT()
    options.newShape = np.array((1, *op.out_shape), np.int32)
    shape = writer.constant(f"{op.name}/shape", np.array((1, *op.out_shape), np.int32))
    inputs = [writer.outputs[op.inputs[0]], shape]
    same = writer.quantizations[op.inputs[0]]
    kind = schema.BuiltinOptions.ReshapeOptions
    writer.operator(op, schema.BuiltinOperator.RESHAPE, 1, inputs, same, kind, options)


def _pad(writer: _Writer, op: Op) -> None:
    missing = [out - size for size, out in zip(op.in_shape, op.out_shape, strict=True)]
    amounts = np.array([(0, 0), *((gap // 2, gap - gap // 2) for gap in missing)], np.int32)
    inputs = [writer.outputs[op.inputs[0]], writer.constant(f"{op.name}/amounts", amounts)]
    same = writer.quantizations[op.inputs[0]]
    kind = schema.BuiltinOptions.PadOptions
    writer.operator(op, schema.BuiltinOperator.PAD, 2, inputs, same, kind, schema.PadOptionsT())


def _activation(writer: _Writer, op: Op) -> None:
    codes = {"relu": schema.BuiltinOperator.RELU, "relu6": schema.BuiltinOperator.RELU6}
    if op.activation not in codes:
        raise UnsupportedError(f"activation '{op.activation}' ({op.name}) was given; expected relu or relu6")
    writer.operator(op, codes[op.activation], 2, [writer.outputs[op.inputs[0]]], _POSITIVE)


_WRITERS: dict[str, Callable[[_Writer, Op], None]] = {
    "conv2d": _conv2d,
    "depthwise_conv2d": _depthwise,
    "dense": _dense,
    "add": _add,
    "max_pool2d": _pool(schema.BuiltinOperator.MAX_POOL_2D, 2),
    "avg_pool2d": _pool(schema.BuiltinOperator.AVERAGE_POOL_2D, 2),
    "global_avg_pool": _global_pool,
    "softmax": _softmax,
    "reshape": _reshape,
    "pad": _pad,
    "activation": _activation,
}
