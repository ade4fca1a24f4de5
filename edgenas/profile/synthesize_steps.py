"""Operators over steps of time for `edgenas.profile.synthesize`: one step of a series, and the LSTM."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgenas.arch.graph import Op
from edgenas.cost.file_constants import is_step, settings
from edgenas.errors import UnsupportedError

if TYPE_CHECKING:
    from edgenas.profile.synthesize import Writer

CELL_SCALE = 2.0**-13
"""Of the 16-bit cell state; a power of two, as the kernels ask."""


def write_step(writer: Writer, op: Op) -> None:
    """One place of the first axis, as TensorFlow's converter writes ``series[:, time]``."""
    if not is_step(op):
        raise UnsupportedError(
            f"a slice of {op.in_shape} to {op.out_shape} ({op.name}) cannot be synthesized; expected one "
            "step of the first axis"
        )
    options = schema.StridedSliceOptionsT()
    options.beginMask = options.endMask = 0b101 if len(op.in_shape) == 2 else 2 ** (len(op.in_shape) + 1) - 3
    options.shrinkAxisMask = 0b10
    places = [
        writer.constant(f"{op.name}/{number}", np.array(values, np.int32))
        for number, (_, values) in enumerate(settings(op))
    ]
    source = op.inputs[0]
    kind = schema.BuiltinOptions.StridedSliceOptions
    inputs = [writer.outputs[source], *places]
    code = schema.BuiltinOperator.STRIDED_SLICE
    writer.operator(op, code, 2, inputs, writer.quantizations[source], kind, options)


def write_lstm(writer: Writer, op: Op) -> None:
    """An LSTM that writes all of its states: int8 with a 16-bit cell state, or float32."""
    from edgenas.profile.synthesize import Quantization

    features, units = op.in_shape[-1], op.out_shape[-1]
    source, hidden = op.inputs[0], Quantization(1.0 / 128.0, 0)
    of_input = [_matrix(writer, f"{op.name}/w{gate}", (units, features)) for gate in range(4)]
    of_state = [_matrix(writer, f"{op.name}/r{gate}", (units, units)) for gate in range(4)]
    scale = 1.0 / (128.0 * np.sqrt(units)) * writer.quantizations[source].scale
    biases = [_bias(writer, f"{op.name}/b{gate}", units, scale) for gate in range(4)]
    states = [
        writer.state(f"{op.name}/hidden", units, hidden, schema.TensorType.INT8),
        writer.state(f"{op.name}/cell", units, Quantization(CELL_SCALE, 0), schema.TensorType.INT16),
    ]
    options = schema.UnidirectionalSequenceLSTMOptionsT()
    options.fusedActivationFunction = schema.ActivationFunctionType.TANH
    options.cellClip = 10.0
    inputs = [
        writer.outputs[source], *of_input, *of_state, -1, -1, -1, *biases, -1, -1, *states, -1, -1, -1, -1,
    ]  # fmt: skip
    notes = writer.notes(op.name, hidden) if writer.int8 else None
    code = schema.BuiltinOperator.UNIDIRECTIONAL_SEQUENCE_LSTM
    kind = schema.BuiltinOptions.UnidirectionalSequenceLSTMOptions
    writer.operator(op, code, 1, inputs, hidden, kind, options)
    writer.operators[-1].intermediates = notes


def _matrix(writer: Writer, name: str, shape: tuple[int, int]) -> int:
    """Weights of one gate, with one scale for all units."""
    gain = 1.0 / np.sqrt(shape[1])
    if not writer.int8:
        return writer.constant(name, writer.rng.normal(0, gain, shape).astype(np.float32))
    values = writer.rng.integers(-127, 128, shape, dtype=np.int8)
    return writer.constant(name, values, np.array([gain / 128], np.float32))


def _bias(writer: Writer, name: str, units: int, scale: float) -> int:
    if not writer.int8:
        return writer.constant(name, writer.rng.normal(0, 0.1, units).astype(np.float32))
    values = writer.rng.integers(-1000, 1000, units, dtype=np.int32)
    return writer.constant(name, values, np.array([scale], np.float32))
