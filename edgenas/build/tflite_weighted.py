"""Operators of ``.tflite`` files with weights or windows: convolutions, pools, dense, recurrent layers."""

from __future__ import annotations

from collections.abc import Callable
from math import prod

from edgenas.arch.graph import Op, Shape, window_output
from edgenas.build.tflite_reader import TfliteReader
from edgenas.build.tflite_tables import OperatorTable, Table

Handler = Callable[[TfliteReader, OperatorTable], int]
_PADDINGS = {0: "same", 1: "valid"}


def image(reader: TfliteReader, operator: OperatorTable, place: int = 0) -> tuple[int, Shape]:
    """An input with height, width and channels.

    Raises:
        UnsupportedError: It has other axes.
    """
    tensor = reader.input(operator, place)
    shape = reader.graph.shape(tensor)
    if len(shape) != 3:
        raise reader.refusal(operator, f"reads shape {shape}; expected (height, width, channels)")
    return tensor, shape


def _padding_and_stride(
    reader: TfliteReader, operator: OperatorTable, *sizes: int
) -> tuple[str, tuple[int, int]]:
    options = reader.options(operator)
    padding = _PADDINGS.get(options.number(0, "b"))
    stride = (options.number(2, "i"), options.number(1, "i"))
    if padding is None or min(*stride, *sizes) < 1:
        raise reader.refusal(operator, f"has window {sizes} and stride {stride}; expected 1 or more")
    return padding, stride


def _has_bias(operator: OperatorTable, place: int = 2) -> bool:
    return len(operator.inputs) > place and operator.inputs[place] >= 0


def _window(
    reader: TfliteReader, operator: OperatorTable, op: Op, dilation: tuple[int, int] = (1, 1)
) -> int:  # fmt: skip
    """Append a window whose output size follows from its input, filters in ``op.out_shape``."""
    padding, stride = _padding_and_stride(reader, operator, *op.kernel, *dilation, *op.out_shape)
    size = tuple(
        window_output(op.in_shape[k], (op.kernel[k] - 1) * dilation[k] + 1, stride[k], padding)
        for k in (0, 1)
    )
    whole = Op(
        op.kind, "", op.inputs, op.in_shape, (*size, *op.out_shape), op.kernel, stride, padding,
        bias=_has_bias(operator), activation=op.activation, dilation=dilation, groups=op.groups,
        per_tensor=op.per_tensor,
    )  # fmt: skip
    return reader.append(operator, whole)


def _dilation(options: Table, first: int) -> tuple[int, int]:
    return options.number(first + 1, "i", 1), options.number(first, "i", 1)


def conv2d(reader: TfliteReader, operator: OperatorTable) -> int:
    """A convolution; weights that see fewer channels than the input has make it a grouped one."""
    options = reader.options(operator)
    weights = reader.constant(operator, 1, 4)
    filters, height, width, channels = weights.shape
    tensor, shape = image(reader, operator)
    groups = shape[2] // channels
    if groups * channels != shape[2] or filters % groups:
        raise reader.refusal(
            operator, f"has weights of shape {weights.shape} for {shape[2]} channels; expected whole groups"
        )
    op = Op(
        "conv2d", "", (tensor,), shape, (filters,), (height, width), groups=groups,
        activation=reader.activation(operator, 3), per_tensor=weights.scales == 1 < filters,
    )  # fmt: skip
    return _window(reader, operator, op, _dilation(options, 4))


def depthwise(reader: TfliteReader, operator: OperatorTable) -> int:
    """A depthwise convolution, of one or more filters for each channel."""
    options = reader.options(operator)
    weights = reader.constant(operator, 1, 4)
    _, height, width, filters = weights.shape
    tensor, shape = image(reader, operator)
    if filters % shape[2]:
        raise reader.refusal(operator, f"has {filters} filters for {shape[2]} channels; expected a multiple")
    op = Op(
        "depthwise_conv2d", "", (tensor,), shape, (filters,), (height, width),
        activation=reader.activation(operator, 4), per_tensor=weights.scales == 1 < filters,
    )  # fmt: skip
    return _window(reader, operator, op, _dilation(options, 5))


