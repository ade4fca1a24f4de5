"""From a ``.tflite`` file, of edgenas or of others, to an OpGraph, so that it gets costs.

A quantization at the network's input and a dequantization at its output (files with float inputs and
outputs around an int8 network) are not part of the graph: the network proper starts behind the one
and ends before the other, and its costs are those of the same network with int8 ends. Anywhere else
they are operations without a cost, and refused by name.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod

from edgenas.arch.graph import OP_KINDS, GraphBuilder, Op, OpGraph, Shape, window_output
from edgenas.build import tflite_operators as code
from edgenas.build.tflite_tables import FLOAT32, FLOATS, INT8, OperatorTable, Table, TensorTable, TfliteFile
from edgenas.errors import UnsupportedError

_ACTIVATIONS = {0: "linear", 1: "relu", 3: "relu6"}
_PADDINGS = {0: "same", 1: "valid"}
_BOUNDARY = frozenset({code.QUANTIZE, code.DEQUANTIZE})


def graph_from_tflite(model: bytes) -> OpGraph:
    """The operations of a float32 or int8 ``.tflite`` file.

    Biases are marked as such; a batch normalization that was folded into them is no longer visible.

    Raises:
        UnsupportedError: The bytes are damaged or no ``.tflite`` file, or the network has several
            inputs, a batch other than 1, or an operation (which is named) or form of it without a cost.
    """
    return _Reader(TfliteFile(model)).read()


def is_int8(model: bytes) -> bool:
    """Whether a ``.tflite`` file computes in int8 throughout, its ends (see above) excepted.

    Raises:
        UnsupportedError: The bytes are damaged or no ``.tflite`` file.
    """
    file = TfliteFile(model)
    inner = [operator for operator in file.operators if not _is_boundary(file, operator)]
    return bool(inner) and all(
        tensor.kind == INT8 for operator in inner for tensor in _activations(file, operator)
    )


def float_operations(model: bytes) -> list[str]:
    """Operations of a ``.tflite`` file that read or write floating-point numbers, its ends excepted.

    Returns:
        Kind and name of each in running order, for example ``SOFTMAX 'head_softmax'``; empty for a
        file that is int8 throughout.

    Raises:
        UnsupportedError: The bytes are damaged or no ``.tflite`` file.
    """
    file = TfliteFile(model)
    return [
        operator.label
        for operator in file.operators
        if not _is_boundary(file, operator)
        and any(tensor.kind in FLOATS for tensor in _activations(file, operator, constants=True))
    ]


def _is_boundary(file: TfliteFile, operator: OperatorTable) -> bool:
    if operator.code not in _BOUNDARY:
        return False
    return set(operator.inputs) <= set(file.inputs) or set(operator.outputs) <= set(file.outputs)


def _activations(file: TfliteFile, operator: OperatorTable, constants: bool = False) -> list[TensorTable]:
    read = [file.tensors[number] for number in operator.inputs if number >= 0]
    written = [file.tensors[number] for number in operator.outputs]
    return [tensor for tensor in read if constants or not tensor.is_constant] + written


class _Reader:
    """Appends the file's operators one by one; `ids` maps the file's tensors to the graph's."""

    def __init__(self, file: TfliteFile) -> None:
        self.file = file
        if len(file.inputs) != 1:
            raise UnsupportedError(f"a .tflite file with {len(file.inputs)} inputs was given; expected one")
        self.graph = GraphBuilder(_shape(file.tensors[file.inputs[0]]))
        self.ids = {file.inputs[0]: 0}
        self.names: set[str] = set()

    def read(self) -> OpGraph:
        for operator in self.file.operators:
            if _is_boundary(self.file, operator):
                self.ids[operator.outputs[0]] = self.input(operator, 0)
                continue
            handler = _HANDLERS.get(operator.code)
            if handler is None:
                raise UnsupportedError(
                    f"operation {operator.label} has no cost; expected one of {', '.join(OP_KINDS)}"
                )
            if len(operator.outputs) != 1:
                raise self.refusal(operator, f"has {len(operator.outputs)} outputs; expected one")
            _shape(self.tensor(operator.outputs[0]))
            self.ids[operator.outputs[0]] = handler(self, operator)
        return self.graph.finish()

    def refusal(self, operator: OperatorTable, why: str) -> UnsupportedError:
        """The error for a form of an operation that has no cost."""
        return UnsupportedError(f"operation {operator.label} {why}")

    def tensor(self, number: int) -> TensorTable:
        """A tensor of the file whose numbers are float32 or int8.

        Raises:
            UnsupportedError: They are of another type.
        """
        tensor = self.file.tensors[number]
        if tensor.kind not in (FLOAT32, INT8):
            raise UnsupportedError(
                f"tensor '{tensor.name}' is of type {tensor.type_name}; expected a float32 or int8 network"
            )
        return tensor

    def input(self, operator: OperatorTable, place: int) -> int:
        """The graph's id of an operator's input.

        Raises:
            UnsupportedError: It is left out, a constant, or written by a later operation.
        """
        number = operator.inputs[place] if place < len(operator.inputs) else -1
        if number not in self.ids:
            raise self.refusal(operator, f"reads no computed tensor as its input {place}; expected one")
        return self.ids[number]

    def constant(self, operator: OperatorTable, place: int, axes: int) -> TensorTable:
        """A constant input with that many axes.

        Raises:
            UnsupportedError: It is left out, computed, or has other axes.
        """
        number = operator.inputs[place] if place < len(operator.inputs) else -1
        if number < 0 or not self.file.tensors[number].is_constant:
            raise self.refusal(operator, f"has no constant as its input {place}; expected one")
        tensor = self.file.tensors[number]
        if len(tensor.shape) != axes:
            raise self.refusal(operator, f"has a constant of shape {tensor.shape}; expected {axes} axes")
        return tensor

    def options(self, operator: OperatorTable) -> Table:
        """The options of an operator that cannot do without.

        Raises:
            UnsupportedError: They are missing.
        """
        if operator.options is None:
            raise self.refusal(operator, "lacks its options; convert the model again")
        return operator.options

    def activation(self, operator: OperatorTable, options: Table, field: int) -> str:
        """The activation that is fused into an operator.

        Raises:
            UnsupportedError: It is another than relu and relu6.
        """
        number = options.number(field, "b")
        if number not in _ACTIVATIONS:
            raise self.refusal(operator, f"has activation {number}; expected none, relu or relu6")
        return _ACTIVATIONS[number]

    def append(self, operator: OperatorTable, op: Op) -> int:
        """Append an operation once its shape is that of the file."""
        written = _shape(self.tensor(operator.outputs[0]))
        if op.out_shape != written:
            raise self.refusal(operator, f"writes {written}; expected {op.out_shape} from its inputs")
        return self.graph.add_op(op)

    def name(self, operator: OperatorTable, kind: str) -> str:
        """A name that is unique in the graph: the written tensor's, unless that is a mere number.

        The converter lists the names of all layers that it fused, the first of them last.
        """
        name = self.file.tensors[operator.outputs[0]].name.split(";")[-1]
        if name.isdigit() or name == "unnamed" or name in self.names:
            name = f"{kind}_{len(self.graph.ops)}"
        while name in self.names:
            name += "_"
        self.names.add(name)
        return name


