"""Which method of TFLite-Micro's ``MicroMutableOpResolver`` registers an operator.

The names are those of ``tensorflow/lite/micro/micro_mutable_op_resolver.h``; the operators are the ones
that TFLite-Micro's own Python interpreter registers (``python/tflite_micro/python_ops_resolver.cc``).
"""

from __future__ import annotations

from collections.abc import Sequence

from edgenas.errors import UnsupportedError

_NAMES = """
ABS ADD ADD_N ARG_MAX ARG_MIN ASSIGN_VARIABLE AVERAGE_POOL_2D BATCH_TO_SPACE_ND BROADCAST_ARGS
BROADCAST_TO CALL_ONCE CAST CEIL CONCATENATION CONV_2D COS DEPTH_TO_SPACE DEPTHWISE_CONV_2D
DEQUANTIZE DIV ELU EQUAL EXP EXPAND_DIMS FILL FLOOR FLOOR_DIV FLOOR_MOD FULLY_CONNECTED GATHER
GATHER_ND GREATER GREATER_EQUAL HARD_SWISH IF LEAKY_RELU LESS LESS_EQUAL LOG LOGICAL_AND LOGICAL_NOT
LOGICAL_OR LOGISTIC LOG_SOFTMAX MAXIMUM MAX_POOL_2D MEAN MINIMUM MIRROR_PAD MUL NEG NOT_EQUAL PACK PAD
PRELU QUANTIZE READ_VARIABLE REDUCE_MAX RELU RELU6 RESHAPE RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR
ROUND RSQRT SHAPE SIN SLICE SOFTMAX SPACE_TO_BATCH_ND SPACE_TO_DEPTH SPLIT SPLIT_V SQRT SQUARE
SQUARED_DIFFERENCE SQUEEZE STRIDED_SLICE SUB SUM SVDF TANH TRANSPOSE TRANSPOSE_CONV UNPACK VAR_HANDLE
WHILE ZEROS_LIKE
"""

_OTHERWISE = {
    "CUMSUM": "AddCumSum",
    "L2_NORMALIZATION": "AddL2Normalization",
    "L2_POOL_2D": "AddL2Pool2D",
    "PADV2": "AddPadV2",
    "SELECT_V2": "AddSelectV2",
    "UNIDIRECTIONAL_SEQUENCE_LSTM": "AddUnidirectionalSequenceLSTM",
}
"""Operators whose method does not follow from their name."""


def _method(name: str) -> str:
    """``DEPTHWISE_CONV_2D`` as ``AddDepthwiseConv2D``."""
    words = (word if word[0].isdigit() else word.capitalize() for word in name.split("_"))
    return "Add" + "".join(words)


METHODS = {**{name: _method(name) for name in _NAMES.split()}, **_OTHERWISE}
"""Method by operator, as `edgenas.build.tflite_operators.operator_name` names it."""


def resolver_methods(operators: Sequence[str]) -> list[str]:
    """The methods that register these operators, each once, in the order of the alphabet.

    Args:
        operators: Names of builtin operators; repeated ones count once.

    Raises:
        UnsupportedError: TFLite-Micro has no such operator.
    """
    if unknown := sorted(set(operators) - METHODS.keys()):
        raise UnsupportedError(
            f"TFLite-Micro has no operator {', '.join(unknown)}; expected one of {', '.join(sorted(METHODS))}"
        )
    return sorted({METHODS[name] for name in operators})
