"""Reading the tables of a ``.tflite`` file with every offset checked.

FlatBuffers' generated readers trust the file: a damaged one makes them read elsewhere, or loop over
billions of elements. Here an offset or a length outside of the file is an `UnsupportedError`.
The layout is that of https://flatbuffers.dev/internals/ ; field numbers are those of TFLite's
``schema.fbs``, version 3.
"""

from __future__ import annotations

import struct
from functools import cached_property

from edgenas.build.reading import printable
from edgenas.build.tflite_operators import CUSTOM, operator_name
from edgenas.errors import UnsupportedError

IDENTIFIER = b"TFL3"
LARGEST_FILE_BYTES = 2**31 - 1
MOST_TABLES = 50_000  # in one list; real files have thousands at most
MOST_OPERATORS = 5_000  # planning memory takes a second for so many
MOST_NUMBERS = 4_096  # in a shape, or of an operator's inputs
MOST_CHARACTERS = 1_000  # of a name that are read

FLOAT32, INT32, INT8 = 0, 2, 9
FLOATS = frozenset({0, 1, 10})
NUMBERS = frozenset({0, 1, 2, 3, 4, 6, 7, 9, 10, 12, 15, 16, 17})
TYPES = {
    0: "float32", 1: "float16", 2: "int32", 3: "uint8", 4: "int64", 5: "string", 6: "bool", 7: "int16",
    8: "complex64", 9: "int8", 10: "float64", 11: "complex128", 12: "uint64", 13: "resource",
    14: "variant", 15: "uint32", 16: "uint16", 17: "int4",
}  # fmt: skip


def damaged(what: str) -> UnsupportedError:
    """The error for bytes that are no valid file."""
    return UnsupportedError(
        f"damaged or truncated .tflite file: {what}; expected a complete file as a converter writes it"
    )


class Table:
    """One table of the file; every access is checked against the file's length."""

    __slots__ = ("_fields", "_fields_bytes", "_size", "data", "position")

    def __init__(self, data: bytes, position: int) -> None:
        self.data = data
        self.position = position
        vtable = position - _number(data, "<i", position)
        self._fields = vtable + 4
        self._fields_bytes = _number(data, "<H", vtable) - 4
        self._size = _number(data, "<H", vtable + 2)
        if self._fields_bytes < 0 or vtable + 4 + self._fields_bytes > len(data):
            raise damaged(f"the table at byte {position} has no valid list of fields")

    def _at(self, field: int) -> int | None:
        """Position of a field's value, or None if it has its default."""
        if 2 * field >= self._fields_bytes:
            return None
        offset: int = _number(self.data, "<H", self._fields + 2 * field)
        if offset >= max(self._size, 4):
            raise damaged(f"field {field} of the table at byte {self.position} lies outside of it")
        return self.position + offset if offset else None

    def number(self, field: int, code: str, default: int = 0) -> int:
        """A number; ``code`` is its `struct` code."""
        at = self._at(field)
        return default if at is None else _number(self.data, f"<{code}", at)

    def table(self, field: int) -> Table | None:
        """A table that the field refers to."""
        at = self._at(field)
        return None if at is None else Table(self.data, at + _number(self.data, "<I", at))

    def vector(self, field: int, element_bytes: int) -> tuple[int, int]:
        """First byte and number of elements of a vector; (0, 0) if there is none."""
        at = self._at(field)
        if at is None:
            return 0, 0
        start = at + _number(self.data, "<I", at)
        count = _number(self.data, "<I", start)
        if start + 4 + count * element_bytes > len(self.data):
            raise damaged(f"a list of {count} elements at byte {start} ends behind the file")
        return start + 4, count

    def numbers(self, field: int, code: str) -> tuple[int, ...]:
        """A vector of numbers; ``code`` is their `struct` code."""
        start, count = self.vector(field, struct.calcsize(code))
        if count > MOST_NUMBERS:
            raise damaged(f"a shape or list of tensors with {count} entries at byte {start}")
        return struct.unpack_from(f"<{count}{code}", self.data, start) if count else ()

    def tables(self, field: int, most: int = MOST_TABLES) -> list[Table]:
        """A vector of tables."""
        start, count = self.vector(field, 4)
        if count > most:
            raise damaged(f"a list of {count} tables at byte {start}")
        offsets = range(start, start + 4 * count, 4)
        return [Table(self.data, at + _number(self.data, "<I", at)) for at in offsets]

    def text(self, field: int) -> str:
        """The start of a string, with replacements for what cannot be printed; empty if there is none."""
        start, count = self.vector(field, 1)
        return printable(self.data[start : start + min(count, MOST_CHARACTERS)])


def _number(data: bytes, code: str, position: int) -> int:
    if position < 0 or position + struct.calcsize(code) > len(data):
        raise damaged(f"byte {position} of {len(data)} is asked for")
    value: int = struct.unpack_from(code, data, position)[0]
    return value


