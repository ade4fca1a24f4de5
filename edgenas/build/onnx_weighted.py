"""Nodes of ``.onnx`` files with weights or windows: convolutions, poolings, dense and recurrent layers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod

from edgenas.arch.graph import Shape, window_output
from edgenas.build.onnx_file import Node
from edgenas.build.onnx_reader import UNIT, OnnxReader, Value, channels_last, in_order

Handler = Callable[[OnnxReader, Node], Value]
LINEAR = frozenset({"conv2d", "depthwise_conv2d", "transpose_conv2d", "dense"})


@dataclass(frozen=True)
class _Window:
    """A window over (height, width); that of a 1-D operation has height 1."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    pads: tuple[int, int, int, int]
    automatic: str


def _window(reader: OnnxReader, node: Node, kernel: Shape) -> _Window:
    def pair(name: str, default: int) -> tuple[int, int]:
        values = node.integers(name) or (default,) * len(kernel)
        if len(values) != len(kernel) or min(values) < 1 or max(values) >= 2**31:
            raise reader.refusal(node, f"has {name} {values}; expected one of 1 or more for each axis")
        return (1, values[0]) if len(kernel) == 1 else (values[0], values[1])

    if len(kernel) not in (1, 2) or min(kernel) < 1:
        raise reader.refusal(node, f"has a window of shape {kernel}; expected one or two axes")
    pads = node.integers("pads") or (0,) * (2 * len(kernel))
    if len(pads) != 2 * len(kernel) or min(pads) < 0 or max(pads) >= 2**31:
        raise reader.refusal(node, f"has pads {pads}; expected (before, after) of each axis")
    if len(kernel) == 1:
        pads, kernel = (0, pads[0], 0, pads[1]), (1, kernel[0])
    return _Window(
        (kernel[0], kernel[1]), pair("strides", 1), pair("dilations", 1),
        (pads[0], pads[1], pads[2], pads[3]), node.text("auto_pad", "NOTSET"),
    )  # fmt: skip


def _image(reader: OnnxReader, node: Node) -> tuple[Value, bool]:
    """The first input as (height, width, channels), and whether it has a height in the file."""
    value = reader.value(node, 0)
    if len(value.shape) == 4:
        return reader.channels_last(node, value), True
    if len(value.shape) != 3:
        raise reader.refusal(node, f"reads shape {value.shape}; expected (1, channels, height, width)")
    house = (1, value.shape[2], value.shape[1])
    if value.axes == (UNIT, 2, 1) and reader.graph.shape(value.tensor) == house:
        return value, False
    flat = reader.channels_last(node, value)
    return reader.append(node, "reshape", [flat], house, (UNIT, 2, 1)), False


