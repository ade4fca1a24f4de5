"""Nodes of ``.onnx`` files that work on each element, or reduce axes."""

from __future__ import annotations

from edgenas.arch.graph import Shape
from edgenas.build.onnx_file import Constant, Node
from edgenas.build.onnx_reader import UNIT, OnnxReader, Value, in_order
from edgenas.build.onnx_weighted import LINEAR, Handler, pooled
from edgenas.build.reading import broadcast


def elementwise(kind: str, first: int = 0, second: int = 1) -> Handler:
    """The handler of an operation of two tensors, one of which may be a constant.

    A factor or summand for each channel right behind a convolution or dense layer is folded into
    its weights and bias, as converters do.
    """

    def read(reader: OnnxReader, node: Node) -> Value:
        names = [node.input(first), node.input(second)]
        for name, other in (names, reversed(names)):
            if name in reader.values and other in reader.constants:
                return _with_constant(reader, node, kind, name, reader.constants[other])
        if any(name not in reader.values for name in names):
            raise reader.refusal(
                node, f"reads {names}, which no earlier node writes; expected computed tensors"
            )
        return _of_two(reader, node, kind, reader.values[names[0]], reader.values[names[1]])

    return read


def _with_constant(reader: OnnxReader, node: Node, kind: str, name: str, constant: Constant) -> Value:
    value = reader.values[name]
    out = broadcast(value.shape, constant.shape)
    if out is None:
        raise reader.refusal(node, f"is of {value.shape} and {constant.shape}; expected shapes that match")
    op = reader.can_fuse(node, name, LINEAR)
    if op is not None and out == value.shape and _is_by_channel(reader, value, constant):
        if kind in ("add", "sub"):
            reader.change(value, bias=True)
            return value
        if kind in ("mul", "div") and not op.bias:
            return value
    if out == value.shape:
        shape = reader.graph.shape(value.tensor)
        return reader.append(node, kind, [value], shape, value.axes, constants=constant.elements)
    whole = reader.ordered(node, value, range(1, len(value.shape)))
    house, axes = in_order(out)
    return reader.append(node, kind, [whole], house or (1,), axes, constants=constant.elements)


def _is_by_channel(reader: OnnxReader, value: Value, constant: Constant) -> bool:
    """Whether a constant has one element for each channel of a tensor, or one for all."""
    channels = reader.graph.shape(value.tensor)[-1]
    padded = (1,) * (len(value.shape) - len(constant.shape)) + constant.shape
    long = [axis for axis, size in enumerate(padded) if size != 1]
    last = len(reader.graph.shape(value.tensor)) - 1
    return not long or (len(long) == 1 and value.axes[long[0]] == last and padded[long[0]] == channels)


def _of_two(reader: OnnxReader, node: Node, kind: str, left: Value, right: Value) -> Value:
    out = broadcast(left.shape, right.shape)
    if out is None:
        raise reader.refusal(node, f"is of {left.shape} and {right.shape}; expected shapes that match")
    main, other = (left, right) if left.shape == out or right.shape != out else (right, left)
    if main.shape == out:
        other = aligned(reader, node, other, main)
        house, axes = reader.graph.shape(main.tensor), main.axes
    else:
        main, other = (reader.ordered(node, value, range(1, len(value.shape))) for value in (main, other))
        house, axes = in_order(out)
    pair = (main, other) if main is left or other is right else (other, main)
    spread = left.shape != right.shape
    return reader.append(node, kind, pair, house, axes, broadcasts=spread)


def aligned(reader: OnnxReader, node: Node, value: Value, main: Value) -> Value:
    """A value whose elements lie in the order in which those of ``main`` do."""
    lead = len(main.axes) - len(value.axes)
    order = [axis - lead for axis in sorted(range(len(main.axes)), key=lambda axis: main.axes[axis])]
    order = [axis for axis in order if axis >= 0 and value.shape[axis] != 1]
    places = [value.axes[axis] for axis in order]
    return value if places == sorted(places) else reader.ordered(node, value, order)


def activation(name: str) -> Handler:
    """The handler of a function of each element."""
    return lambda reader, node: reader.activate(node, name)