def _shape(tensor: TensorTable) -> Shape:
    """Shape of an activation without its batch axis."""
    if len(tensor.shape) < 2 or tensor.shape[0] != 1 or min(tensor.shape) < 1:
        raise UnsupportedError(
            f"tensor '{tensor.name}' has shape {tensor.shape}; expected a batch of 1 and one more axis"
        )
    return tensor.shape[1:]


def _image(reader: _Reader, operator: OperatorTable) -> tuple[int, Shape]:
    tensor = reader.input(operator, 0)
    shape = reader.graph.shape(tensor)
    if len(shape) != 3:
        raise reader.refusal(operator, f"reads shape {shape}; expected (height, width, channels)")
    return tensor, shape


def _window(
    reader: _Reader, operator: OperatorTable, kind: str, kernel: tuple[int, int], filters: int,
    options: Table, activation_field: int,
) -> int:  # fmt: skip
    tensor, shape = _image(reader, operator)
    padding = _PADDINGS.get(options.number(0, "b"))
    stride = (options.number(2, "i"), options.number(1, "i"))
    if padding is None or min(*stride, *kernel, filters) < 1:
        raise reader.refusal(operator, f"has window {kernel} and stride {stride}; expected 1 or more")
    size = tuple(window_output(shape[k], kernel[k], stride[k], padding) for k in (0, 1))
    activation = reader.activation(operator, options, activation_field)
    has_bias = len(operator.inputs) > 2 and operator.inputs[2] >= 0
    op = Op(
        kind, reader.name(operator, kind), (tensor,), shape, (*size, filters), kernel, stride, padding,
        bias=has_bias, activation=activation,
    )  # fmt: skip
    return reader.append(operator, op)


