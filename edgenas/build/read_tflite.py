"""From a ``.tflite`` file, of edgenas or of others, to an OpGraph, so that it gets costs.

A quantization at the network's input and a dequantization at its output (files with float inputs and
outputs around an int8 network) are not part of the graph: the network proper starts behind the one
and ends before the other, and its costs are those of the same network with int8 ends. What follows
from constants and shapes alone is not part of it either. The operations are as they run: an
activation that the file has on its own stays on its own.
"""

from __future__ import annotations

from edgenas.arch.graph import OpGraph
from edgenas.build import tflite_elements as elements
from edgenas.build import tflite_weighted as weighted
from edgenas.build.tflite_reader import TfliteReader, house_shape
from edgenas.build.tflite_tables import FLOATS, INT8, OperatorTable, TensorTable, TfliteFile
from edgenas.build.tflite_weighted import Handler
from edgenas.errors import UnsupportedError

_BOUNDARY = frozenset({"QUANTIZE", "DEQUANTIZE"})


def graph_from_tflite(model: bytes) -> OpGraph:
    """The operations of a ``.tflite`` file: float, int8 throughout, or with int8 weights only.

    Biases are marked as such; a batch normalization that was folded into them is no longer visible.

    Raises:
        UnsupportedError: The bytes are damaged or no ``.tflite`` file, or the network has several
            inputs, a batch other than 1, or an operation (which is named) or form of it without a cost.
    """
    file = TfliteFile(model)
    reader = TfliteReader(file)
    for operator in file.operators:
        _read(reader, operator)
    for number in file.outputs:
        if number not in reader.ids:
            raise UnsupportedError(
                f"output '{file.tensors[number].name}' is computed by no operation of the file"
            )
    return reader.graph.finish()


def _read(reader: TfliteReader, operator: OperatorTable) -> None:
    """Append one operator, unless it lies at the ends or follows from constants."""
    if _is_boundary(reader.file, operator):
        reader.ids[operator.outputs[0]] = reader.input(operator, 0)
        return
    known = all(number < 0 or reader.is_constant(number) for number in operator.inputs)
    if operator.kind == "SHAPE" or (known and operator.inputs):
        reader.folded.update(operator.outputs)
        return
    if operator.kind in _PIECES:
        elements.pieces(reader, operator, _PIECES[operator.kind])
        return
    handler = _HANDLERS.get(operator.kind)
    if handler is None:
        supported = ", ".join(sorted({*_HANDLERS, *_PIECES}))
        raise UnsupportedError(f"operation {operator.label} has no cost; expected one of {supported}")
    if len(operator.outputs) != 1:
        raise reader.refusal(operator, f"has {len(operator.outputs)} outputs; expected one")
    house_shape(reader.tensor(operator.outputs[0]))
    reader.ids[operator.outputs[0]] = handler(reader, operator)


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
    if operator.kind not in _BOUNDARY:
        return False
    return set(operator.inputs) <= set(file.inputs) or set(operator.outputs) <= set(file.outputs)


def _activations(file: TfliteFile, operator: OperatorTable, constants: bool = False) -> list[TensorTable]:
    read = [file.tensors[number] for number in operator.inputs if number >= 0]
    written = [file.tensors[number] for number in operator.outputs]
    return [tensor for tensor in read if constants or not tensor.is_constant] + written


_PIECES = {"SPLIT": 1, "SPLIT_V": 0, "UNPACK": 0}
"""Operators that cut a tensor, and the place of that tensor among their inputs."""

_HANDLERS: dict[str, Handler] = {
    "CONV_2D": weighted.conv2d,
    "DEPTHWISE_CONV_2D": weighted.depthwise,
    "TRANSPOSE_CONV": weighted.transpose_conv,
    "FULLY_CONNECTED": weighted.dense,
    "BATCH_MATMUL": weighted.matmul,
    "UNIDIRECTIONAL_SEQUENCE_LSTM": weighted.lstm,
    "MAX_POOL_2D": weighted.pool("max_pool2d"),
    "AVERAGE_POOL_2D": weighted.pool("avg_pool2d"),
    "ADD": elements.elementwise("add", 0),
    "SUB": elements.elementwise("sub", 0),
    "MUL": elements.elementwise("mul", 0),
    "DIV": elements.elementwise("div", 0),
    "MAXIMUM": elements.elementwise("maximum"),
    "MINIMUM": elements.elementwise("minimum"),
    "SQUARED_DIFFERENCE": elements.elementwise("squared_difference"),
    "POW": elements.elementwise("power"),
    "MEAN": elements.reduction("mean", "global_avg_pool"),
    "SUM": elements.reduction("sum"),
    "REDUCE_MAX": elements.reduction("reduce_max", "global_max_pool"),
    "REDUCE_MIN": elements.reduction("reduce_min"),
    "ARG_MAX": elements.moved("argmax"),
    "ARG_MIN": elements.moved("argmax"),
    "SOFTMAX": elements.simple("softmax"),
    "LOG_SOFTMAX": elements.simple("log_softmax"),
    "L2_NORMALIZATION": elements.simple("l2_norm"),
    "LOCAL_RESPONSE_NORMALIZATION": elements.simple("local_response_norm"),
    "QUANTIZE": elements.simple("quantize"),
    "DEQUANTIZE": elements.simple("quantize"),
    "CAST": elements.simple("quantize"),
    "RESHAPE": elements.rearranged("reshape"),
    "SQUEEZE": elements.rearranged("reshape"),
    "EXPAND_DIMS": elements.rearranged("reshape"),
    "TRANSPOSE": elements.rearranged("transpose"),
    "DEPTH_TO_SPACE": elements.rearranged("depth_to_space"),
    "SPACE_TO_DEPTH": elements.rearranged("space_to_depth"),
    "CONCATENATION": elements.concat,
    "PACK": elements.concat,
    "PAD": elements.pad,
    "PADV2": elements.pad,
    "MIRROR_PAD": elements.pad,
    "STRIDED_SLICE": elements.strided_slice,
    "SLICE": elements.moved("slice"),
    "TILE": elements.moved("tile"),
    "BROADCAST_TO": elements.moved("tile"),
    "RESIZE_BILINEAR": elements.moved("resize_bilinear"),
    "RESIZE_NEAREST_NEIGHBOR": elements.moved("resize_nearest"),
    "GATHER": elements.gather,
    "EMBEDDING_LOOKUP": elements.gather,
    "LOGISTIC": elements.simple("activation", "sigmoid"),
    "PRELU": elements.simple("activation", "prelu"),
    **{
        name.upper(): elements.simple("activation", name)
        for name in (
            "relu", "relu6", "relu_n1_to_1", "relu_0_to_1", "leaky_relu", "elu", "gelu", "tanh",
            "hard_swish", "exp", "log", "sqrt", "rsqrt", "square", "abs", "neg", "sign", "sin", "cos",
            "floor", "ceil", "round",
        )
    },
}  # fmt: skip
