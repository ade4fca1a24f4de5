"""The graph that TensorFlow's converter writes into a file, from the graph that a spec describes.

Seen in files of TensorFlow 2.21's converter (full int8, batch 1) and kept here as rules:

- a ReLU or ReLU6 of its own is fused into the convolution, dense layer, addition or pooling before it,
  if nothing else reads that tensor and it is linear so far; otherwise it stays an operation;
- an activation asked of an operation that cannot carry one (global pooling, reshape ...) becomes one;
- an activation that is applied twice in a row stands once;
- of reshapes in a row only the last stays, and a flattening that keeps the last axis (1 x 1 x C to C)
  before a dense layer disappears;
- an addition of more than two tensors becomes a chain of additions;
- a batch normalization of its own, a factor and a summand for each channel, is folded into the linear
  convolution or dense layer before it, if nothing else reads that tensor.

Operations of parallel branches run in the order that `edgenas.cost.running_order` says, as they do in the
exporter's files; the converter itself may choose another.
"""

from __future__ import annotations

from dataclasses import replace

from edgenas.arch.graph import FUSED_ACTIVATIONS, Op, OpGraph, Shape
from edgenas.cost.running_order import in_running_order

_AS_IT_IS = frozenset(
    {
        "conv2d",
        "depthwise_conv2d",
        "transpose_conv2d",
        "dense",
        "max_pool2d",
        "avg_pool2d",
        "sub",
        "mul",
        "div",
    }
)
CARRIES_ACTIVATION = _AS_IT_IS | {"add"}
_WEIGHTED = frozenset({"conv2d", "depthwise_conv2d", "transpose_conv2d", "dense"})


def deployed_graph(graph: OpGraph) -> OpGraph:
    """The operations of the int8 file, in running order; the same graph if nothing changes."""
    if not all(_stays(op) for op in graph.ops):
        graph = _Lowering(graph).run()
    return in_running_order(graph)


def _stays(op: Op) -> bool:
    if op.kind in _AS_IT_IS:
        return not _is_factor(op)
    if op.kind == "add":
        return len(op.inputs) <= 2
    return op.activation == "linear" and op.kind not in ("activation", "reshape")


def _is_factor(op: Op) -> bool:
    """Whether an operation is the factor of a batch normalization of its own; an addition follows it."""
    return op.kind == "mul" and op.batch_norm


class _Lowering:
    """Appends operations one by one; `tensors` maps the graph's tensor ids to those written so far."""

    def __init__(self, graph: OpGraph) -> None:
        self.graph = graph
        self.ops: list[Op] = []
        self.tensors = [0]
        self.readers: dict[int, list[Op]] = {}
        for op in graph.ops:
            for tensor in op.inputs:
                self.readers.setdefault(tensor, []).append(op)

    def run(self) -> OpGraph:
        for number, op in enumerate(self.graph.ops, start=1):
            self.tensors.append(self._lower(number, op))
        return OpGraph(self.graph.input_shape, tuple(self.ops))

    def _lower(self, number: int, op: Op) -> int:
        inputs = tuple(self.tensors[tensor] for tensor in op.inputs)
        if (_is_factor(op) and self._can_fold(op, inputs[0])) or self._is_summand(op):
            folded = self.ops[inputs[0] - 1]
            self.ops[inputs[0] - 1] = replace(folded, batch_norm=True, activation=op.activation)
            return inputs[0]
        if op.kind == "activation":
            return self._activate(op, inputs[0], alone=len(self.readers[op.inputs[0]]) == 1)
        if op.kind == "reshape" and op.activation == "linear" and self._is_dropped(number, op):
            return inputs[0]
        if op.kind == "reshape":
            op = replace(op, in_shape=self._shape(inputs[0]))
        carries = op.kind in CARRIES_ACTIVATION
        if op.kind == "add":
            while len(inputs) > 2:
                sum_so_far = self._append(replace(op, inputs=inputs[:2], activation="linear"))
                inputs = (sum_so_far, *inputs[2:])
        tensor = self._append(replace(op, inputs=inputs, activation=op.activation if carries else "linear"))
        return tensor if carries else self._activate(op, tensor, alone=True)

    def _can_fold(self, op: Op, tensor: int) -> bool:
        """Whether a factor becomes part of the weights that wrote a tensor."""
        last = self.ops[tensor - 1] if tensor else None
        alone = len(self.readers[op.inputs[0]]) == 1
        return last is not None and last.kind in _WEIGHTED and last.activation == "linear" and alone

    def _is_summand(self, op: Op) -> bool:
        """Whether an addition follows a factor that was folded."""
        source = op.inputs[0] if op.inputs else 0
        if op.kind != "add" or len(op.inputs) != 1 or not source:
            return False
        written = self.ops[self.tensors[source] - 1]
        return _is_factor(self.graph.ops[source - 1]) and written.kind in _WEIGHTED

    def _activate(self, op: Op, tensor: int, *, alone: bool) -> int:
        if op.activation == "linear":
            return tensor
        if op.activation not in FUSED_ACTIVATIONS:
            return self._append(replace(op, kind="activation", inputs=(tensor,), in_shape=op.out_shape))
        last = self.ops[tensor - 1] if tensor else None
        if last is not None and last.activation == op.activation:
            return tensor
        if alone and last is not None and last.kind in CARRIES_ACTIVATION and last.activation == "linear":
            self.ops[tensor - 1] = replace(last, activation=op.activation)
            return tensor
        shape = op.out_shape
        return self._append(Op("activation", op.name, (tensor,), shape, shape, activation=op.activation))

    def _is_dropped(self, number: int, op: Op) -> bool:
        kinds = {reader.kind for reader in self.readers.get(number, [])}
        flat = len(op.out_shape) == 1 and self._shape(self.tensors[op.inputs[0]])[-1] == op.out_shape[-1]
        return kinds == {"reshape"} or (flat and kinds == {"dense"})

    def _shape(self, tensor: int) -> Shape:
        return self.ops[tensor - 1].out_shape if tensor else self.graph.input_shape

    def _append(self, op: Op) -> int:
        self.ops.append(op)
        return len(self.ops)