def _conv2d(reader: _Reader, operator: OperatorTable) -> int:
    options = reader.options(operator)
    filters, height, width, channels = reader.constant(operator, 1, 4).shape
    if channels != _image(reader, operator)[1][2]:
        raise reader.refusal(operator, "is a grouped convolution, which has no cost; use groups=1")
    if (options.number(4, "i", 1), options.number(5, "i", 1)) != (1, 1):
        raise reader.refusal(operator, "is dilated, which has no cost; use dilation_rate=1")
    return _window(reader, operator, "conv2d", (height, width), filters, options, 3)


def _depthwise(reader: _Reader, operator: OperatorTable) -> int:
    options = reader.options(operator)
    _, height, width, filters = reader.constant(operator, 1, 4).shape
    if filters != _image(reader, operator)[1][2]:
        raise reader.refusal(operator, "has a depth multiplier above 1, which has no cost; use 1")
    if (options.number(5, "i", 1), options.number(6, "i", 1)) != (1, 1):
        raise reader.refusal(operator, "is dilated, which has no cost; use dilation_rate=1")
    return _window(reader, operator, "depthwise_conv2d", (height, width), filters, options, 4)


def _pool(kind: str) -> Callable[[_Reader, OperatorTable], int]:
    def read(reader: _Reader, operator: OperatorTable) -> int:
        options = reader.options(operator)
        kernel = (options.number(4, "i"), options.number(3, "i"))
        return _window(reader, operator, kind, kernel, _image(reader, operator)[1][2], options, 5)

    return read


def _dense(reader: _Reader, operator: OperatorTable) -> int:
    """A fully connected layer; one that flattens its input is read as a reshape and a dense layer."""
    options = reader.options(operator)
    if options.number(1, "b") != 0:
        raise reader.refusal(operator, "has shuffled weights, which have no cost; convert the model again")
    units, features = reader.constant(operator, 1, 2).shape
    tensor = reader.input(operator, 0)
    name = reader.name(operator, "dense")
    if not options.number(2, "B") and len(reader.graph.shape(tensor)) > 1:
        tensor = reader.graph.simple("reshape", f"{name}_flatten", tensor, out_shape=(features,))
        flat = reader.graph.ops[-1]
        _refuse_other_size(reader, operator, flat.in_shape, flat.out_shape)
    shape = reader.graph.shape(tensor)
    if shape[-1] != features:
        raise reader.refusal(operator, f"reads {shape[-1]} features; expected {features} as its weights have")
    has_bias = len(operator.inputs) > 2 and operator.inputs[2] >= 0
    activation = reader.activation(operator, options, 0)
    op = Op("dense", name, (tensor,), shape, (*shape[:-1], units), bias=has_bias, activation=activation)
    return reader.append(operator, op)