class TensorTable:
    """One tensor of the file.

    Attributes:
        name: As the file has it, for messages.
        shape: All axes, the batch included.
        kind: Number of its type, see `TYPES`.
        buffer: Number of its buffer.
        is_constant: Whether the file holds its values.
    """

    def __init__(self, table: Table, buffers: list[Table]) -> None:
        self.table = table
        self.name = table.text(3) or "unnamed"
        self.shape = tuple(table.numbers(0, "i"))
        self.kind = table.number(1, "b")
        self.buffer = table.number(2, "I")
        if self.buffer >= len(buffers):
            raise damaged(f"tensor '{self.name}' refers to buffer {self.buffer} of {len(buffers)}")
        if any(size < 0 for size in self.shape) or len(self.shape) > 8:
            raise damaged(f"tensor '{self.name}' has the shape {self.shape[:8]}")
        self._content = buffers[self.buffer].vector(0, 1)
        self.is_constant = self._content[1] > 0

    def int32_values(self) -> tuple[int, ...]:
        """Values of a small constant int32 tensor.

        Raises:
            UnsupportedError: It is no constant, or of another type.
        """
        start, size = self._content
        if not self.is_constant or self.kind != INT32 or size % 4 or size > MOST_NUMBERS:
            raise UnsupportedError(
                f"tensor '{self.name}' was given where a few constant int32 values are expected; convert the "
                "model with a fixed input shape"
            )
        return struct.unpack_from(f"<{size // 4}i", self.table.data, start)

    def content(self) -> bytes:
        """The bytes of a constant; none for a tensor that is computed."""
        start, size = self._content
        return self.table.data[start : start + size]

    @property
    def scales(self) -> int:
        """How many scales its quantization has: none, one for all values or one for each channel."""
        quantization = self.table.table(4)
        return 0 if quantization is None else quantization.vector(2, 4)[1]

    @property
    def type_name(self) -> str:
        """Name of its type."""
        return TYPES.get(self.kind, f"type {self.kind}")


class OperatorTable:
    """One operator of the file.

    Attributes:
        code: Number of the builtin operator.
        kind: Its name, for example ``CONV_2D``.
        inputs: Tensor numbers; -1 where an optional input is left out.
        outputs: Tensor numbers.
        options: Table of its options, or None.
        label: Kind and name for messages.
    """

    def __init__(self, table: Table, codes: list[tuple[int, str]], tensors: list[TensorTable]) -> None:
        index = table.number(0, "I")
        if index >= len(codes):
            raise damaged(f"an operator refers to operator code {index} of {len(codes)}")
        self.code, self.kind = codes[index]
        self.inputs = tuple(table.numbers(1, "i"))
        self.outputs = tuple(table.numbers(2, "i"))
        self.options = table.table(4)
        count = len(tensors)
        if any(not -1 <= k < count for k in self.inputs) or any(not 0 <= k < count for k in self.outputs):
            raise damaged(f"an operator refers to a tensor beyond the {count} of the file")
        if not self.outputs:
            raise damaged("an operator writes no tensor")
        self.label = f"{self.kind} '{tensors[self.outputs[0]].name}'"


class TfliteFile:
    """The first subgraph of a ``.tflite`` file.

    Args:
        data: The file's bytes.

    Raises:
        UnsupportedError: The bytes are not a valid file with one subgraph.
    """

    def __init__(self, data: bytes) -> None:
        if len(data) < 8 or data[4:8] != IDENTIFIER or len(data) > LARGEST_FILE_BYTES:
            raise UnsupportedError(
                f"{len(data)} bytes that do not start as a .tflite file were given; expected the bytes of a "
                ".tflite file"
            )
        self._model = Table(data, _number(data, "<I", 0))
        subgraphs = self._model.tables(2)
        if len(subgraphs) != 1:
            raise UnsupportedError(
                f"a .tflite file with {len(subgraphs)} subgraphs was given; expected one: convert a model "
                "without control flow"
            )
        self._subgraph = subgraphs[0]
        self.inputs = self._ends(1)
        self.outputs = self._ends(2)

    def _ends(self, field: int) -> tuple[int, ...]:
        ends = tuple(self._subgraph.numbers(field, "i"))
        if any(not 0 <= tensor < len(self.tensors) for tensor in ends):
            raise damaged(f"an input or output refers to a tensor beyond the {len(self.tensors)} of the file")
        return ends

    @cached_property
    def tensors(self) -> list[TensorTable]:
        """All tensors, constants included."""
        buffers = self._model.tables(4)
        return [TensorTable(table, buffers) for table in self._subgraph.tables(0)]

    @cached_property
    def operators(self) -> list[OperatorTable]:
        """All operators in running order."""
        codes = [_code(table) for table in self._model.tables(1)]
        found, numbers = [], 0
        for table in self._subgraph.tables(3, MOST_OPERATORS):
            found.append(operator := OperatorTable(table, codes, self.tensors))
            numbers += len(operator.inputs) + len(operator.outputs)
            if numbers > len(self._model.data):
                raise damaged("more inputs of operators are listed than the file has bytes")
        return found


def _code(table: Table) -> tuple[int, str]:
    code = max(table.number(0, "b"), table.number(3, "i"))
    return code, f"CUSTOM {table.text(1)}" if code == CUSTOM else operator_name(code)


def check_model(data: bytes) -> None:
    """Make sure that bytes are a readable ``.tflite`` file with one subgraph.

    Raises:
        UnsupportedError: They are not.
    """
    file = TfliteFile(data)
    for operator in file.operators:
        if operator.code < 0:
            raise damaged(f"operator code {operator.code}")
