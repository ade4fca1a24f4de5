"""Nodes of ``.onnx`` files that move and copy elements."""

from __future__ import annotations

from math import prod

from edgenas.arch.graph import Shape
from edgenas.build.onnx_elements import aligned, axes_of
from edgenas.build.onnx_file import MOST_AXES, Node, checked_shape
from edgenas.build.onnx_folding import resized
from edgenas.build.onnx_reader import UNIT, OnnxReader, Value, channels_last, in_order
from edgenas.build.onnx_weighted import Handler


def transpose(reader: OnnxReader, node: Node) -> Value:
    """A renaming of axes; data move when somebody reads them in the new order."""
    value = reader.value(node, 0)
    order = node.integers("perm") or tuple(reversed(range(len(value.axes))))
    if sorted(order) != list(range(len(value.axes))):
        raise reader.refusal(node, f"turns {len(value.axes)} axes by {order}; expected each once")
    return Value(
        reader.renamed(node.input(0), value).tensor,
        tuple(value.axes[axis] for axis in order),
        tuple(value.shape[axis] for axis in order),
    )


def reshape(reader: OnnxReader, node: Node) -> Value:
    """Another shape for the same elements."""
    value = reader.value(node, 0)
    try:
        shape = resized(value.shape, reader.constant(node, 1).integers())
    except ValueError as error:
        raise reader.refusal(node, f"cannot {error}; expected the same number of elements") from None
    return reshaped(reader, node, value, shape)


def flatten(reader: OnnxReader, node: Node) -> Value:
    """Two axes from many."""
    value = reader.value(node, 0)
    axis = node.integer("axis", 1)
    axis = axis + len(value.shape) if axis < 0 else axis
    return reshaped(reader, node, value, (prod(value.shape[:axis]), prod(value.shape[axis:])))


def squeeze(reader: OnnxReader, node: Node) -> Value:
    """The same tensor without unit axes."""
    value = reader.value(node, 0)
    axes = axes_of(reader, node, len(value.shape)) or tuple(
        axis for axis, size in enumerate(value.shape) if size == 1
    )
    if any(value.shape[axis] != 1 for axis in axes):
        raise reader.refusal(node, f"drops axes {axes} of {value.shape}; expected unit axes")
    return reshaped(
        reader, node, value, tuple(size for axis, size in enumerate(value.shape) if axis not in axes)
    )


def unsqueeze(reader: OnnxReader, node: Node) -> Value:
    """The same tensor with further unit axes."""
    value = reader.value(node, 0)
    listed = node.integers("axes")
    listed = reader.constant(node, 1).integers() if listed is None else listed
    rank = len(value.shape) + len(listed)
    axes = {axis + rank if axis < 0 else axis for axis in listed}
    if len(axes) != len(listed) or rank > MOST_AXES or any(not 0 <= axis < rank for axis in axes):
        raise reader.refusal(node, f"adds axes {listed} to {value.shape}; expected each at most once")
    sizes = iter(value.shape)
    return reshaped(reader, node, value, tuple(1 if axis in axes else next(sizes) for axis in range(rank)))


def reshaped(reader: OnnxReader, node: Node, value: Value, shape: Shape) -> Value:
    """A value of another shape: a renaming if only unit axes move, else a ``reshape``.

    Channels of an image may stay in front (then the tensor keeps them last), be flattened with the
    rest (the order of features is the next layer's affair), or else lie as ONNX's order asks.
    """
    long = [axis for axis, size in zip(value.axes, value.shape, strict=True) if size != 1]
    if [size for size in value.shape if size != 1] == [size for size in shape if size != 1]:
        following = iter(long)
        axes = tuple(next(following) if size != 1 else UNIT for size in shape)
        return Value(reader.renamed(node.input(0), value).tensor, axes, shape)
    if not shape or min(shape) < 1:
        raise reader.refusal(node, f"writes shape {shape}; expected 1 or more elements along each axis")
    is_image = len(value.axes) > 2 and value.axes == channels_last(value.shape)[1]
    wanted = len(shape) in (3, 4) and shape[0] == 1 and reader.wants_channels_first(node.outputs[0])
    source, rank = value, len(value.shape)
    if is_image and shape[:1] == (1,) and len(shape) > rank and shape[2 - rank :] == value.shape[2:]:
        return _split_channels(reader, node, value, shape)
    if wanted and rank > len(shape) and value.shape[2 - len(shape) :] == shape[2:]:
        spatial = len(shape) - 2
        source = reader.ordered(node, value, (*range(rank - spatial, rank), *range(1, rank - spatial)))
    elif is_image and len(shape) > 2 and shape[:2] == value.shape[:2]:
        wanted = True
    elif not (is_image and len([size for size in shape if size != 1]) < 2):
        source = reader.ordered(node, value, range(1, len(value.shape)))
    house, places = channels_last(shape) if wanted else in_order(shape)
    return reader.append(node, "reshape", [source], house, places)


