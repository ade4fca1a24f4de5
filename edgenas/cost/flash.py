"""Size of the ``.tflite`` file that the exporter writes, from the operations alone.

The exporter's files (`edgenas.export.compact`) hold nothing that a graph does not determine, so their
size can be computed by laying out the same FlatBuffer without its contents: vectors and tables are
written back to front, each aligned to its largest element (https://flatbuffers.dev/internals/), a
table's list of fields is written once for all tables that look alike, constants start on 16-byte
boundaries. Order and form of the tables follow `edgenas.build.flatbuffer` and TFLite's ``schema.fbs``.

The order of constants is that of `edgenas.export.order`: axes and shapes first, then weights from
the last operation to the first, bias before weights. Kinds that only files of others hold are laid out
with one option and constants of one number for each axis, which is near, not exact.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from math import prod

from edgenas.arch.graph import RECURRENT, Op, OpGraph, Shape
from edgenas.cost.arena import constant_tensors, outputs
from edgenas.cost.file_constants import is_step, settings

DESCRIPTION_CHARACTERS = 7
"""Length of what `edgenas.export.compact` writes as the file's description."""

CONSTANT_ALIGNMENT_BYTES = 16
"""Of the data of each buffer."""

_Fields = tuple[tuple[int, int], ...]
"""Fields of a table that differ from their defaults: (field number, bytes)."""

_CODE: dict[str, _Fields] = {
    "add": ((2, 4),),
    "reshape": ((0, 1), (3, 4)),
    "hard_swish": ((0, 1), (3, 4)),
    "lstm": ((0, 1), (3, 4)),
}
_ANY_CODE: _Fields = ((0, 1), (2, 4), (3, 4))
"""Operator code (twice) and version; 0 is the code of an addition, 1 the version of a reshape, a hard
swish and an LSTM: defaults."""

LSTM_INTERMEDIATES = 5
"""Tensors that an LSTM describes beside what it reads and writes."""

_OPERATOR_INPUTS = {"dense": 3, "lstm": 24}
"""Places in the list of inputs, also of operators that leave some empty (a bias)."""

_TENSOR: _Fields = ((0, 4), (1, 1), (2, 4), (3, 4), (4, 4), (8, 1))
"""Shape, type, buffer, name, quantization, has_rank; activations have no buffer."""


_Form = tuple[int, ...]
"""What tells a table's layout from others: where its fields stand, and its size."""

_Step = tuple[int, frozenset[_Form]]
"""Bytes that a part of the file takes, and the table forms known behind it."""