def pool(kind: str) -> Handler:
    """The handler of a pooling over a window."""

    def read(reader: TfliteReader, operator: OperatorTable) -> int:
        options = reader.options(operator)
        kernel = (options.number(4, "i"), options.number(3, "i"))
        tensor, shape = image(reader, operator)
        activation = reader.activation(operator, 5)
        return _window(
            reader, operator, Op(kind, "", (tensor,), shape, shape[2:], kernel, activation=activation)
        )

    return read


def transpose_conv(reader: TfliteReader, operator: OperatorTable) -> int:
    """A transposed convolution, whose output size the file states."""
    weights = reader.constant(operator, 1, 4)
    filters, height, width, channels = weights.shape
    tensor, shape = image(reader, operator, 2)
    padding, stride = _padding_and_stride(reader, operator, height, width)
    out = reader.written(operator)
    back = tuple(
        window_output(out[k], (height, width)[k], stride[k], padding) for k in (0, 1) if len(out) == 3
    )
    if (*back, channels) != shape or out[2:] != (filters,):
        raise reader.refusal(operator, f"writes {out} from {shape}; expected sizes that fit its stride")
    op = Op(
        "transpose_conv2d", "", (tensor,), shape, out, (height, width), stride, padding,
        bias=_has_bias(operator, 3), activation=reader.activation(operator, 3),
        per_tensor=weights.scales == 1 < filters,
    )  # fmt: skip
    return reader.append(operator, op)


def dense(reader: TfliteReader, operator: OperatorTable) -> int:
    """A fully connected layer; one that flattens its input is read as a reshape and a dense layer."""
    options = reader.options(operator)
    if options.number(1, "b") != 0:
        raise reader.refusal(operator, "has shuffled weights, which have no cost; convert the model again")
    weights = reader.constant(operator, 1, 2)
    units, features = weights.shape
    tensor = reader.input(operator, 0)
    shape = reader.graph.shape(tensor)
    if prod(shape) % features:
        raise reader.refusal(operator, f"reads {shape[-1]} features; expected {features} as its weights have")
    out = (*shape[:-1], units)
    if not options.number(2, "B"):
        rows = prod(shape) // features
        out = (rows, units) if rows > 1 else (units,)
    if shape != (*out[:-1], features):
        if reader.file.tensors[operator.inputs[0]].shape[-1] == features and options.number(2, "B"):
            raise reader.refusal(operator, f"reads {shape}; expected {features} features in the last axis")
        tensor = reader.add(
            Op("reshape", f"{reader.name(operator)}_flatten", (tensor,), shape, (*out[:-1], features))
        )
        shape = reader.graph.shape(tensor)
    op = Op(
        "dense", "", (tensor,), shape, out, bias=_has_bias(operator),
        activation=reader.activation(operator, 0), per_tensor=weights.scales == 1 < units,
        weights_of=reader.owners.get(operator.inputs[1], ""),
    )  # fmt: skip
    written = reader.append(operator, op)
    reader.owners.setdefault(operator.inputs[1], reader.graph.ops[-1].name)
    return written


def matmul(reader: TfliteReader, operator: OperatorTable) -> int:
    """A product of two computed matrices, or of one and a constant."""
    options = reader.options(operator)
    numbers = [reader.number_of(operator, place) for place in (0, 1)]
    tensors = tuple(reader.ids[number] for number in numbers if number in reader.ids)
    constants = sum(
        prod(reader.file.tensors[number].shape)
        for number in numbers
        if number >= 0 and number not in reader.ids
    )
    first = reader.file.tensors[numbers[0]].shape if numbers[0] >= 0 else ()
    if not tensors or len(first) < 2:
        raise reader.refusal(operator, "multiplies no computed matrices; expected two axes or more")
    if options.number(0, "B"):
        first = (*first[:-2], first[-1], first[-2])
    in_shape = first[1:] if first[0] == 1 else first
    return reader.append(
        operator, Op("matmul", "", tensors, in_shape, reader.written(operator), constants=constants)
    )


def lstm(reader: TfliteReader, operator: OperatorTable) -> int:
    """A long short-term memory over (time, features), as the converter fuses Keras' layer."""
    units, features = reader.constant(operator, 2, 2).shape
    tensor = reader.input(operator, 0)
    shape = reader.graph.shape(tensor)
    if shape[-1] != features:
        raise reader.refusal(operator, f"reads {shape[-1]} features; expected {features} as its weights have")
    op = Op("lstm", "", (tensor,), shape, (*shape[:-1], units), constants=4 * units)
    return reader.append(operator, op)
