"""State while the nodes of an ``.onnx`` file are read one by one, and the way from its layout to the house's.

ONNX computes on (batch, channels, height, width), the house on (height, width, channels). A value is
a tensor of the graph together with where each of its ONNX axes lies in it, so that most transpositions
are renamings: a network that was turned to channels first and back costs none. One that really moves
data, as a channel shuffle does, becomes an operation when somebody reads it in the order it asked for.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from edgenas.arch.graph import FUSED_ACTIVATIONS, Op, Shape
from edgenas.build.onnx_file import Constant, Node, OnnxFile, checked_shape
from edgenas.build.reading import GraphReader
from edgenas.errors import UnsupportedError

CARRIES_ACTIVATION = frozenset(
    {"conv2d", "depthwise_conv2d", "transpose_conv2d", "dense", "add", "sub", "mul", "div"}
)
_CHANNELS_FIRST = frozenset({
    "Conv", "ConvTranspose", "MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool", "Resize",
    "Upsample", "BatchNormalization", "InstanceNormalization", "DepthToSpace", "SpaceToDepth", "PRelu", "LRN",
    "QLinearConv",
})  # fmt: skip
_LAYOUT_FREE = frozenset({
    "Relu", "Clip", "LeakyRelu", "Sigmoid", "HardSwish", "HardSigmoid", "Tanh", "Elu", "Identity", "Cast",
    "QuantizeLinear", "DequantizeLinear", "Add", "Sub", "Mul", "Div", "Pad", "Concat", "Dropout", "Split",
})  # fmt: skip
FARTHEST = 200
"""Tensors that are looked at to tell the layout of one."""

UNIT = -1
"""In `Value.axes`: an axis of one element that the tensor does not have."""


@dataclass(frozen=True)
class Value:
    """A tensor of the graph as an ONNX node sees it.

    Attributes:
        tensor: Id in the graph.
        axes: For each ONNX axis its axis in the tensor, or `UNIT`.
        shape: Sizes of the ONNX axes.
    """

    tensor: int
    axes: tuple[int, ...]
    shape: Shape


class OnnxReader(GraphReader):
    """Appends the file's nodes; `values` and `constants` hold what each name stands for.

    Raises:
        UnsupportedError: The network has several inputs, or one of no fixed size.
    """

    def __init__(self, file: OnnxFile) -> None:
        if len(file.inputs) != 1:
            raise UnsupportedError(f"an .onnx file with {len(file.inputs)} inputs was given; expected one")
        name, given = file.inputs[0]
        shape = _fixed(name, given)
        self.file = file
        self.constants = dict(file.constants)
        self._readers = {name: len(nodes) for name, nodes in file.readers.items()}
        for output in file.outputs:
            self._readers[output] = self._readers.get(output, 0) + 1
        house, axes = shape[1:], (UNIT, *range(len(shape) - 1))
        if len(shape) in (3, 4) and self.wants_channels_first(name):
            house, axes = channels_last(shape)
        super().__init__(house)
        self.values = {name: Value(0, axes, shape)}
        self._shared: set[int] = set()

    def refusal(self, node: Node, why: str) -> UnsupportedError:
        """The error for a form of an operation that has no cost."""
        return UnsupportedError(f"operation {node.label} {why}")

    def value(self, node: Node, place: int) -> Value:
        """A computed input of a node.

        Raises:
            UnsupportedError: It is left out, a constant, or written by a later node.
        """
        name = node.input(place)
        if name not in self.values:
            raise self.refusal(
                node, f"reads no computed tensor as its input {place} ('{name}'); expected one"
            )
        return self.values[name]

    def constant(self, node: Node, place: int) -> Constant:
        """A constant input of a node.

        Raises:
            UnsupportedError: It is left out or computed.
        """
        name = node.input(place)
        if name not in self.constants:
            raise self.refusal(node, f"has no constant as its input {place} ('{name}'); expected one")
        return self.constants[name]

    def computed(self, node: Node) -> list[Value]:
        """All inputs that are computed.

        Raises:
            UnsupportedError: One is neither computed before nor a constant.
        """
        found = []
        for name in filter(None, node.inputs):
            if name in self.values:
                found.append(self.values[name])
            elif name not in self.constants:
                raise self.refusal(node, f"reads '{name}', which no earlier node writes")
        return found

    def readers(self, name: str) -> int:
        """How many nodes and outputs read a tensor."""
        return self._readers.get(name, 0)

    def append(
        self, node: Node, kind: str, inputs: Iterable[Value], out: Shape, axes: tuple[int, ...],
        **fields: Any,
    ) -> Value:  # fmt: skip
        """Append an operation and return what it writes.

        Args:
            out: Shape of the tensor it writes, in the house's order.
            axes: Where the ONNX axes of the result lie in it.
        """
        if not out or min(out) < 1:
            raise self.refusal(node, f"writes shape {out}; expected 1 or more elements along each axis")
        tensors = tuple(value.tensor for value in inputs)
        op = Op(kind, node.name, tensors, self.graph.shape(tensors[0]), out, **fields)
        return self.seen(self.add(op), axes)

    def seen(self, tensor: int, axes: tuple[int, ...]) -> Value:
        """A tensor of the graph with its axes in ONNX's order."""
        house = self.graph.shape(tensor)
        return Value(tensor, axes, tuple(1 if axis == UNIT else house[axis] for axis in axes))

    def ordered(self, node: Node, value: Value, order: Iterable[int]) -> Value:
        """A value whose tensor has the given ONNX axes in that order, and no others.

        Returns:
            The same value where that is so; else that of a reshape or, where data move, a transpose.
        """
        order = tuple(order)
        target = tuple(value.shape[axis] for axis in order) or (1,)
        places = {axis: place for place, axis in enumerate(order)}
        axes = tuple(places.get(axis, UNIT) for axis in range(len(value.axes)))
        if self.graph.shape(value.tensor) == target and _follows(value, order):
            return Value(value.tensor, axes, value.shape)
        kind = "reshape" if _follows(value, order) else "transpose"
        return self.append(node, kind, [value], target, axes)

    def channels_last(self, node: Node, value: Value) -> Value:
        """A value (batch, channels, *spatial) whose tensor is (*spatial, channels)."""
        axes = len(value.axes)
        if axes < 3 or value.shape[0] != 1:
            raise self.refusal(node, f"reads shape {value.shape}; expected (1, channels, height, width)")
        return self.ordered(node, value, (*range(2, axes), 1))

    def can_fuse(self, node: Node, name: str, kinds: frozenset[str]) -> Op | None:
        """The operation that wrote a tensor, if only this node reads it and it is linear so far."""
        value = self.values.get(name)
        if value is None or value.tensor == 0 or self.readers(name) > 1:
            return None
        op = self.graph.ops[value.tensor - 1]
        alone = value.tensor not in self._shared
        return op if op.kind in kinds and op.activation == "linear" and alone else None

    def renamed(self, name: str, value: Value) -> Value:
        """A value that goes on under another name; its tensor is shared if more than one node reads it."""
        if self.readers(name) > 1:
            self._shared.add(value.tensor)
        return value

    def activate(self, node: Node, activation: str) -> Value:
        """Fuse an activation into what it reads, or append it."""
        value = self.value(node, 0)
        if activation in FUSED_ACTIVATIONS and self.can_fuse(node, node.input(0), CARRIES_ACTIVATION):
            self.change(value, activation=activation)
            return value
        shape = self.graph.shape(value.tensor)
        return self.append(node, "activation", [value], shape, value.axes, activation=activation)

    def change(self, value: Value, **fields: Any) -> None:
        """Change fields of the operation that wrote a value."""
        self.graph.ops[value.tensor - 1] = replace(self.graph.ops[value.tensor - 1], **fields)

    def wants_channels_first(self, name: str) -> bool:
        """Whether a tensor is read as (batch, channels, ...) before anything rearranges it."""
        seen, waiting = {name}, [name]
        while waiting and len(seen) < FARTHEST:
            for node in self.file.readers.get(waiting.pop(), ()):
                if node.kind in _CHANNELS_FIRST:
                    return True
                if node.kind in _LAYOUT_FREE:
                    fresh = [output for output in node.outputs if output not in seen]
                    seen.update(fresh)
                    waiting += fresh
        return False


