"""From an ``.onnx`` file, of edgenas or of others, to an OpGraph, so that it gets costs.

The graph is what an int8 runtime would run: batch normalizations, activations, and factors and sums
for each channel are part of the convolution before them; conversions between float and int8 (QDQ) and
transpositions between layouts are gone. Shapes are inferred here, no ONNX library is needed.
"""

from __future__ import annotations

import numpy as np

from edgenas.arch.graph import OpGraph
from edgenas.build import onnx_elements as elements
from edgenas.build import onnx_moving as moving
from edgenas.build import onnx_weighted as weighted
from edgenas.build.onnx_file import Constant, Node, OnnxFile
from edgenas.build.onnx_folding import fold
from edgenas.build.onnx_reader import OnnxReader
from edgenas.build.onnx_weighted import Handler
from edgenas.build.tidying import fold_hard_swish, fold_padding
from edgenas.errors import UnsupportedError

_PASS_THROUGH = frozenset({"QuantizeLinear", "DequantizeLinear", "Identity", "Dropout", "Cast"})
_MANY_OUTPUTS = frozenset({"LSTM", "GRU", "Dropout", "BatchNormalization", "MaxPool", "LayerNormalization"})


def graph_from_onnx(model: bytes) -> OpGraph:
    """The operations of a float or quantized (QDQ) ``.onnx`` file.

    Raises:
        UnsupportedError: The bytes are damaged or no ``.onnx`` file, its weights lie in another file,
            or the network has several inputs, a batch other than 1, axes of unknown size, or an
            operation (which is named) or form of it without a cost.
    """
    file = OnnxFile(model)
    reader = OnnxReader(file)
    for node in file.nodes:
        _read(reader, node)
    for name in file.outputs:
        if name not in reader.values and name not in reader.constants:
            raise UnsupportedError(
                f"output '{name}' is computed by no node of the file; export the model again"
            )
    return fold_padding(fold_hard_swish(reader.graph.finish()))


def _read(reader: OnnxReader, node: Node) -> None:
    """Append one node, unless it follows from constants or changes nothing but the representation."""
    if not node.outputs:
        raise reader.refusal(node, "writes no tensor; expected one output")
    known = _known(reader, node)
    if known is not None:
        reader.constants.update(zip(node.outputs, known, strict=False))
        return
    if node.kind in _PASS_THROUGH:
        reader.values[node.outputs[0]] = reader.renamed(node.input(0), reader.value(node, 0))
        return
    if node.kind == "Split":
        moving.split(reader, node)
        return
    handler = _HANDLERS.get(node.kind)
    if handler is None:
        supported = ", ".join(sorted({*_HANDLERS, *_PASS_THROUGH, "Split", "Shape", "Constant"}))
        raise UnsupportedError(f"operation {node.label} has no cost; expected one of {supported}")
    if len([name for name in node.outputs if name]) != 1 and node.kind not in _MANY_OUTPUTS:
        raise reader.refusal(node, f"has {len(node.outputs)} outputs; expected one")
    written = handler(reader, node)
    if node.outputs[0]:
        reader.values[node.outputs[0]] = written


def _known(reader: OnnxReader, node: Node) -> list[Constant] | None:
    """What a node writes if that is known before the network runs."""
    if node.kind == "Constant":
        value = node.constant()
        return [value if value is not None else Constant((1,))]
    if node.kind == "Shape" and node.input(0) in reader.values:
        sizes = np.array(reader.values[node.input(0)].shape, np.int64)
        return [Constant(sizes.shape, sizes)]
    if all(not name or name in reader.constants for name in node.inputs) and node.inputs:
        return fold(node, [reader.constants.get(name) for name in node.inputs if name])
    return None


_HANDLERS: dict[str, Handler] = {
    "Conv": weighted.conv,
    "ConvTranspose": weighted.transpose_conv,
    "Gemm": weighted.gemm,
    "MatMul": weighted.matmul,
    "BatchNormalization": weighted.batch_norm,
    "MaxPool": weighted.pool("max_pool2d"),
    "AveragePool": weighted.pool("avg_pool2d"),
    "GlobalAveragePool": weighted.global_pool("global_avg_pool"),
    "GlobalMaxPool": weighted.global_pool("global_max_pool"),
    "LSTM": weighted.recurrent("lstm", 4),
    "GRU": weighted.recurrent("gru", 3),
    "Add": elements.elementwise("add"),
    "Sub": elements.elementwise("sub"),
    "Mul": elements.elementwise("mul"),
    "Div": elements.elementwise("div"),
    "Max": elements.elementwise("maximum"),
    "Min": elements.elementwise("minimum"),
    "Pow": elements.elementwise("power"),
    "Relu": elements.activation("relu"),
    "Clip": elements.clip,
    "PRelu": elements.prelu,
    "HardSigmoid": elements.hard_sigmoid,
    "HardSwish": elements.activation("hard_swish"),
    "LeakyRelu": elements.activation("leaky_relu"),
    **{
        name: elements.activation(name.lower())
        for name in (
            "Sigmoid", "Tanh", "Elu", "Gelu", "Exp", "Log", "Sqrt", "Abs", "Neg", "Sign", "Sin", "Cos",
            "Floor", "Ceil", "Round", "Erf", "Softplus", "Selu", "Mish", "Reciprocal",
        )
    },
    "Softmax": elements.kept("softmax"),
    "LogSoftmax": elements.kept("log_softmax"),
    "LRN": elements.kept("local_response_norm"),
    "LpNormalization": elements.kept("l2_norm"),
    "ReduceMean": elements.reduction("mean", "global_avg_pool"),
    "ReduceMax": elements.reduction("reduce_max", "global_max_pool"),
    "ReduceMin": elements.reduction("reduce_min"),
    "ReduceSum": elements.reduction("sum"),
    "ArgMax": elements.argmax,
    "ArgMin": elements.argmax,
    "Transpose": moving.transpose,
    "Reshape": moving.reshape,
    "Flatten": moving.flatten,
    "Squeeze": moving.squeeze,
    "Unsqueeze": moving.unsqueeze,
    "Concat": moving.concat,
    "Pad": moving.pad,
    "Slice": moving.slices,
    "Resize": moving.resize,
    "Upsample": moving.resize,
    "DepthToSpace": moving.blocks("depth_to_space"),
    "SpaceToDepth": moving.blocks("space_to_depth"),
    "Gather": moving.gather,
    "Expand": moving.expand,
    "Tile": moving.expand,
}  # fmt: skip
