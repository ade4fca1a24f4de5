"""Operators of ``.tflite`` files without weights: elementwise functions, reductions, moving and copying."""

from __future__ import annotations

from math import prod

from edgenas.arch.graph import Op
from edgenas.build.reading import broadcast
from edgenas.build.tflite_reader import TfliteReader, house_shape
from edgenas.build.tflite_tables import OperatorTable
from edgenas.build.tflite_weighted import Handler


def elementwise(kind: str, activation_field: int | None = None) -> Handler:
    """The handler of an operation of two tensors, one of which may be a constant."""

    def read(reader: TfliteReader, operator: OperatorTable) -> int:
        numbers = operator.inputs
        if len(numbers) != 2 or min(numbers) < 0:
            raise reader.refusal(operator, f"has {len(numbers)} inputs; expected two")
        shapes = [house_shape(reader.tensor(number)) for number in numbers]
        tensors = tuple(reader.input(operator, k) for k in (0, 1) if not reader.is_constant(numbers[k]))
        constants = sum(
            prod(shape) for shape, number in zip(shapes, numbers, strict=True) if reader.is_constant(number)
        )
        out = broadcast(shapes[0], shapes[1])
        if not tensors or out is None:
            raise reader.refusal(operator, f"is of {shapes[0]} and {shapes[1]}; expected shapes that match")
        activation = "linear" if activation_field is None else reader.activation(operator, activation_field)
        op = Op(
            kind,
            "",
            tensors,
            reader.graph.shape(tensors[0]),
            out,
            activation=activation,
            constants=constants,
            broadcasts=len(tensors) == 2 and shapes[0] != shapes[1],
        )
        return reader.append(operator, op)

    return read


def simple(kind: str, activation: str = "linear") -> Handler:
    """The handler of a function of each element or row; further inputs are constants."""

    def read(reader: TfliteReader, operator: OperatorTable) -> int:
        tensor = reader.input(operator, 0)
        shape = reader.graph.shape(tensor)
        return reader.append(
            operator,
            Op(
                kind,
                "",
                (tensor,),
                shape,
                shape,
                activation=activation,
                constants=_constants(reader, operator),
            ),
        )

    return read


def _constants(reader: TfliteReader, operator: OperatorTable) -> int:
    return sum(
        prod(reader.file.tensors[number].shape)
        for number in operator.inputs[1:]
        if number >= 0 and reader.file.tensors[number].is_constant
    )


def moved(kind: str) -> Handler:
    """The handler of an operation whose output's shape is taken from the file."""

    def read(reader: TfliteReader, operator: OperatorTable) -> int:
        tensor = reader.input(operator, 0)
        shape = reader.graph.shape(tensor)
        return reader.append(operator, Op(kind, "", (tensor,), shape, reader.written(operator)))

    return read


def strided_slice(reader: TfliteReader, operator: OperatorTable) -> int:
    """A part of a tensor; one step of the first axis is read with its place."""
    tensor = reader.input(operator, 0)
    shape, out = reader.graph.shape(tensor), reader.written(operator)
    number = reader.number_of(operator, 1)
    known = out == shape[1:] and number >= 0 and reader.file.tensors[number].is_constant
    begin = reader.file.tensors[number].int32_values() if known else ()
    start = max(0, begin[1]) if len(begin) > 1 else 0
    return reader.append(operator, Op("slice", "", (tensor,), shape, out, start=start))


def rearranged(kind: str) -> Handler:
    """The handler of an operation that keeps every element."""

    def read(reader: TfliteReader, operator: OperatorTable) -> int:
        tensor = reader.input(operator, 0)
        shape, out = reader.graph.shape(tensor), reader.written(operator)
        if prod(shape) != prod(out):
            raise reader.refusal(operator, f"turns {shape} into {out}; expected the same number of elements")
        return reader.append(operator, Op(kind, "", (tensor,), shape, out))

    return read