def _padded(
    reader: OnnxReader, node: Node, value: Value, window: _Window, ceil: bool
) -> tuple[Value, str, tuple[int, int]]:
    """Padding and output size of a window; a padding of neither kind becomes an operation of its own."""
    height, width, channels = reader.graph.shape(value.tensor)
    spans = [(window.kernel[k] - 1) * window.dilation[k] + 1 for k in (0, 1)]
    same = tuple(
        window_output(size, 1, step, "same")
        for size, step in zip((height, width), window.stride, strict=True)
    )
    if window.automatic in ("SAME_UPPER", "SAME_LOWER"):
        return value, "same", (same[0], same[1])
    pads = (0, 0, 0, 0) if window.automatic == "VALID" else window.pads
    out = []
    for k, size in enumerate((height, width)):
        gap = size + pads[k] + pads[k + 2] - spans[k]
        steps = -(-gap // window.stride[k]) if ceil else gap // window.stride[k]
        out.append(steps + 1)
    needed = [(out[k] - 1) * window.stride[k] + spans[k] for k in (0, 1)]
    if not any(pads) and needed[0] <= height and needed[1] <= width:
        return value, "valid", (out[0], out[1])
    if tuple(out) == same:
        return value, "same", (out[0], out[1])
    if min(out) < 1:
        raise reader.refusal(
            node, f"has a window larger than its input {(height, width)}; expected a smaller one"
        )
    larger = (
        max(height + pads[0] + pads[2], needed[0]), max(width + pads[1] + pads[3], needed[1]), channels,
    )  # fmt: skip
    return reader.append(node, "pad", [value], larger, value.axes), "valid", (out[0], out[1])


def _written(size: tuple[int, int], channels: int) -> Shape:
    return (*size, channels)


def _result(reader: OnnxReader, value: Value, has_height: bool) -> Value:
    axes = (UNIT, 2, 0, 1) if has_height else (UNIT, 2, 1)
    return reader.seen(value.tensor, axes)


def conv(reader: OnnxReader, node: Node) -> Value:
    """A convolution: plain, grouped or depthwise."""
    return convolution(reader, node, 1, 2)


def convolution(reader: OnnxReader, node: Node, weights_place: int, bias_place: int) -> Value:
    """A convolution whose weights and bias stand at the given places among the inputs."""
    shape = reader.constant(node, weights_place).shape
    value, has_height = _image(reader, node)
    groups = node.integer("group", 1)
    channels = reader.graph.shape(value.tensor)[-1]
    if (
        len(shape) != (4 if has_height else 3)
        or groups < 1
        or channels != shape[1] * groups
        or shape[0] % groups
    ):
        raise reader.refusal(
            node,
            f"has weights of shape {shape} for {channels} channels in {groups} groups; expected a match",
        )
    window = _window(reader, node, shape[2:])
    depthwise = groups == channels and groups > 1
    value, padding, size = _padded(reader, node, value, window, ceil=False)
    written = reader.append(
        node, "depthwise_conv2d" if depthwise else "conv2d", [value], _written(size, shape[0]), value.axes,
        kernel=window.kernel, stride=window.stride, padding=padding, bias=bool(node.input(bias_place)),
        dilation=window.dilation, groups=1 if depthwise else groups,
    )  # fmt: skip
    return _result(reader, written, has_height)


def transpose_conv(reader: OnnxReader, node: Node) -> Value:
    """A transposed convolution."""
    shape = reader.constant(node, 1).shape
    value, has_height = _image(reader, node)
    groups = node.integer("group", 1)
    height, width, channels = reader.graph.shape(value.tensor)
    if len(shape) != (4 if has_height else 3) or groups < 1 or channels != shape[0] or channels % groups:
        raise reader.refusal(
            node, f"has weights of shape {shape} for {channels} channels; expected matching ones"
        )
    window = _window(reader, node, shape[2:])
    extra = node.integers("output_padding") or (0,) * len(shape[2:])
    extra = (0, *extra) if len(extra) == 1 else extra
    asked = node.integers("output_shape")
    size = []
    for k, length in enumerate((height, width)):
        span = (window.kernel[k] - 1) * window.dilation[k] + 1
        whole = (length - 1) * window.stride[k] + span
        same = window.automatic.startswith("SAME")
        out = length * window.stride[k] if same else whole - window.pads[k] - window.pads[k + 2]
        size.append(asked[k - 2] if asked and len(asked) > 1 else out + (0 if same else extra[k]))
    fits = (size[0], size[1]) == (height * window.stride[0], width * window.stride[1])
    written = reader.append(
        node, "transpose_conv2d", [value], _written((size[0], size[1]), shape[1] * groups), value.axes,
        kernel=window.kernel, stride=window.stride, padding="same" if fits else "valid",
        bias=bool(node.input(2)), dilation=window.dilation, groups=groups,
    )  # fmt: skip
    return _result(reader, written, has_height)


def pool(kind: str) -> Handler:
    """The handler of a pooling over a window."""

    def read(reader: OnnxReader, node: Node) -> Value:
        value, has_height = _image(reader, node)
        window = _window(reader, node, node.integers("kernel_shape") or ())
        value, padding, size = _padded(reader, node, value, window, node.integer("ceil_mode", 0) == 1)
        channels = reader.graph.shape(value.tensor)[-1]
        written = reader.append(
            node, kind, [value], _written(size, channels), value.axes,
            kernel=window.kernel, stride=window.stride, padding=padding, dilation=window.dilation,
        )  # fmt: skip
        return _result(reader, written, has_height)

    return read


def batch_norm(reader: OnnxReader, node: Node) -> Value:
    """A batch normalization: part of what it reads, or a ``mul`` and an ``add`` of a constant a channel."""
    value = reader.value(node, 0)
    channels = reader.constant(node, 1).elements
    if len(value.shape) < 2 or value.shape[1] != channels or value.axes[1] == UNIT < channels - 1:
        raise reader.refusal(node, f"has {channels} factors for shape {value.shape}; expected one a channel")
    op = reader.can_fuse(node, node.input(0), LINEAR)
    if op is not None and not op.batch_norm:
        reader.change(value, batch_norm=True)
        return value
    shape = reader.graph.shape(value.tensor)
    scaled = reader.append(node, "mul", [value], shape, value.axes, constants=channels, batch_norm=True)
    return reader.append(node, "add", [scaled], shape, value.axes, constants=channels)


def gemm(reader: OnnxReader, node: Node) -> Value:
    """A fully connected layer of a matrix."""
    shape = reader.constant(node, 1).shape
    if len(shape) != 2 or node.integer("transA", 0):
        raise reader.refusal(
            node, f"has weights of shape {shape}; expected (features, units), input not turned"
        )
    features, units = reversed(shape) if node.integer("transB", 0) else shape
    return _dense(reader, node, features, units, bool(node.input(2)))


def matmul(reader: OnnxReader, node: Node) -> Value:
    """A product with a constant matrix (a fully connected layer), or of two computed ones."""
    return product(reader, node, 0, 1)


def product(reader: OnnxReader, node: Node, first: int, second: int) -> Value:
    """A product of the inputs at two places."""
    right = node.input(second)
    if right in reader.constants and len(reader.constants[right].shape) == 2:
        features, units = reader.constants[right].shape
        return _dense(reader, node, features, units, False)
    known = [reader.constants[name].shape for name in (node.input(first), right) if name in reader.constants]
    values = [reader.values[name] for name in (node.input(first), right) if name in reader.values]
    if len(known) + len(values) != 2 or not values:
        raise reader.refusal(node, "multiplies tensors that no earlier node writes; expected computed ones")
    values = [reader.ordered(node, value, range(1, len(value.shape))) for value in values]
    left, shape = (known[0], values[0].shape) if node.input(first) in reader.constants else (
        values[0].shape, known[0] if known else values[1].shape
    )  # fmt: skip
    if min(len(left), len(shape)) < 2 or left[-1] != shape[-2]:
        raise reader.refusal(node, f"multiplies {left} and {shape}; expected matrices that match")
    batch = left[:-2] if len(left) >= len(shape) else shape[:-2]
    out = (*batch, left[-2], shape[-1])
    house, axes = in_order(out)
    constants = sum(prod(size) for size in known)
    written = reader.append(node, "matmul", values, house, axes, constants=constants)
    reader.change(written, in_shape=left[1:] if left[0] == 1 and len(left) > 1 else left)
    return written


def _dense(reader: OnnxReader, node: Node, features: int, units: int, bias: bool) -> Value:
    value = reader.value(node, 0)
    if not value.shape or value.shape[-1] != features or min(features, units) < 1:
        raise reader.refusal(
            node, f"reads shape {value.shape}; expected {features} features as its weights have"
        )
    flat = reader.ordered(node, value, range(1 if value.shape[0] == 1 else 0, len(value.shape)))
    shape = reader.graph.shape(flat.tensor)
    return reader.append(node, "dense", [flat], (*shape[:-1], units), flat.axes, bias=bias)


def recurrent(kind: str, gates: int) -> Handler:
    """The handler of a recurrent layer over (time, batch, features)."""

    def read(reader: OnnxReader, node: Node) -> Value:
        value, shape = reader.value(node, 0), reader.constant(node, 1).shape
        if node.text("direction", "forward") != "forward" or len(shape) != 3 or shape[0] != 1:
            raise reader.refusal(node, "reads in both directions or backwards; expected a forward layer")
        units, features = shape[1] // gates, shape[2]
        if len(value.shape) != 3 or value.shape[2] != features or 1 not in value.shape[:2] or units < 1:
            raise reader.refusal(node, f"reads shape {value.shape}; expected (time, 1, {features})")
        batch_first = node.integer("layout", 0) == 1
        time = 1 if batch_first else 0
        if value.shape[1 - time] != 1:
            raise reader.refusal(node, f"reads shape {value.shape}; expected a batch of 1")
        rows = reader.ordered(node, value, (time, 2))
        both = gates == 3 and node.integer("linear_before_reset", 0) == 1
        written = reader.append(
            node, kind, [rows], (value.shape[time], units), (), constants=gates * units * (2 if both else 1)
        )
        return _states(reader, node, written, batch_first)

    return read


def _states(reader: OnnxReader, node: Node, written: Value, batch_first: bool) -> Value:
    """Name what a recurrent layer writes: all states, and the last, which is a slice of them."""
    _, units = reader.graph.shape(written.tensor)
    for place, name in enumerate(node.outputs[1:3], start=1):
        if name and reader.readers(name):
            if place == 2:
                raise reader.refusal(node, "hands on the state of its cells; expected its outputs alone")
            last = reader.append(node, "slice", [written], (units,), (UNIT, UNIT, 0))
            reader.values[name] = last
    return reader.seen(written.tensor, (UNIT, 0, UNIT, 1) if batch_first else (0, UNIT, UNIT, 1))


def global_pool(kind: str) -> Handler:
    """The handler of a pooling over all of the image; its unit axes stay if something reads them."""

    def read(reader: OnnxReader, node: Node) -> Value:
        value = reader.channels_last(node, reader.value(node, 0))
        return pooled(reader, node, kind, value, keep=True)

    return read


def pooled(reader: OnnxReader, node: Node, kind: str, value: Value, keep: bool) -> Value:
    """Append a pooling over all spatial axes of a channels-last value."""
    channels = value.shape[1]
    spatial = len(value.shape) - 2
    if not keep or all(_drops_axes(reader, reader_node) for reader_node in _followers(reader, node)):
        axes = (UNIT, 0, *(UNIT,) * (spatial if keep else 0))
        return reader.append(node, kind, [value], (channels,), axes)
    house, axes = channels_last((1, channels, *(1,) * spatial))
    return reader.append(node, kind, [value], house, axes)


def _followers(reader: OnnxReader, node: Node) -> list[Node]:
    """Nodes that read a node's output, through conversions between float and int8."""
    found, waiting = [], [node.outputs[0]] if node.outputs else []
    for _ in range(8):
        names, waiting = waiting, []
        for name in names[:64]:
            for follower in reader.file.readers.get(name, ()):
                if follower.kind in ("QuantizeLinear", "DequantizeLinear", "Identity", "Dropout"):
                    waiting += follower.outputs[:1]
                else:
                    found.append(follower)
    return found


def _drops_axes(reader: OnnxReader, node: Node) -> bool:
    if node.kind in ("Squeeze", "Flatten"):
        return True
    if node.kind != "Reshape":
        return False
    asked = reader.constants.get(node.input(1))
    return asked is not None and asked.elements == 2