def clip(reader: OnnxReader, node: Node) -> Value:
    """ReLU, ReLU6 or another clipping, by its limits."""
    low, high = node.number("min", float("-inf")), node.number("max", float("inf"))
    limits = []
    for place, default in ((1, low), (2, high)):
        given = reader.constants.get(node.input(place))
        known = given is not None and given.values is not None and given.values.size == 1
        limits.append(
            float(given.values.reshape(-1)[0]) if known and given and given.values is not None else default
        )
    names = {(0.0, 6.0): "relu6", (0.0, float("inf")): "relu", (-1.0, 1.0): "relu_n1_to_1"}
    return reader.activate(node, names.get((limits[0], limits[1]), "clip"))


def prelu(reader: OnnxReader, node: Node) -> Value:
    """A ReLU whose slope below zero is learned."""
    value = reader.value(node, 0)
    return reader.append(
        node, "activation", [value], reader.graph.shape(value.tensor), value.axes, activation="prelu",
        constants=reader.constant(node, 1).elements,
    )  # fmt: skip


def hard_sigmoid(reader: OnnxReader, node: Node) -> Value:
    """A clipped line, as ``.tflite`` files have it: a sum clipped to 0 to 6, and a factor."""
    value = reader.value(node, 0)
    shape = reader.graph.shape(value.tensor)
    summed = reader.append(node, "add", [value], shape, value.axes, constants=1, activation="relu6")
    return reader.append(node, "mul", [summed], shape, value.axes, constants=1)


def kept(kind: str) -> Handler:
    """The handler of an operation whose result has the shape of what it reads."""

    def read(reader: OnnxReader, node: Node) -> Value:
        value = reader.value(node, 0)
        if len(value.shape) == 2:  # a row of an image of one pixel is a row here too
            value = reader.ordered(node, value, range(1 if value.shape[0] == 1 else 0, 2))
        return reader.append(node, kind, [value], reader.graph.shape(value.tensor), value.axes)

    return read


def reduction(kind: str, over_image: str | None = None) -> Handler:
    """The handler of a reduction; one over height and width of an image has a kind of its own."""

    def read(reader: OnnxReader, node: Node) -> Value:
        value = reader.value(node, 0)
        axes = axes_of(reader, node, len(value.shape)) or tuple(range(len(value.shape)))
        keep = node.integer("keepdims", 1) == 1
        rank = len(value.shape)
        if (
            over_image
            and rank == 4
            and sorted(axes) == [2, 3]
            and value.axes in ((UNIT, 2, 0, 1), (UNIT, 0, UNIT, UNIT))
        ):
            return pooled(reader, node, over_image, reader.channels_last(node, value), keep)
        if over_image and rank == 4 and sorted(axes) == [1, 2] and value.axes == (UNIT, 0, 1, 2):
            channels = value.shape[3]
            house: Shape = (1, 1, channels) if keep else (channels,)
            return reader.append(node, over_image, [value], house, (UNIT, 0, 1, 2) if keep else (UNIT, 0))
        return _reduced(reader, node, kind, value, axes, keep)

    return read


def _reduced(
    reader: OnnxReader, node: Node, kind: str, value: Value, axes: tuple[int, ...], keep: bool
) -> Value:
    """Append a reduction; the axes that stay keep their order in the tensor."""
    gone = {value.axes[axis] for axis in axes}
    house = reader.graph.shape(value.tensor)
    left = [axis for axis in range(len(house)) if axis not in gone]
    places = {axis: place for place, axis in enumerate(left)}
    shape = tuple(house[axis] for axis in left) or (1,)
    written = [
        UNIT if axis in axes else places.get(value.axes[axis], UNIT)
        for axis in range(len(value.axes))
        if keep or axis not in axes
    ]
    return reader.append(node, kind, [value], shape, tuple(written))


def axes_of(reader: OnnxReader, node: Node, rank: int) -> tuple[int, ...]:
    """The axes that a node names, as an attribute or a constant; none if it names none.

    Raises:
        UnsupportedError: The tensor has no such axis.
    """
    listed = node.integers("axes")
    if listed is None and node.input(1):
        listed = reader.constant(node, 1).integers()
    axes = tuple(axis + rank if axis < 0 else axis for axis in listed or ())
    if any(not 0 <= axis < rank for axis in axes) or len(set(axes)) != len(axes):
        raise reader.refusal(node, f"names the axes {listed} of {rank}; expected each at most once")
    return axes


def argmax(reader: OnnxReader, node: Node) -> Value:
    """Where the largest or smallest element of an axis is."""
    value = reader.value(node, 0)
    rank = len(value.shape)
    axis = node.integer("axis", 0) % max(rank, 1)
    return _reduced(reader, node, "argmax", value, (axis,), node.integer("keepdims", 1) == 1)
