"""The graph of an ``.onnx`` file: inputs, outputs, nodes with attributes, constants with shapes.

Field numbers are those of ``onnx.proto3``. Weights are measured, not read; only constants of few
elements, which tell operations what to do, have values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod

import numpy as np

from edgenas.arch.graph import Shape
from edgenas.build.onnx_wire import Message, Wire, damaged
from edgenas.build.reading import MOST_OPERATIONS
from edgenas.errors import UnsupportedError

MOST_NODES = 8 * MOST_OPERATIONS
"""Of a file; most of those in quantized files are conversions."""

MOST_VALUES = 4_096
"""Of a constant that is looked at; larger ones are weights."""

MOST_AXES = 8

_DTYPES = {
    1: "<f4", 2: "u1", 3: "i1", 4: "<u2", 5: "<i2", 6: "<i4", 7: "<i8", 9: "u1", 10: "<f2", 11: "<f8",
    12: "<u4", 13: "<u8",
}  # fmt: skip
_BITS = {**{code: 8 * np.dtype(name).itemsize for code, name in _DTYPES.items()}, 16: 16, 21: 4, 22: 4,
         **dict.fromkeys((17, 18, 19, 20), 8)}  # fmt: skip


@dataclass(frozen=True)
class Constant:
    """A tensor whose values are known before the network runs.

    Attributes:
        shape: All axes.
        values: Its values if they are few, else None.
    """

    shape: Shape
    values: np.ndarray | None = None

    @property
    def elements(self) -> int:
        """How many values it has."""
        return prod(self.shape)

    def integers(self) -> tuple[int, ...]:
        """All values as whole numbers.

        Raises:
            UnsupportedError: They are too many, or not finite.
        """
        if self.values is None or not np.isfinite(self.values).all():
            raise UnsupportedError(
                f"a constant of shape {self.shape} was given where a few whole numbers are expected; export "
                "the model with fixed shapes"
            )
        return tuple(int(value) for value in self.values.reshape(-1))


class Node:
    """One node of the graph.

    Attributes:
        kind: Its operator, with the domain in front unless that is ONNX's own.
        inputs: Names of tensors; empty where an optional input is left out.
        outputs: Names of tensors.
        name: As the file has it, or that of its output.
        label: Kind and name for messages.
    """

    def __init__(self, message: Message) -> None:
        domain = message.text(7)
        self.kind = message.text(4) if domain in ("", "ai.onnx") else f"{domain}.{message.text(4)}"
        self.inputs = message.texts(1)
        self.outputs = message.texts(2)
        self.name = message.text(3) or next(iter(self.outputs), "")
        self.label = f"{self.kind} '{self.name}'"
        self._message = message

    @cached_property
    def _attributes(self) -> dict[str, Message]:
        return {attribute.text(1): attribute for attribute in self._message.messages(5)}

    def input(self, place: int) -> str:
        """Name of an input; empty if it is left out."""
        return self.inputs[place] if place < len(self.inputs) else ""

    def integer(self, name: str, default: int) -> int:
        """A whole number."""
        return self._attributes[name].integer(3, 0) if name in self._attributes else default

    def number(self, name: str, default: float) -> float:
        """A number."""
        return self._attributes[name].number(2) if name in self._attributes else default

    def text(self, name: str, default: str = "") -> str:
        """A text."""
        return self._attributes[name].text(4) if name in self._attributes else default

    def integers(self, name: str) -> tuple[int, ...] | None:
        """A list of whole numbers, or None."""
        return self._attributes[name].integers(8) if name in self._attributes else None

    def constant(self) -> Constant | None:
        """What a node of kind ``Constant`` holds; None if that is a text or sparse."""
        for name in self._attributes:
            message = self._attributes[name]
            if name == "value" and (tensor := message.message(5)) is not None:
                return read_constant(tensor)
            if name == "value_int":
                return Constant((), np.array(message.integer(3), np.int64))
            if name == "value_float":
                return Constant((), np.array(message.number(2), np.float32))
            if name == "value_ints":
                values = message.integers(8)
                return Constant((len(values),), np.array(values, np.int64))
        return None


def read_constant(message: Message) -> Constant:
    """The shape of a tensor of the file, and its values if they are few.

    Raises:
        UnsupportedError: Its data stand in another file, or are not as many as its shape says.
    """
    shape = checked_shape(message.integers(1), message.text(8))
    if message.integer(14) != 0 or message.has(13):
        raise UnsupportedError(
            f"tensor '{message.text(8)}' has its data in another file; expected one .onnx file with all "
            "weights: save it with onnx.save(model, path, save_as_external_data=False)"
        )
    kind, elements = message.integer(2), prod(shape)
    raw = message.spans(9)
    if raw and kind in _BITS and raw[-1][1] - raw[-1][0] != -(-elements * _BITS[kind] // 8):
        raise damaged(
            f"tensor '{message.text(8)}' of shape {shape} has {raw[-1][1] - raw[-1][0]} bytes of data"
        )
    if elements > MOST_VALUES or kind not in _DTYPES:
        return Constant(shape)
    values = _raw_values(message, kind) if raw else _listed_values(message, kind)
    if values.size != elements:
        raise damaged(f"tensor '{message.text(8)}' of shape {shape} has {values.size} values")
    return Constant(shape, values.reshape(shape))


def _raw_values(message: Message, kind: int) -> np.ndarray:
    start, end = message.spans(9)[-1]
    return np.frombuffer(message.wire.data[start:end], _DTYPES[kind])


def _listed_values(message: Message, kind: int) -> np.ndarray:
    if kind in (1, 11):
        field, width = (4, 4) if kind == 1 else (10, 8)
        spans = message.spans(field)
        if sum(end - start for start, end in spans) > width * MOST_VALUES:
            raise damaged("a tensor with more values than its shape says")
        data = b"".join(message.wire.data[start:end] for start, end in spans)
        return np.frombuffer(data[: len(data) // width * width], _DTYPES[kind])
    values = message.integers(7 if kind == 7 else 11 if kind in (12, 13) else 5)
    return np.array(
        values, np.int64 if kind != 13 else np.uint64 if min(values, default=0) >= 0 else np.int64
    )


def checked_shape(sizes: Sequence[int], name: str) -> Shape:
    """A shape whose sizes a tensor can have.

    Raises:
        UnsupportedError: An axis is negative or larger than a file can hold, or there are too many.
    """
    if len(sizes) > MOST_AXES or any(not 0 <= size < 2**31 for size in sizes):
        raise damaged(f"tensor '{name}' has the shape {tuple(sizes[:MOST_AXES])}")
    return tuple(sizes)


class OnnxFile:
    """The main graph of an ``.onnx`` file.

    Args:
        data: The file's bytes.

    Raises:
        UnsupportedError: The bytes are no ``.onnx`` file, or keep weights elsewhere.
    """

    def __init__(self, data: bytes) -> None:
        model = Wire(data).message((0, len(data)))
        graph = model.message(7)
        if graph is None or not model.has(1):
            raise UnsupportedError(
                f"{len(data)} bytes without the graph of an ONNX model were given; expected an .onnx file"
            )
        if graph.spans(15):
            raise UnsupportedError(
                "an .onnx file with sparse weights was given; expected dense ones: export the model again"
            )
        nodes = graph.spans(1)
        if len(nodes) > MOST_NODES:
            raise UnsupportedError(
                f"an .onnx file with {len(nodes)} nodes was given; expected at most {MOST_NODES}"
            )
        self.constants: dict[str, Constant] = {}
        for tensor in graph.messages(5):
            self.constants[tensor.text(8)] = read_constant(tensor)
        self.nodes = [Node(message) for message in graph.messages(1)]
        self.inputs = [
            (message.text(1), _sizes(message))
            for message in graph.messages(11)
            if message.text(1) not in self.constants
        ]
        self.outputs = [message.text(1) for message in graph.messages(12)]

    @cached_property
    def readers(self) -> dict[str, list[Node]]:
        """Nodes that read each tensor."""
        found: dict[str, list[Node]] = {}
        for node in self.nodes:
            for name in set(node.inputs):
                found.setdefault(name, []).append(node)
        return found


def _sizes(value_info: Message) -> tuple[int | str, ...]:
    """Axes of an input: sizes, or names of those that are not fixed."""
    kind = value_info.message(2)
    tensor = kind.message(1) if kind else None
    shape = tensor.message(2) if tensor else None
    if shape is None:
        return ()
    return tuple(
        axis.integer(1) if axis.has(1) and axis.integer(1) > 0 else axis.text(2) or "?"
        for axis in list(shape.messages(1))[: MOST_AXES + 1]
    )