def reduction(kind: str, over_image: str | None = None) -> Handler:
    """The handler of a reduction; one over height and width of an image has a kind of its own."""

    def read(reader: TfliteReader, operator: OperatorTable) -> int:
        tensor = reader.input(operator, 0)
        shape = reader.graph.shape(tensor)
        number = reader.number_of(operator, 1)
        axes = reader.file.tensors[number].int32_values() if number >= 0 else ()
        file_axes = len(reader.file.tensors[operator.inputs[0]].shape)
        if not axes or any(not -file_axes <= axis < file_axes for axis in axes):
            raise reader.refusal(
                operator, f"reduces axes {axes} of {file_axes}; expected one or more of them"
            )
        is_image = over_image and len(shape) == 3 and file_axes == 4
        if is_image and sorted(axis % file_axes for axis in axes) == [1, 2]:
            out = reader.written(operator)
            if out not in (shape[2:], (1, 1, shape[2])):
                raise reader.refusal(operator, f"writes {out}; expected {shape[2:]} from its inputs")
            return reader.append(operator, Op(over_image or kind, "", (tensor,), shape, out))
        return reader.append(operator, Op(kind, "", (tensor,), shape, reader.written(operator)))

    return read


def concat(reader: TfliteReader, operator: OperatorTable) -> int:
    """Several tensors and constants, one behind the other."""
    tensors = tuple(reader.ids[number] for number in operator.inputs if number in reader.ids)
    if not tensors or any(
        number >= 0 and number not in reader.ids and not reader.is_constant(number)
        for number in operator.inputs
    ):
        raise reader.refusal(operator, "joins tensors that are not computed before; expected computed ones")
    constants = sum(
        prod(reader.file.tensors[number].shape)
        for number in operator.inputs
        if number >= 0 and number not in reader.ids
    )
    out = reader.written(operator)
    if sum(prod(reader.graph.shape(tensor)) for tensor in tensors) + constants != prod(out):
        raise reader.refusal(operator, f"writes {out}; expected as many elements as it reads")
    op = Op("concat", "", tensors, reader.graph.shape(tensors[0]), out, constants=constants)
    return reader.append(operator, op)


def pad(reader: TfliteReader, operator: OperatorTable) -> int:
    """Rows and columns around a tensor."""
    tensor = reader.input(operator, 0)
    shape = reader.graph.shape(tensor)
    amounts = reader.constant(operator, 1, 2).int32_values()
    if len(amounts) != 2 * (len(shape) + 1) or min(amounts) < 0 or any(amounts[:2]):
        raise reader.refusal(operator, f"pads {shape} by {amounts}; expected (before, after) for each axis")
    out = tuple(size + amounts[2 * k] + amounts[2 * k + 1] for k, size in enumerate(shape, start=1))
    return reader.append(operator, Op("pad", "", (tensor,), shape, out))


def gather(reader: TfliteReader, operator: OperatorTable) -> int:
    """Rows of a table, which is a constant (an embedding) or computed."""
    table = reader.number_of(operator, 0)
    constants = prod(reader.file.tensors[table].shape) if table >= 0 and reader.is_constant(table) else 0
    tensor = reader.input(operator, 1 if constants else 0)
    op = Op(
        "gather", "", (tensor,), reader.graph.shape(tensor), reader.written(operator), constants=constants
    )
    return reader.append(operator, op)


def pieces(reader: TfliteReader, operator: OperatorTable, place: int) -> None:
    """One ``split`` for each output of a split, although the file has one operator for all."""
    tensor = reader.input(operator, place)
    shape = reader.graph.shape(tensor)
    for position, number in enumerate(operator.outputs):
        out = house_shape(reader.tensor(number))
        if prod(out) > prod(shape):
            raise reader.refusal(operator, f"splits {shape} into {out}; expected parts of it")
        reader.ids[number] = reader.add(Op("split", reader.name(operator, position), (tensor,), shape, out))