def _split_channels(reader: OnnxReader, node: Node, value: Value, shape: Shape) -> Value:
    """Groups of channels of an image; they stay behind height and width."""
    spatial = len(value.shape) - 2
    groups = shape[1:-spatial]
    axes = (UNIT, *range(spatial, spatial + len(groups)), *range(spatial))
    return reader.append(node, "reshape", [value], (*value.shape[2:], *groups), axes)


def concat(reader: OnnxReader, node: Node) -> Value:
    """Several tensors and constants, one behind the other."""
    values = reader.computed(node)
    if not values:
        raise reader.refusal(node, "joins nothing that is computed; expected computed tensors")
    main = values[0]
    constants = [reader.constants[name] for name in node.inputs if name in reader.constants]
    rank = len(main.shape)
    axis = node.integer("axis", 0)
    axis = axis + rank if axis < 0 else axis
    shapes = [*(value.shape for value in values), *(constant.shape for constant in constants)]
    if not 0 <= axis < rank or len({(*shape[:axis], *shape[axis + 1 :]) for shape in shapes}) != 1:
        raise reader.refusal(
            node, f"joins {shapes[:8]} along axis {axis}; expected equal sizes along the others"
        )
    out = (*main.shape[:axis], sum(shape[axis] for shape in shapes), *main.shape[axis + 1 :])
    if main.axes[axis] == UNIT:
        values = [reader.ordered(node, value, range(1, rank)) for value in values]
        house, axes = in_order(out)
    else:
        values = [main, *(aligned(reader, node, value, main) for value in values[1:])]
        house = _with_sizes(reader, main, {axis: out[axis]})
        axes = main.axes
    return reader.append(
        node, "concat", values, house, axes, constants=sum(constant.elements for constant in constants)
    )


def _with_sizes(reader: OnnxReader, value: Value, sizes: dict[int, int]) -> Shape:
    """Shape of a value's tensor with other sizes along some ONNX axes."""
    house = list(reader.graph.shape(value.tensor))
    for axis, size in sizes.items():
        house[value.axes[axis]] = size
    return tuple(house)


def resized_along(reader: OnnxReader, node: Node, kind: str, value: Value, shape: Shape) -> Value:
    """Append an operation that changes the sizes of some axes."""
    changed = {axis: size for axis, size in enumerate(shape) if size != value.shape[axis]}
    if any(value.axes[axis] == UNIT for axis in changed):
        whole = reader.ordered(node, value, range(1, len(value.shape)))
        house, axes = in_order(shape)
        return reader.append(node, kind, [whole], house, axes)
    return reader.append(node, kind, [value], _with_sizes(reader, value, changed), value.axes)


def pad(reader: OnnxReader, node: Node) -> Value:
    """Elements around a tensor."""
    value = reader.value(node, 0)
    amounts = node.integers("pads")
    amounts = reader.constant(node, 1).integers() if amounts is None else amounts
    rank = len(value.shape)
    if len(amounts) != 2 * rank or node.input(3):
        raise reader.refusal(node, f"pads {value.shape} by {amounts}; expected (before, after) of each axis")
    shape = tuple(value.shape[k] + amounts[k] + amounts[k + rank] for k in range(rank))
    return resized_along(reader, node, "pad", value, shape)


def slices(reader: OnnxReader, node: Node) -> Value:
    """A part of a tensor."""
    value = reader.value(node, 0)
    rank = len(value.shape)

    def listed(name: str, place: int, default: tuple[int, ...]) -> tuple[int, ...]:
        given = node.integers(name)
        if given is None and node.input(place):
            given = reader.constant(node, place).integers()
        return default if given is None else given

    starts, ends = listed("starts", 1, ()), listed("ends", 2, ())
    axes = listed("axes", 3, tuple(range(len(starts))))
    steps = listed("steps", 4, (1,) * len(starts))
    if not len(starts) == len(ends) == len(axes) == len(steps) or 0 in steps:
        raise reader.refusal(node, "has starts, ends, axes and steps that do not match; expected one of each")
    shape = list(value.shape)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        if not -rank <= axis < rank:
            raise reader.refusal(node, f"cuts axis {axis} of {rank}; expected an axis of its input")
        shape[axis] = len(range(*slice(start, end, step).indices(value.shape[axis])))
    return resized_along(reader, node, "slice", value, tuple(shape))


