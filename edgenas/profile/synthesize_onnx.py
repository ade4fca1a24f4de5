"""From an OpGraph straight to a float32 or int8 ``.onnx`` file with random weights, for ONNX Runtime.

The nodes are those that the exporter's files hold (`edgenas.export.onnx`, `edgenas.quantize`): NCHW
convolutions behind one Transpose, an activation as a node of its own in float32, and in int8 pairs of
QuantizeLinear and DequantizeLinear around every operation, weights in int8 per channel, activations in
uint8. The runtime then fuses what it fuses in a real file. (With activations in int8, ONNX Runtime 1.32
on x86-64 changes some of them to uint8 and then fails to fuse what stands at residual additions: such
networks ran up to five times as long.) The outputs are meaningless: for measuring only.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from edgenas.arch.graph import RECURRENT, Op, OpGraph, Shape
from edgenas.errors import UnsupportedError
from edgenas.profile.synthesize_onnx_steps import write_lstm, write_step

_OPSET, _IR_VERSION = 17, 8
_SCALE = np.float32(6.0 / 255.0)
_ACTIVATIONS = {"linear": None, "relu": "Relu", "relu6": "Clip"}
_FUNCTIONS = {
    "relu": "Relu",
    "relu6": "Clip",
    "hard_swish": "HardSwish",
    "sigmoid": "Sigmoid",
    "tanh": "Tanh",
}
"""Lone activations that have a writer."""


def synthesize_onnx(graph: OpGraph, seed: int = 0, precision: str = "int8", *, bare: bool = False) -> bytes:
    """An ``.onnx`` file of a graph, batch 1, with random weights.

    Args:
        graph: The network, or operations over one input.
        seed: Seeds the weights; one seed gives the same bytes.
        precision: ``int8`` (QDQ form) or ``float32``.
        bare: For operations measured outside a network: the input is quantized and in the layout of the
            runtime's kernels already, and of an image output only one pixel is taken, in that layout, so
            that no conversion between layouts is timed.

    Raises:
        UnsupportedError: An operation has no writer here.
    """
    import onnx
    from onnx import helper

    writer = Writer(graph, np.random.default_rng(seed), precision == "int8", bare)
    for op in graph.ops:
        known = _FUNCTIONS if op.kind == "activation" else _ACTIVATIONS
        if op.kind not in _WRITERS or op.activation not in known or is_rare(op):
            raise UnsupportedError(
                f"operation '{op.kind}' with activation '{op.activation}' ({op.name}) cannot be synthesized; "
                f"expected one of {', '.join(_WRITERS)} with {', '.join(known)}, without groups or unusual "
                "constant inputs"
            )
        writer.add(op)
    outputs = writer.graph_outputs()
    document = helper.make_graph(writer.nodes, "edgenas", [writer.graph_input], outputs, writer.constants)
    model = helper.make_model(document, opset_imports=[helper.make_opsetid("", _OPSET)])
    model.ir_version = _IR_VERSION
    return bytes(onnx.ModelProto.SerializeToString(model))


def is_rare(op: Op) -> bool:
    """Whether an operation has what no writer here writes."""
    by_channel = op.kind in ("add", "mul") and op.constants == op.out_shape[-1] and len(op.inputs) == 1
    return op.groups != 1 or (op.constants != 0 and not by_channel and op.kind not in RECURRENT)


def _nchw(shape: Shape) -> list[int]:
    return [1, shape[-1], *shape[:-1]] if len(shape) == 3 else [1, *shape]


class Writer:
    """Collects nodes and constants; `tensors` maps the graph's tensor ids to names in the file."""

    def __init__(self, graph: OpGraph, rng: np.random.Generator, int8: bool, bare: bool) -> None:
        from onnx import TensorProto, helper

        self.graph, self.rng, self.int8, self.bare = graph, rng, int8, bare
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.shared: dict[str, str] = {}
        if int8:
            self.constant("scale", np.array(_SCALE))
            self.constant("zero", np.array(128, np.uint8))
        kind = TensorProto.UINT8 if bare and int8 else TensorProto.FLOAT
        shape = _nchw(graph.input_shape) if bare and not int8 else [1, *graph.input_shape]
        self.graph_input = helper.make_tensor_value_info("input", kind, shape)
        self.tensors = [self._entry()]

    def _entry(self) -> str:
        """What the first operation reads."""
        name = "input"
        if self.bare and self.int8:
            if len(self.graph.input_shape) == 3:  # a Transpose that the optimizer cancels: kernels are NHWC
                name = self.node("Transpose", [name], perm=[0, 3, 1, 2])
            return self.node("DequantizeLinear", [name, "scale", "zero"])
        if self.bare:
            return name
        if len(self.graph.input_shape) == 3 and self.graph.input_shape[-1] > 1:
            name = self.node("Transpose", [name], perm=[0, 3, 1, 2])
        elif len(self.graph.input_shape) == 3:
            name = self.reshaped(name, _nchw(self.graph.input_shape))
        return self.between(name)

    def add(self, op: Op) -> None:
        """Append an operation with its activation."""
        name = _WRITERS[op.kind](self, op, [self.tensors[tensor] for tensor in op.inputs])
        activation = _ACTIVATIONS.get(op.activation)  # a lone one that is never fused writes itself
        if activation and not self.int8:  # in int8 the quantizer folds it into the range
            limits = [self.constant(f"{op.name}/{v}", np.float32(v)) for v in (0, 6)]
            name = self.node(activation, [name, *(limits if activation == "Clip" else [])])
        self.tensors.append(self.between(name))

    def between(self, name: str) -> str:
        """The pair of QuantizeLinear and DequantizeLinear behind a tensor, in int8 files."""
        if not self.int8:
            return name
        quantized = self.node("QuantizeLinear", [name, "scale", "zero"])
        return self.node("DequantizeLinear", [quantized, "scale", "zero"])

    def node(self, kind: str, inputs: list[str], **attributes: Any) -> str:
        """Append a node and return the name of what it writes."""
        from onnx import helper

        name = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], name=f"n{len(self.nodes)}", **attributes))
        return name

    def constant(self, name: str, values: Any) -> str:
        """Append a constant and return its name."""
        from onnx import numpy_helper

        self.constants.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def reshaped(self, name: str, shape: list[int]) -> str:
        """A tensor in another shape."""
        return self.node(
            "Reshape", [name, self.constant(f"shape{len(self.nodes)}", np.array(shape, np.int64))]
        )

    def weights(self, op: Op, shape: tuple[int, ...], axis: int) -> str:
        """Random weights, per channel in int8 files, that keep the outputs within their range."""
        if op.weights_of:
            return self.shared[op.weights_of]
        self.shared[op.name] = self._weights(op, shape, axis)
        return self.shared[op.name]

    def _weights(self, op: Op, shape: tuple[int, ...], axis: int) -> str:
        gain = 1.0 / np.sqrt(max(1, prod(shape) // op.out_shape[-1]))
        if not self.int8:
            return self.constant(f"{op.name}/w", self.rng.normal(0, gain, shape).astype(np.float32))
        channels = shape[axis]
        values = self.rng.integers(-127, 128, shape, dtype=np.int8)
        scale = (gain / 73 * self.rng.uniform(0.5, 1.5, channels)).astype(np.float32)
        names = [
            self.constant(f"{op.name}/w", values),
            self.constant(f"{op.name}/s", scale),
            self.constant(f"{op.name}/z", np.zeros(channels, np.int8)),
        ]
        return self.node("DequantizeLinear", names, axis=axis)

    def bias(self, op: Op) -> str:
        """Random biases."""
        channels = op.out_shape[-1]
        if not self.int8:
            return self.constant(f"{op.name}/b", self.rng.normal(0, 0.1, channels).astype(np.float32))
        scales = next(c for c in self.constants if c.name == f"{op.name}/s")
        values = np.frombuffer(scales.raw_data, np.float32) * _SCALE
        names = [
            self.constant(f"{op.name}/b", self.rng.integers(-1000, 1000, channels, dtype=np.int32)),
            self.constant(f"{op.name}/bs", values),
            self.constant(f"{op.name}/bz", np.zeros(channels, np.int32)),
        ]
        return self.node("DequantizeLinear", names, axis=0)

    def graph_outputs(self) -> list[Any]:
        """Every tensor that no operation reads."""
        from onnx import TensorProto, helper

        read = {tensor for op in self.graph.ops for tensor in op.inputs}
        unread = [(k, op.out_shape) for k, op in enumerate(self.graph.ops, start=1) if k not in read]
        outputs = [
            self._sink(self.tensors[k], shape) if self.bare else (self.tensors[k], shape)
            for k, shape in unread
        ]
        return [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, _nchw(shape)) for name, shape in outputs
        ]

    def _sink(self, name: str, shape: Shape) -> tuple[str, Shape]:
        """One pixel of an image: pooling with a window of one element and a stride of the whole."""
        if len(shape) != 3:
            return name, shape
        pixel = self.node("MaxPool", [name], kernel_shape=[1, 1], strides=list(shape[:2]))
        return self.between(pixel), (1, 1, shape[-1])


def _window_attributes(op: Op) -> dict[str, Any]:
    pads = [0, 0, 0, 0]
    if op.padding == "same":  # TensorFlow's rule: the odd element goes to the end
        for axis in (0, 1):
            size = op.in_shape[axis]
            span = (op.kernel[axis] - 1) * op.dilation[axis] + 1
            missing = max(0, (op.out_shape[axis] - 1) * op.stride[axis] + span - size)
            pads[axis], pads[axis + 2] = missing // 2, missing - missing // 2
    return {"kernel_shape": list(op.kernel), "strides": list(op.stride), "pads": pads}


def _conv(writer: Writer, op: Op, inputs: list[str]) -> str:
    group = op.in_shape[-1] if op.kind == "depthwise_conv2d" else 1
    weights = writer.weights(op, (op.out_shape[-1], op.in_shape[-1] // group, *op.kernel), 0)
    names = [*inputs, weights, writer.bias(op)]
    return writer.node("Conv", names, group=group, dilations=list(op.dilation), **_window_attributes(op))


def _elementwise(kind: str) -> Any:
    """Of two tensors, or of one and a constant for each channel."""

    def write(writer: Writer, op: Op, inputs: list[str]) -> str:
        if not op.constants:
            return writer.node(kind, inputs)
        shape = (op.constants, *[1] * (len(op.in_shape) - 1))
        if not writer.int8:
            constant = writer.constant(f"{op.name}/c", writer.rng.uniform(0.5, 2, shape).astype(np.float32))
        else:
            values = writer.constant(f"{op.name}/c", writer.rng.integers(0, 256, shape, dtype=np.uint8))
            constant = writer.node("DequantizeLinear", [values, "scale", "zero"])
        return writer.node(kind, [*inputs, constant])

    return write


def _activation(writer: Writer, op: Op, inputs: list[str]) -> str:
    if op.activation not in _ACTIVATIONS:
        return writer.node(_FUNCTIONS[op.activation], inputs)
    return writer.node("Relu" if writer.int8 else "Identity", inputs)


def _dense(writer: Writer, op: Op, inputs: list[str]) -> str:
    weights = writer.weights(op, (op.in_shape[-1], op.out_shape[-1]), 1)
    if writer.int8 or not op.bias:
        return writer.node("MatMul", [*inputs, weights])
    return writer.node("Gemm", [*inputs, weights, writer.bias(op)])


def _pool(kind: str) -> Any:
    def write(writer: Writer, op: Op, inputs: list[str]) -> str:
        return writer.node(kind, inputs, **_window_attributes(op))

    return write


def _global_pool(kind: str) -> Any:
    def write(writer: Writer, op: Op, inputs: list[str]) -> str:
        name = writer.node(kind, inputs)
        if len(op.out_shape) == 3:
            return name
        axes = writer.constant(f"{op.name}/axes", np.array([2, 3], np.int64))
        return writer.node("Squeeze", [writer.between(name), axes])

    return write


def _pad(writer: Writer, op: Op, inputs: list[str]) -> str:
    gaps = [out - size for size, out in zip(_nchw(op.in_shape), _nchw(op.out_shape), strict=True)]
    before = [gap if op.padding == "causal" else gap // 2 for gap in gaps]
    amounts = np.array([*before, *(gap - n for gap, n in zip(gaps, before, strict=True))], np.int64)
    return writer.node("Pad", [*inputs, writer.constant(f"{op.name}/pads", amounts)])


_WRITERS: dict[str, Any] = {
    "conv2d": _conv,
    "depthwise_conv2d": _conv,
    "dense": _dense,
    "add": _elementwise("Add"),
    "mul": _elementwise("Mul"),
    "max_pool2d": _pool("MaxPool"),
    "avg_pool2d": _pool("AveragePool"),
    "global_avg_pool": _global_pool("GlobalAveragePool"),
    "global_max_pool": _global_pool("GlobalMaxPool"),
    "softmax": lambda writer, op, inputs: writer.node("Softmax", inputs, axis=-1),
    "reshape": lambda writer, op, inputs: writer.reshaped(inputs[0], _nchw(op.out_shape)),
    "pad": _pad,
    "activation": _activation,
    "sub": _elementwise("Sub"),
    "slice": write_step,
    "lstm": write_lstm,
}