def _add(reader: _Reader, operator: OperatorTable) -> int:
    tensors = (reader.input(operator, 0), reader.input(operator, 1))
    shapes = [reader.graph.shape(tensor) for tensor in tensors]
    if shapes[0] != shapes[1]:
        raise reader.refusal(operator, f"adds {shapes[0]} and {shapes[1]}; expected equal shapes")
    activation = reader.activation(operator, operator.options, 0) if operator.options else "linear"
    op = Op("add", reader.name(operator, "add"), tensors, shapes[0], shapes[0], activation=activation)
    return reader.append(operator, op)


def _mean(reader: _Reader, operator: OperatorTable) -> int:
    tensor, shape = _image(reader, operator)
    number = operator.inputs[1] if len(operator.inputs) > 1 else -1
    axes = reader.file.tensors[number].int32_values() if number >= 0 else ()
    if sorted(axis % 4 for axis in axes) != [1, 2]:
        raise reader.refusal(operator, f"averages over axes {axes}; expected height and width, (1, 2)")
    keeps = operator.options is not None and operator.options.number(0, "B") != 0
    out = (1, 1, shape[2]) if keeps else (shape[2],)
    op = Op("global_avg_pool", reader.name(operator, "global_avg_pool"), (tensor,), shape, out)
    return reader.append(operator, op)


def _reshape(reader: _Reader, operator: OperatorTable) -> int:
    tensor = reader.input(operator, 0)
    shape, out = reader.graph.shape(tensor), _shape(reader.tensor(operator.outputs[0]))
    _refuse_other_size(reader, operator, shape, out)
    return reader.append(operator, Op("reshape", reader.name(operator, "reshape"), (tensor,), shape, out))


def _refuse_other_size(reader: _Reader, operator: OperatorTable, shape: Shape, out: Shape) -> None:
    if prod(shape) != prod(out):
        raise reader.refusal(operator, f"turns {shape} into {out}; expected the same number of elements")


def _pad(reader: _Reader, operator: OperatorTable) -> int:
    tensor = reader.input(operator, 0)
    shape = reader.graph.shape(tensor)
    amounts = reader.constant(operator, 1, 2).int32_values()
    if len(amounts) != 2 * (len(shape) + 1) or min(amounts) < 0 or any(amounts[:2]):
        raise reader.refusal(operator, f"pads {shape} by {amounts}; expected (before, after) for each axis")
    out = tuple(size + amounts[2 * k] + amounts[2 * k + 1] for k, size in enumerate(shape, start=1))
    return reader.append(operator, Op("pad", reader.name(operator, "pad"), (tensor,), shape, out))


def _simple(kind: str, activation: str = "linear") -> Callable[[_Reader, OperatorTable], int]:
    def read(reader: _Reader, operator: OperatorTable) -> int:
        tensor = reader.input(operator, 0)
        shape = reader.graph.shape(tensor)
        op = Op(kind, reader.name(operator, kind), (tensor,), shape, shape, activation=activation)
        return reader.append(operator, op)

    return read


_HANDLERS: dict[int, Callable[[_Reader, OperatorTable], int]] = {
    code.CONV_2D: _conv2d,
    code.DEPTHWISE_CONV_2D: _depthwise,
    code.FULLY_CONNECTED: _dense,
    code.ADD: _add,
    code.MAX_POOL_2D: _pool("max_pool2d"),
    code.AVERAGE_POOL_2D: _pool("avg_pool2d"),
    code.MEAN: _mean,
    code.RESHAPE: _reshape,
    code.PAD: _pad,
    code.SOFTMAX: _simple("softmax"),
    code.RELU: _simple("activation", "relu"),
    code.RELU6: _simple("activation", "relu6"),
}