def split(reader: OnnxReader, node: Node) -> None:
    """One ``split`` for each output, although the file has one node for all."""
    value = reader.value(node, 0)
    rank, count = len(value.shape), len(node.outputs)
    axis = node.integer("axis", 0)
    axis = axis + rank if axis < 0 else axis
    if not 0 <= axis < rank:
        raise reader.refusal(node, f"cuts axis {axis} of {rank}; expected an axis of its input")
    parts = node.integers("split")
    if parts is None and node.input(1):
        parts = reader.constant(node, 1).integers()
    if parts is None:
        each = -(-value.shape[axis] // count)
        parts = (*(each,) * (count - 1), value.shape[axis] - each * (count - 1))
    if len(parts) != count or sum(parts) != value.shape[axis]:
        raise reader.refusal(
            node, f"cuts {value.shape[axis]} into {parts[:8]}; expected parts of {count} outputs"
        )
    for name, size in zip(node.outputs, parts, strict=True):
        shape = (*value.shape[:axis], size, *value.shape[axis + 1 :])
        reader.values[name] = resized_along(reader, node, "split", value, shape)


def resize(reader: OnnxReader, node: Node) -> Value:
    """An image of another size."""
    value = reader.value(node, 0)
    kind = "resize_nearest" if node.text("mode", "nearest") == "nearest" else "resize_bilinear"
    sizes, scales = reader.constants.get(node.input(3)), None
    for place in (2, 1):
        given = reader.constants.get(node.input(place))
        if scales is None and given is not None and given.elements == len(value.shape):
            scales = given.values
    if sizes is not None:
        shape = sizes.integers()
    elif scales is not None and (abs(scales) < 1e6).all():
        shape = tuple(int(size * scale) for size, scale in zip(value.shape, scales.tolist(), strict=True))
    else:
        raise reader.refusal(node, "has no constant sizes or scales; export the model with fixed shapes")
    if len(shape) != len(value.shape):
        raise reader.refusal(node, f"turns {value.shape} into {shape}; expected a size for each axis")
    return resized_along(reader, node, kind, value, checked_shape(shape, node.name))


def blocks(kind: str) -> Handler:
    """The handler of ``DepthToSpace`` and ``SpaceToDepth``."""

    def read(reader: OnnxReader, node: Node) -> Value:
        value = reader.channels_last(node, reader.value(node, 0))
        size = node.integer("blocksize", 0)
        height, width, channels = reader.graph.shape(value.tensor)
        if not 1 <= size < 2**15:
            raise reader.refusal(node, f"has blocks of {size}; expected 1 or more")
        if kind == "depth_to_space":
            house = (height * size, width * size, channels // size**2)
        else:
            house = (height // size, width // size, channels * size**2)
        if prod(house) != height * width * channels:
            raise reader.refusal(node, f"has blocks of {size} for {value.shape}; expected sizes that divide")
        return reader.append(node, kind, [value], house, value.axes)

    return read


def gather(reader: OnnxReader, node: Node) -> Value:
    """Rows of a constant table (an embedding), or of a tensor."""
    axis = node.integer("axis", 0)
    if node.input(0) in reader.constants:
        table, value = reader.constants[node.input(0)], reader.value(node, 1)
        if axis != 0 or len(table.shape) < 1:
            raise reader.refusal(node, f"gathers along axis {axis} of a constant; expected rows")
        rows = reader.ordered(node, value, range(1, len(value.shape)))
        out = (*value.shape, *table.shape[1:])
        house, axes = in_order(out)
        return reader.append(node, "gather", [rows], house, axes, constants=table.elements)
    value, indices = reader.value(node, 0), reader.constant(node, 1)
    rank = len(value.shape)
    axis = axis + rank if axis < 0 else axis
    if not 0 <= axis < rank or len(indices.shape) > 1:
        raise reader.refusal(node, f"gathers along axis {axis} of {value.shape}; expected one of its axes")
    shape = (*value.shape[:axis], indices.elements, *value.shape[axis + 1 :])
    cut = resized_along(reader, node, "slice" if indices.elements == 1 else "gather", value, shape)
    if indices.shape:
        return cut
    return Value(cut.tensor, cut.axes[:axis] + cut.axes[axis + 1 :], cut.shape[:axis] + cut.shape[axis + 1 :])


def expand(reader: OnnxReader, node: Node) -> Value:
    """Copies along unit axes (``Expand``) or any (``Tile``)."""
    value, asked = reader.value(node, 0), reader.constant(node, 1).integers()
    if node.kind == "Tile" and len(asked) == len(value.shape):
        shape = tuple(size * times for size, times in zip(value.shape, asked, strict=True))
    elif len(asked) == len(value.shape):
        shape = tuple(max(size, other) for size, other in zip(value.shape, asked, strict=True))
    else:
        raise reader.refusal(node, f"copies {value.shape} to {asked}; expected a number for each axis")
    if shape == value.shape:
        return reader.renamed(node.input(0), value)
    return resized_along(reader, node, "tile", value, checked_shape(shape, node.name))
