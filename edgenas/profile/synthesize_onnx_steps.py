"""Nodes over steps of time for `edgenas.profile.synthesize_onnx`: one step, and an LSTM written out.

ONNX Runtime quantizes no LSTM, so the exporter's files hold it step after step (`edgenas.export.tflite`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgenas.arch.graph import Op
from edgenas.cost.file_constants import is_step
from edgenas.errors import UnsupportedError

if TYPE_CHECKING:
    from edgenas.profile.synthesize_onnx import Writer

GATES = 4


def write_step(writer: Writer, op: Op, inputs: list[str]) -> str:
    """One place of the first axis behind the batch."""
    if not is_step(op):
        raise UnsupportedError(
            f"a slice of {op.in_shape} to {op.out_shape} ({op.name}) cannot be synthesized; expected one "
            "step of the first axis"
        )
    return _step(writer, op.name, inputs[0], op.start)


def write_lstm(writer: Writer, op: Op, inputs: list[str]) -> str:
    """All states of an LSTM: (1, time, features) to (1, time, units)."""
    (time, features), units = op.in_shape, op.out_shape[-1]
    of_input = _weights(writer, f"{op.name}/w", (features, GATES * units))
    of_state = _weights(writer, f"{op.name}/r", (units, GATES * units))
    state = cell = ""
    states = []
    for number in range(time):
        here = f"{op.name}/{number}"
        gates = _between(writer, "MatMul", [_step(writer, here, inputs[0], number), of_input])
        if state:
            remembered = _between(writer, "MatMul", [state, of_state])
            gates = _between(writer, "Add", [gates, remembered])
        state, cell = _cell(writer, here, gates, cell, units)
        axes = writer.constant(f"{here}/axes", np.array([1], np.int64))
        states.append(_between(writer, "Unsqueeze", [state, axes]))
    return writer.node("Concat", states, axis=1)


def _cell(writer: Writer, here: str, gates: str, cell: str, units: int) -> tuple[str, str]:
    """The next hidden and cell state, from what the gates add up."""
    parts = [_part(writer, f"{here}/{gate}", gates, gate * units, units) for gate in range(GATES)]
    entry, forget, out = (_between(writer, "Sigmoid", [parts[gate]]) for gate in (0, 1, 3))
    cell_input = _between(writer, "Mul", [entry, _between(writer, "Tanh", [parts[2]])])
    if cell:
        cell_input = _between(writer, "Add", [_between(writer, "Mul", [forget, cell]), cell_input])
    return _between(writer, "Mul", [out, _between(writer, "Tanh", [cell_input])]), cell_input


def _step(writer: Writer, name: str, source: str, number: int) -> str:
    index = writer.constant(f"{name}/index", np.array(number, np.int64))
    return writer.between(writer.node("Gather", [source, index], axis=1))


def _part(writer: Writer, name: str, source: str, start: int, size: int) -> str:
    ends = {"starts": start, "ends": start + size, "axes": 1}
    names = [writer.constant(f"{name}/{key}", np.array([value], np.int64)) for key, value in ends.items()]
    return writer.between(writer.node("Slice", [source, *names]))


def _between(writer: Writer, kind: str, inputs: list[str]) -> str:
    return writer.between(writer.node(kind, inputs))


def _weights(writer: Writer, name: str, shape: tuple[int, int]) -> str:
    gain = 1.0 / np.sqrt(shape[0])
    if not writer.int8:
        return writer.constant(name, writer.rng.normal(0, gain, shape).astype(np.float32))
    names = [
        writer.constant(name, writer.rng.integers(-127, 128, shape, dtype=np.int8)),
        writer.constant(f"{name}/s", np.full(shape[1], gain / 73, np.float32)),
        writer.constant(f"{name}/z", np.zeros(shape[1], np.int8)),
    ]
    return writer.node("DequantizeLinear", names, axis=1)