@lru_cache(maxsize=10_000)
def _table(misalignment: int, fields: _Fields, known: frozenset[_Form]) -> _Step:
    """A table that starts ``misalignment`` bytes past a multiple of four."""
    end = misalignment
    places = {}
    for number, size in fields:
        end = -(-end // size) * size + size
        places[number] = end
    end = -(-end // 4) * 4 + 4
    offsets = tuple(
        end - places[number] if number in places else 0 for number in range(max(places, default=-1) + 1)
    )
    size = end - misalignment
    form = (*offsets, size)
    if form in known:
        return size, known
    return size + 2 * (len(offsets) + 2), known | {form}


class _Layout:
    """Bytes written so far, counted from the file's end; every method appends one item."""

    __slots__ = ("bytes", "known")

    def __init__(self, start: int = 0, known: frozenset[_Form] = frozenset()) -> None:
        self.bytes = start
        self.known = known

    def vector(self, size: int, alignment: int = 4) -> None:
        end = self.bytes + size
        self.bytes = end + (-end % alignment) + 4

    def table(self, fields: _Fields) -> None:
        self.add(_table(self.bytes & 3, fields, self.known))

    def add(self, step: _Step) -> None:
        self.bytes += step[0]
        self.known = step[1]


def flash_bytes(graph: OpGraph) -> int:
    """Bytes of the compacted int8 file of a network.

    Args:
        graph: Operations as they stand in the file, see `edgenas.cost.deployed.deployed_graph`.
    """
    layout = _Layout()
    codes = {_operator_name(op): None for op in graph.ops}
    for kind in codes:
        layout.table(_CODE.get(kind, _ANY_CODE))
    layout.vector(4 * len(codes))
    constants = _tensors(layout, graph)
    layout.vector(4)
    layout.vector(4 * len(outputs(graph)))
    first = next(iter(codes), "")
    for op in graph.ops:
        kept = LSTM_INTERMEDIATES if op.kind == "lstm" else 0
        inputs = _OPERATOR_INPUTS.get(op.kind) or len(op.inputs) + constant_tensors(op)
        is_first = _operator_name(op) == first
        layout.add(_operator(layout.bytes & 7, layout.known, inputs, _options(op), is_first, kept))
    layout.vector(4 * len(graph.ops))
    layout.table(((0, 4), (1, 4), (2, 4), (3, 4)))
    layout.vector(4)
    layout.vector(DESCRIPTION_CHARACTERS + 1)
    _buffers(layout, constants)
    layout.table(((0, 4), (1, 4), (2, 4), (3, 4), (4, 4)))
    alignment = CONSTANT_ALIGNMENT_BYTES if constants else 8
    return -(-(layout.bytes + 8) // alignment) * alignment


def weight_bytes(op: Op) -> int:
    """Bytes of an operation's int8 weights, 32-bit biases and other constants."""
    shape = op.weight_shape
    weights = 0 if shape is None else prod(shape) + 4 * op.out_shape[-1] * op.stores_bias
    return weights + op.constants * (4 if op.kind in RECURRENT else 1)


def _tensors(layout: _Layout, graph: OpGraph) -> list[int]:
    """All tensors, and the list of them; returns the sizes of the distinct constants."""
    layout.add(_tensor(layout.bytes & 7, layout.known, 1, 1 + len(graph.input_shape), 1))
    count = 1

    def tensor(axes: int, scales: int, is_constant: bool = False, by_last_axis: bool = False) -> None:
        nonlocal count
        misalignment, digits = layout.bytes & 7, len(str(count))
        layout.add(_tensor(misalignment, layout.known, digits, axes, scales, is_constant, by_last_axis))
        count += 1

    sizes: dict[object, int] = {}
    for op in graph.ops:
        for axes, content in settings(op):
            if (axes, content) not in sizes:
                tensor(axes, 0, True)
                sizes[axes, content] = 4 * len(content)
        if op.weight_shape is None and not settings(op):
            for number in range(constant_tensors(op)):
                tensor(1, 1 if op.constants else 0, True)
                sizes[op.name, number] = op.constants or 4 * (1 + len(op.in_shape))
    weighted: set[str] = set()
    for op in reversed(graph.ops):
        if op.weight_shape is not None and (op.weights_of or op.name) not in weighted:
            weighted.add(op.weights_of or op.name)
            _weights(op, op.weight_shape, tensor, sizes)
    for op in graph.ops:
        if op.kind == "lstm":
            for fields in (_STATE, _STATE, *[_NOTHING] * (LSTM_INTERMEDIATES - 1), _ACTIVATION):
                _kept(layout, len(str(count)), fields)
                count += 1
        tensor(1 + len(op.out_shape), 1)
    layout.vector(4 * count)
    return list(sizes.values())


def _weights(op: Op, shape: Shape, tensor: Callable[..., None], sizes: dict[object, int]) -> None:
    """Bias and weights of an operation; of a recurrent one those of each gate: biases, of state, of input."""
    channels = op.out_shape[-1]
    if op.kind in RECURRENT:
        for number, inputs in enumerate((0, channels, op.in_shape[-1])):
            for gate in range(shape[0] // channels):
                tensor(2 if inputs else 1, 1, True)
                sizes[op.name, number, gate] = channels * inputs or 4 * channels
        return
    if op.stores_bias:
        tensor(1, channels, True)
        trained = op.bias or op.batch_norm
        sizes[(op.name, "bias") if trained else channels] = 4 * channels  # biases of zeros are equal
    tensor(len(shape), channels, True, op.kind == "depthwise_conv2d")
    sizes[op.name, "weights"] = prod(shape)


def _kept(layout: _Layout, digits: int, fields: _Fields) -> None:
    """One tensor that an LSTM keeps to itself: a state, a description, or a description of nothing."""
    layout.vector(8 if fields is _STATE else 4)
    layout.vector(digits + 1)
    if fields is not _NOTHING:
        layout.vector(4)
        layout.vector(8, 8)
        layout.table(((2, 4), (3, 4)))
    layout.table(fields)


@lru_cache(maxsize=100_000)
def _tensor(
    misalignment: int, known: frozenset[_Form], digits: int, axes: int, scales: int,
    is_constant: bool = False, by_last_axis: bool = False,
) -> _Step:  # fmt: skip
    """One tensor with its shape, name (its number), scales and zero points.

    Args:
        misalignment: Bytes that the file so far ends behind a multiple of eight.
    """
    layout = _Layout(misalignment, known)
    layout.vector(4 * axes)
    layout.vector(digits + 1)
    if scales:
        layout.vector(4 * scales)
        layout.vector(8 * scales, 8)
        layout.table(((2, 4), (3, 4), (6, 4)) if by_last_axis else ((2, 4), (3, 4)))
    layout.table(_CONSTANT if is_constant and scales else _PLAIN if is_constant else _ACTIVATION)
    return layout.bytes - misalignment, layout.known


_CONSTANT = _TENSOR
_ACTIVATION: _Fields = tuple(field for field in _TENSOR if field[0] != 2)
_PLAIN: _Fields = tuple(field for field in _TENSOR if field[0] != 4)
_STATE: _Fields = tuple(sorted((*_ACTIVATION, (5, 1))))
_NOTHING: _Fields = ((0, 4), (3, 4), (8, 1))


def _operator_name(op: Op) -> str:
    """Operators of one name share an entry in the file's list of operator codes."""
    return op.activation if op.kind == "activation" else op.kind


@lru_cache(maxsize=10_000)
def _operator(
    misalignment: int, known: frozenset[_Form], inputs: int, options: _Fields | None, is_first_code: bool,
    kept: int,
) -> _Step:  # fmt: skip
    """One operator with its lists of inputs and outputs and its options."""
    layout = _Layout(misalignment, known)
    layout.vector(4 * inputs)
    layout.vector(4)
    if options is not None:
        layout.table(options)
    fields = _OPERATOR[is_first_code, options is not None]
    if kept:
        layout.vector(4 * kept)
        fields = (*fields, (8, 4))
    layout.table(fields)
    return layout.bytes - misalignment, layout.known


_OPERATOR: dict[tuple[bool, bool], _Fields] = {
    (True, True): ((1, 4), (2, 4), (3, 1), (4, 4)),
    (False, True): ((0, 4), (1, 4), (2, 4), (3, 1), (4, 4)),
    (True, False): ((1, 4), (2, 4)),
    (False, False): ((0, 4), (1, 4), (2, 4)),
}
"""Code, inputs, outputs, kind of options, options; by whether the code
is 0 (the default, not written) and whether there are options."""


def _options(op: Op) -> _Fields | None:
    """The options that differ from their defaults, or None if the operator has no table of them."""
    valid: _Fields = ((0, 1),) if op.padding == "valid" else ()
    active = op.activation != "linear"
    dilated = [axis for axis in (1, 0) if op.dilation[axis] != 1]  # the horizontal one comes first
    if op.kind == "conv2d":
        wide = tuple((5 - axis, 4) for axis in dilated)
        return (*valid, (1, 4), (2, 4), *(((3, 1),) if active else ()), *wide)
    if op.kind == "depthwise_conv2d":
        wide = tuple((6 - axis, 4) for axis in dilated)
        return (*valid, (1, 4), (2, 4), (3, 4), *(((4, 1),) if active else ()), *wide)
    if op.kind == "lstm":
        return ((0, 1), (1, 4))
    if is_step(op):
        return ((0, 4), (1, 4), (4, 4))
    if op.kind in ("max_pool2d", "avg_pool2d"):
        return (*valid, (1, 4), (2, 4), (3, 4), (4, 4), *(((5, 1),) if active else ()))
    if op.kind == "dense":
        return (*(((0, 1),) if active else ()), *(((2, 1),) if len(op.out_shape) > 1 else ()))
    if op.kind == "add":
        return ((0, 1),) if active else ()
    if op.kind in ("global_avg_pool", "global_max_pool"):
        return ((0, 1),) if len(op.out_shape) == len(op.in_shape) else ()
    if op.kind == "softmax":
        return ((0, 4),)
    if op.kind in ("sub", "mul", "div"):
        return ((0, 1),) if active else ()
    return () if op.kind == "pad" else None if op.kind in _WITHOUT_OPTIONS else ((0, 4),)


_WITHOUT_OPTIONS = frozenset({"activation", "reshape", "quantize", "maximum", "minimum", "transpose"})


def _buffers(layout: _Layout, sizes: list[int]) -> None:
    """An empty buffer, the constants, and the list of all."""
    layout.table(())
    for size in sizes:
        layout.vector(size, CONSTANT_ALIGNMENT_BYTES)
        layout.table(((0, 4),))
    layout.vector(4 * (len(sizes) + 1))
