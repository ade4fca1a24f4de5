"""OpGraph: a network as the list of operations a device will run, without TensorFlow.

One definition serves everything: the Keras builder makes layers from it, the cost sources add
up its operations, the report draws it. (The idea that one architecture yields both a trainable
model and a graph for costs is from uNAS, Liberis et al. 2021.)

An operation is *fused* as int8 runtimes fuse it: convolution, batch normalization and activation
are one `Op`. Tensor 0 is the network's input and tensor ``k + 1`` is what operation ``k`` writes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any

from edgenas.errors import UnsupportedError

Shape = tuple[int, ...]
"""Shape without the batch axis: (height, width, channels) or (features,)."""

FUSED_ACTIVATIONS = frozenset({"linear", "relu", "relu6"})
"""What runtimes fuse into other operations; any other function is an operation of kind ``activation``."""


@dataclass(frozen=True, slots=True)
class Op:
    """One fused operation.

    Attributes:
        kind: One of `OP_KINDS`.
        name: Unique in its graph, for example ``stage1.0.expand``.
        inputs: Tensor ids it reads.
        in_shape: Shape of the first input, batch axis left out.
        out_shape: Shape of the output, batch axis left out.
        kernel: (height, width) of the window, in elements.
        stride: (vertical, horizontal) step of the window.
        padding: ``same`` or ``valid``.
        bias: Whether Keras trains a bias of its own (a batch normalization leaves one behind anyway).
        batch_norm: Whether a batch normalization was fused in.
        activation: ``linear``, ``relu`` or ``relu6``; of kind ``activation`` any function by its
            name, for example ``hard_swish``.
        dilation: (vertical, horizontal) distance of the window's elements.
        groups: Groups of channels of a convolution, each of which sees only its own.
        constants: Elements of a constant that it reads besides weights and bias, for example the
            factor of each channel of a ``mul`` with one input.
        per_tensor: Whether its int8 weights share one scale (files of older converters).
        weights_of: Name of an earlier operation whose weights and bias it uses too (a recurrent cell
            written out step after step); empty for weights of its own.
        start: Of a ``slice`` along the first axis: the place it takes.
        broadcasts: Whether its second input has another shape than the first and is spread over it, for
            example one factor for each channel.
        bias_start: What its bias is before training, for example 3 of a gate that a ReLU6 clips.
    """

    kind: str
    name: str
    inputs: tuple[int, ...]
    in_shape: Shape
    out_shape: Shape
    kernel: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    padding: str = "same"
    bias: bool = False
    batch_norm: bool = False
    activation: str = "linear"
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1
    constants: int = 0
    per_tensor: bool = False
    weights_of: str = ""
    start: int = 0
    broadcasts: bool = False
    bias_start: float = field(default=0.0, compare=False)

    @property
    def macs(self) -> int:
        """Multiply-accumulate operations for one input."""
        return kind_of(self.kind).macs(self)

    @property
    def weight_shape(self) -> Shape | None:
        """Shape of the deployed weights as TFLite stores them (output channels first), or None."""
        return kind_of(self.kind).weight_shape(self)

    @property
    def params(self) -> int:
        """Parameters as Keras counts them (a batch normalization has four per channel)."""
        if self.weights_of:
            return 0
        shape = self.weight_shape
        channels = self.out_shape[-1]
        if shape is None:  # a batch normalization of its own is a `mul` and an `add` of two constants
            return self.constants + 2 * channels * self.batch_norm
        return prod(shape) + self.constants + channels * (int(self.bias) + 4 * int(self.batch_norm))

    @property
    def stores_bias(self) -> bool:
        """Whether a ``.tflite`` file holds a bias: converters give convolutions one, if need be of zeros."""
        if self.weight_shape is None or self.kind in RECURRENT:
            return False
        return self.kind != "dense" or self.bias or self.batch_norm

    @property
    def stored_params(self) -> int:
        """Parameters as a ``.tflite`` file holds them, batch normalizations folded into weights and bias."""
        if self.weights_of:
            return 0
        shape = self.weight_shape
        weights = 0 if shape is None else prod(shape) + self.out_shape[-1] * self.stores_bias
        return weights + self.constants


@dataclass(frozen=True, slots=True)
class OpKind:
    """What is known of one kind of operation: its MACs and the shape of its weights."""

    macs: Callable[[Op], int]
    weight_shape: Callable[[Op], Shape | None]


def _window(op: Op) -> int:
    return op.kernel[0] * op.kernel[1]


def _steps(op: Op) -> int:
    return prod(op.in_shape[:-1])


def _gates(gates: int) -> OpKind:
    """A recurrent layer over (time, features): ``gates`` dense layers of input and state in each step."""

    def weight_shape(op: Op) -> Shape:
        units = op.out_shape[-1]
        return (gates * units, op.in_shape[-1] + units)

    return OpKind(macs=lambda op: _steps(op) * prod(weight_shape(op)), weight_shape=weight_shape)


_NO_WEIGHTS = OpKind(macs=lambda op: 0, weight_shape=lambda op: None)

OP_KINDS: dict[str, OpKind] = {
    "conv2d": OpKind(
        macs=lambda op: prod(op.out_shape) * _window(op) * (op.in_shape[-1] // op.groups),
        weight_shape=lambda op: (op.out_shape[-1], *op.kernel, op.in_shape[-1] // op.groups),
    ),
    "depthwise_conv2d": OpKind(
        macs=lambda op: prod(op.out_shape) * _window(op),
        weight_shape=lambda op: (1, *op.kernel, op.out_shape[-1]),
    ),
    "transpose_conv2d": OpKind(
        macs=lambda op: prod(op.in_shape) * _window(op) * (op.out_shape[-1] // op.groups),
        weight_shape=lambda op: (op.out_shape[-1], *op.kernel, op.in_shape[-1] // op.groups),
    ),
    "dense": OpKind(
        macs=lambda op: prod(op.out_shape) * op.in_shape[-1],
        weight_shape=lambda op: (op.out_shape[-1], op.in_shape[-1]),
    ),
    "matmul": OpKind(macs=lambda op: prod(op.out_shape) * op.in_shape[-1], weight_shape=lambda op: None),
    "lstm": _gates(4),
    "gru": _gates(3),
    **dict.fromkeys(
        (
            # elementwise, of two tensors or of one and a constant
            "add", "sub", "mul", "div", "maximum", "minimum", "squared_difference", "power",
            # over windows and axes
            "max_pool2d", "avg_pool2d", "global_avg_pool", "global_max_pool",
            "mean", "sum", "reduce_max", "reduce_min", "argmax",
            # one function of each element or row
            "activation", "softmax", "log_softmax", "l2_norm", "local_response_norm", "quantize",
            # moving and copying
            "pad", "reshape", "transpose", "concat", "slice", "split", "tile", "gather",
            "resize_nearest", "resize_bilinear", "depth_to_space", "space_to_depth",
        ),
        _NO_WEIGHTS,
    ),
}  # fmt: skip
"""Every kind of operation that has a cost; others are refused by name."""

RECURRENT = frozenset({"lstm", "gru"})
"""Kinds whose biases, of all gates, stand in `Op.constants`."""


def kind_of(kind: str) -> OpKind:
    """What is known of a kind of operation.

    Raises:
        UnsupportedError: The kind is not in `OP_KINDS`.
    """
    try:
        return OP_KINDS[kind]
    except KeyError:
        raise UnsupportedError(
            f"operation '{kind}' has no cost; expected one of {', '.join(OP_KINDS)}"
        ) from None


@dataclass(frozen=True, slots=True)
class OpGraph:
    """A network as a list of fused operations in the order in which they run.

    Attributes:
        input_shape: (height, width, channels) or (features,), batch axis left out.
        ops: Operations; operation ``k`` writes tensor ``k + 1`` and reads only earlier tensors.
    """

    input_shape: Shape
    ops: tuple[Op, ...]

    @property
    def macs(self) -> int:
        """Multiply-accumulate operations for one input."""
        return sum(op.macs for op in self.ops)

    @property
    def params(self) -> int:
        """Parameters as Keras counts them, batch normalization statistics included."""
        return sum(op.params for op in self.ops)

    @property
    def stored_params(self) -> int:
        """Parameters as a ``.tflite`` file holds them, see `Op.stored_params`."""
        return sum(op.stored_params for op in self.ops)

    def shape(self, tensor: int) -> Shape:
        """Shape of a tensor by its id, batch axis left out."""
        return self.input_shape if tensor == 0 else self.ops[tensor - 1].out_shape


def window_output(size: int, kernel: int, stride: int, padding: str) -> int:
    """Output length of a sliding window over ``size`` elements (TensorFlow's rule).

    Args:
        kernel: Elements from the window's first to its last, gaps of a dilation included.
    """
    return -(-size // stride) if padding == "same" else (size - kernel) // stride + 1


class GraphBuilder:
    """Appends operations to a graph; every method returns the id of the tensor it wrote."""

    def __init__(self, input_shape: Shape) -> None:
        self.input_shape = input_shape
        self.ops: list[Op] = []

    def shape(self, tensor: int) -> Shape:
        """Shape of a tensor by its id, batch axis left out."""
        return self.input_shape if tensor == 0 else self.ops[tensor - 1].out_shape

    def add_op(self, op: Op) -> int:
        """Append a finished operation."""
        self.ops.append(op)
        return len(self.ops)

    def replace_last(self, **changes: Any) -> None:
        """Change fields of the operation appended last (to fuse what follows into it)."""
        self.ops[-1] = replace(self.ops[-1], **changes)

    def window(
        self,
        kind: str,
        name: str,
        tensor: int,
        *,
        filters: int | None = None,
        kernel: int | tuple[int, int] = 1,
        stride: int | tuple[int, int] = 1,
        padding: str = "same",
        bias: bool = False,
        batch_norm: bool = False,
        activation: str = "linear",
        dilation: tuple[int, int] = (1, 1),
        groups: int = 1,
        bias_start: float = 0.0,
    ) -> int:
        """Append a convolution or pooling over a (height, width, channels) tensor.

        Args:
            filters: Output channels; None keeps the input's.
        """
        height, width, channels = shape = self.shape(tensor)
        window = (kernel, kernel) if isinstance(kernel, int) else kernel
        step = (stride, stride) if isinstance(stride, int) else stride
        out = (
            window_output(height, (window[0] - 1) * dilation[0] + 1, step[0], padding),
            window_output(width, (window[1] - 1) * dilation[1] + 1, step[1], padding),
            filters or channels,
        )
        return self.add_op(
            Op(
                kind, name, (tensor,), shape, out, window, step, padding, bias, batch_norm, activation,
                dilation, groups, bias_start=bias_start,
            )
        )  # fmt: skip

    def simple(
        self, kind: str, name: str, *tensors: int, out_shape: Shape | None = None, activation: str = "linear"
    ) -> int:
        """Append an operation without a window or weights; the output has the input's shape by default."""
        shape = self.shape(tensors[0])
        spread = len(tensors) == 2 and self.shape(tensors[1]) != shape and kind != "concat"
        op = Op(kind, name, tensors, shape, out_shape or shape, activation=activation, broadcasts=spread)
        return self.add_op(op)

    def dense(
        self,
        name: str,
        tensor: int,
        units: int,
        *,
        bias: bool = True,
        batch_norm: bool = False,
        activation: str = "linear",
        weights_of: str = "",
    ) -> int:
        """Append a fully connected layer over the last axis."""
        shape = self.shape(tensor)
        return self.add_op(
            Op(
                "dense", name, (tensor,), shape, (*shape[:-1], units), bias=bias, batch_norm=batch_norm,
                activation=activation, weights_of=weights_of,
            )
        )  # fmt: skip

    def step(self, name: str, tensor: int, time: int) -> int:
        """Append a slice: one step of a series, (time, *rest) to (*rest,)."""
        shape = self.shape(tensor)
        return self.add_op(Op("slice", name, (tensor,), shape, shape[1:], start=time))

    def finish(self) -> OpGraph:
        """The graph as a value."""
        return OpGraph(self.input_shape, tuple(self.ops))
