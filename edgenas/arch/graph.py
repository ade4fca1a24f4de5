"""OpGraph: a network as the list of operations a device will run, without TensorFlow.

One definition serves everything: the Keras builder makes layers from it, the cost sources add
up its operations, the report draws it. (The idea that one architecture yields both a trainable
model and a graph for costs is from uNAS, Liberis et al. 2021.)

An operation is *fused* as int8 runtimes fuse it: convolution, batch normalization and activation
are one `Op`. Tensor 0 is the network's input and tensor ``k + 1`` is what operation ``k`` writes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import prod
from typing import Any

from edgenas.errors import UnsupportedError

Shape = tuple[int, ...]
"""Shape without the batch axis: (height, width, channels) or (features,)."""


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
        activation: ``linear``, ``relu`` or ``relu6``.
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
        shape = self.weight_shape
        channels = self.out_shape[-1]
        weights = prod(shape) if shape else 0
        return weights + channels * (int(self.bias) + 4 * int(self.batch_norm))


@dataclass(frozen=True, slots=True)
class OpKind:
    """What is known of one kind of operation: its MACs and the shape of its weights."""

    macs: Callable[[Op], int]
    weight_shape: Callable[[Op], Shape | None]


def _window(op: Op) -> int:
    return op.kernel[0] * op.kernel[1]


_NO_WEIGHTS = OpKind(macs=lambda op: 0, weight_shape=lambda op: None)

OP_KINDS: dict[str, OpKind] = {
    "conv2d": OpKind(
        macs=lambda op: prod(op.out_shape) * _window(op) * op.in_shape[-1],
        weight_shape=lambda op: (op.out_shape[-1], *op.kernel, op.in_shape[-1]),
    ),
    "depthwise_conv2d": OpKind(
        macs=lambda op: prod(op.out_shape) * _window(op),
        weight_shape=lambda op: (1, *op.kernel, op.out_shape[-1]),
    ),
    "dense": OpKind(
        macs=lambda op: prod(op.out_shape) * op.in_shape[-1],
        weight_shape=lambda op: (op.out_shape[-1], op.in_shape[-1]),
    ),
    "add": _NO_WEIGHTS,
    "max_pool2d": _NO_WEIGHTS,
    "avg_pool2d": _NO_WEIGHTS,
    "global_avg_pool": _NO_WEIGHTS,
    "activation": _NO_WEIGHTS,
    "pad": _NO_WEIGHTS,
    "reshape": _NO_WEIGHTS,
    "softmax": _NO_WEIGHTS,
}
"""Every kind of operation that can be built and costed; others are refused by name."""


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

    def shape(self, tensor: int) -> Shape:
        """Shape of a tensor by its id, batch axis left out."""
        return self.input_shape if tensor == 0 else self.ops[tensor - 1].out_shape


def window_output(size: int, kernel: int, stride: int, padding: str) -> int:
    """Output length of a sliding window over ``size`` elements (TensorFlow's rule)."""
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
    ) -> int:
        """Append a convolution or pooling over a (height, width, channels) tensor.

        Args:
            filters: Output channels; None keeps the input's.
        """
        height, width, channels = shape = self.shape(tensor)
        window = (kernel, kernel) if isinstance(kernel, int) else kernel
        step = (stride, stride) if isinstance(stride, int) else stride
        out = (
            window_output(height, window[0], step[0], padding),
            window_output(width, window[1], step[1], padding),
            filters or channels,
        )
        return self.add_op(
            Op(kind, name, (tensor,), shape, out, window, step, padding, bias, batch_norm, activation)
        )

    def simple(
        self, kind: str, name: str, *tensors: int, out_shape: Shape | None = None, activation: str = "linear"
    ) -> int:
        """Append an operation without a window or weights; the output has the input's shape by default."""
        shape = self.shape(tensors[0])
        return self.add_op(Op(kind, name, tensors, shape, out_shape or shape, activation=activation))

    def dense(
        self, name: str, tensor: int, units: int, *, bias: bool = True, activation: str = "linear"
    ) -> int:
        """Append a fully connected layer over the last axis."""
        shape = self.shape(tensor)
        return self.add_op(
            Op("dense", name, (tensor,), shape, (*shape[:-1], units), bias=bias, activation=activation)
        )

    def finish(self) -> OpGraph:
        """The graph as a value."""
        return OpGraph(self.input_shape, tuple(self.ops))