def channels_last(shape: Shape) -> tuple[Shape, tuple[int, ...]]:
    """The house's shape and axes of (batch, channels, *spatial)."""
    spatial = len(shape) - 2
    return (*shape[2:], shape[1]), (UNIT, spatial, *range(spatial))


def in_order(shape: Shape) -> tuple[Shape, tuple[int, ...]]:
    """The house's shape and axes of a tensor whose axes keep ONNX's order; a batch of 1 is left out."""
    if len(shape) > 1 and shape[0] == 1:
        return shape[1:], (UNIT, *range(len(shape) - 1))
    return shape, tuple(range(len(shape)))


def _follows(value: Value, order: Iterable[int]) -> bool:
    """Whether the elements lie in the order of the given ONNX axes already."""
    places = [value.axes[axis] for axis in order if value.shape[axis] != 1]
    return places == sorted(places)


def _fixed(name: str, given: tuple[int | str, ...]) -> Shape:
    """The input's shape with a batch of 1.

    Raises:
        UnsupportedError: It has another batch, or an axis of no fixed size.
    """
    shape = tuple(1 if axis == 0 and isinstance(size, str) else size for axis, size in enumerate(given))
    sizes = tuple(size for size in shape if isinstance(size, int))
    if len(sizes) != len(shape) or len(shape) < 2 or shape[0] != 1:
        raise UnsupportedError(
            f"input '{name}' has shape ({', '.join(map(str, given))}); expected a batch of 1 and fixed "
            "sizes: export the model with a fixed input shape"
        )
    return checked_shape(sizes, name)
