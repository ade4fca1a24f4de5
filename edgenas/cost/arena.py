"""The memory arena of TFLite Micro: what `tflite_micro` reports, from the operations alone.

The arena has two parts. The *head* holds activations and kernels' scratch buffers, placed by the
greedy planner. The *tail* holds what lives as long as the model: structures per tensor and per node,
parsed options, kernels' data, quantization multipliers. Their sizes are those of a 64-bit host; the
pointers in them are half as large on a 32-bit core.

Sources: tensorflow/lite/micro of https://github.com/tensorflow/tflite-micro, namely
`memory_planner/greedy_memory_planner.cc` (placement), `micro_allocation_info.cc` (lifetimes),
`micro_allocator.cc` (order of the tail's allocations) and `kernels/*.cc` (scratch and persistent
buffers). The sizes were read off `print_allocations()` of the reference kernels (wheel tflite-micro
0.dev20261023, x86-64) with models of one operation each, channel counts 1 to 24, and chains of up to
five; networks of space `micro` then agree to the byte (benchmarks/static_costs.py). Sizes of the kinds
that only files of others hold come from one converted model each, to 16 bytes.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from edgenas.arch.graph import RECURRENT, Op, OpGraph
from edgenas.cost.file_constants import settings

ALIGNMENT_BYTES = 16
"""`MicroArenaBufferAlignment()`: of every buffer in the head and of kernels' persistent buffers."""

FIXED_BYTES = 488
"""Allocators (recording ones, as in the Python package), planner and tables of the one subgraph."""

TENSOR_BYTES = 24
"""`TfLiteEvalTensor` of each tensor of the file, constants included."""

NODE_BYTES = 64
"""`NodeAndRegistration` of each operator."""

SCRATCH_HANDLE_BYTES = 8
"""`ScratchBufferHandle` of each scratch buffer."""

SCRATCH_BUFFERS: dict[str, int] = {
    "global_avg_pool": 3, "mean": 3, "sum": 3, "global_max_pool": 2, "reduce_max": 2, "reduce_min": 2,
    "transpose_conv2d": 1, "lstm": 4,
}  # fmt: skip
"""How many a kernel asks for; of the mean: sums, index and axes; of the LSTM: its gates."""

SUMS = frozenset({"global_avg_pool", "mean", "sum"})
"""Reductions of int8 that add up in 32 bits, in a scratch buffer."""

END_TENSOR_BYTES = {"int8": 64 + 24 + 8, "float32": 64}
"""Of each input and output: `TfLiteTensor`; if quantized, `TfLiteAffineQuantization` and its zero point."""

ELEMENT_BYTES = {"int8": 1, "float32": 4}
"""Of activations."""

POINTER_BYTES = 8
"""One pointer to each input (an array), and one to each output (an array)."""

OPTIONS: dict[str, tuple[int, int]] = {
    "conv2d": (28, 4),
    "depthwise_conv2d": (28, 4),
    "dense": (32, 8),
    "add": (8, 4),
    "max_pool2d": (40, 4),
    "avg_pool2d": (40, 4),
    "global_avg_pool": (1, 1),
    "softmax": (4, 4),
    "reshape": (36, 4),
    "transpose_conv2d": (16, 4),
    "sub": (8, 4),
    "mul": (4, 4),
    "div": (4, 4),
    "concat": (8, 4),
    "slice": (24, 4),
    "mean": (1, 1),
    "sum": (1, 1),
    "global_max_pool": (1, 1),
    "reduce_max": (1, 1),
    "reduce_min": (1, 1),
    "depth_to_space": (4, 4),
    "space_to_depth": (4, 4),
    "leaky_relu": (4, 4),
    "lstm": (16, 4),
}
"""Parsed options (`TfLiteConvParams` ...): bytes and alignment; kinds without an entry have none."""

KERNEL_BYTES: dict[str, int] = {
    "conv2d": 80,
    "depthwise_conv2d": 80,
    "dense": 72,
    "add": 60,
    "max_pool2d": 32,
    "avg_pool2d": 32,
    "global_avg_pool": 44,
    "softmax": 80,
    "pad": 56,
    "relu": 28,
    "relu6": 8,
    "transpose_conv2d": 80,
    "sub": 60,
    "mul": 36,
    "div": 24,
    "squared_difference": 112,
    "concat": 80,
    "slice": 88,
    "mean": 44,
    "sum": 44,
    "global_max_pool": 44,
    "reduce_max": 44,
    "reduce_min": 44,
    "log_softmax": 32,
    "depth_to_space": 20,
    "space_to_depth": 20,
    "l2_norm": 4,
    "matmul": 80,
    "quantize": 56,
    "sigmoid": 16,
    "tanh": 16,
    "hard_swish": 24,
    "leaky_relu": 36,
    "prelu": 44,
    "abs": 32,
    "elu": 272,
    "rsqrt": 16,
    "lstm": 680,
}
"""What a kernel keeps (`OpDataConv`, `OpDataReduce` ...), by kind or, of a lone activation, by function."""

CONSTANTS: dict[str, int] = {
    "conv2d": 2,
    "depthwise_conv2d": 2,
    "dense": 2,
    "global_avg_pool": 1,
    "reshape": 1,
    "pad": 1,
    "transpose_conv2d": 3,
    "mean": 1,
    "sum": 1,
    "global_max_pool": 1,
    "reduce_max": 1,
    "reduce_min": 1,
    "argmax": 1,
    "transpose": 1,
    "slice": 3,
    "resize_bilinear": 1,
    "resize_nearest": 1,
    "lstm": 12,
}
"""Constant tensors: weights and bias, axes of the mean, the new shape, amounts of padding ..."""

LSTM_TENSORS = {"int8": 7, "float32": 2}
"""Further tensors of an LSTM: its two states and, in int8, five that describe what it keeps to itself."""


@dataclass(frozen=True, slots=True)
class Arena:
    """Bytes of the two parts of an arena.

    Attributes:
        head_bytes: Activations and scratch buffers; the same on every core.
        tail_bytes: Structures, here of a 64-bit host.
    """

    head_bytes: int
    tail_bytes: int

    @property
    def total_bytes(self) -> int:
        """What the interpreter needs in all."""
        return self.head_bytes + self.tail_bytes


def plan_arena(graph: OpGraph, precision: str = "int8") -> Arena:
    """The arena of a network with batch 1.

    Args:
        graph: Operations as they stand in the file, see `edgenas.cost.deployed.deployed_graph`.
        precision: Of activations, ``int8`` or ``float32``.
    """
    return Arena(_head_bytes(graph, precision), _tail_bytes(graph, precision))


def outputs(graph: OpGraph) -> list[int]:
    """Tensors that no operation reads (ids as in the graph)."""
    read = {tensor for op in graph.ops for tensor in op.inputs}
    return [tensor for tensor in range(1, len(graph.ops) + 1) if tensor not in read]


def _head_bytes(graph: OpGraph, precision: str) -> int:
    """Size of the greedy plan of activations and scratch buffers.

    A tensor lives from the operation that writes it to the last that reads it; the input from the
    start and outputs to the end.
    """
    ops = graph.ops
    last_used = [0, *range(1, len(ops) + 1)]
    for time, op in enumerate(ops, start=1):
        for tensor in op.inputs:
            last_used[tensor] = time
    for tensor in outputs(graph):
        last_used[tensor] = len(ops)
    sizes = [prod(graph.input_shape), *(prod(op.out_shape) for op in ops)]
    width = ELEMENT_BYTES[precision]
    buffers = [(_aligned(width * size), time, last_used[time]) for time, size in enumerate(sizes)]
    for time, op in enumerate(ops, start=1):
        if op.kind in SCRATCH_BUFFERS:
            buffers += [(_aligned(size), time, time) for size in _scratch(op, precision)]
    return greedy_plan_bytes(buffers)


def _scratch(op: Op, precision: str) -> tuple[int, ...]:
    """Scratch buffers of an operation in the order in which its kernel asks for them.

    Of a reduction: 32-bit sums (int8 only), an index into the input, the axes. Of a transposed
    convolution of int8: 32-bit sums. Of an LSTM: four gates, of 16 bits in int8.
    """
    sums = (4 * prod(op.out_shape),) if precision == "int8" else ()
    if op.kind == "transpose_conv2d":
        return sums
    if op.kind == "lstm":
        return ((2 if precision == "int8" else 4) * op.out_shape[-1],) * 4
    index_and_axes = (4 * (1 + len(op.in_shape)), 4 * (len(op.in_shape) - 1))
    return (*sums, *index_and_axes) if op.kind in SUMS else index_and_axes


def greedy_plan_bytes(buffers: Sequence[tuple[int, int, int]]) -> int:
    """Size of the plan of TFLite Micro's `GreedyMemoryPlanner`.

    Args:
        buffers: (bytes, first time used, last time used) in the order in which they are added.

    The largest comes first, of equal ones the one added last. Each goes into the first gap between
    the buffers placed so far that are in use at the same time.
    """
    total = 0
    starts: list[int] = []
    placed: list[tuple[int, int, int, int]] = []  # start, end, first and last time, by start
    largest_first = sorted(range(len(buffers)), key=lambda number: (buffers[number][0], number), reverse=True)
    for number in largest_first:
        size, first, last = buffers[number]
        candidate = 0
        for start, end, other_first, other_last in placed:
            if other_first > last or first > other_last:
                continue
            if start - candidate >= size:
                break
            if end > candidate:
                candidate = end
        position = bisect_right(starts, candidate)
        starts.insert(position, candidate)
        placed.insert(position, (candidate, candidate + size, first, last))
        if candidate + size > total:
            total = candidate + size
    return total


def _tail_bytes(graph: OpGraph, precision: str) -> int:
    """Bytes of the structures, allocated one after the other from the arena's end downwards."""
    ops = graph.ops
    constants = tensors_of_constants(ops) + LSTM_TENSORS[precision] * sum(op.kind == "lstm" for op in ops)
    end = FIXED_BYTES + TENSOR_BYTES * (1 + len(ops) + constants) + NODE_BYTES * len(ops)
    names = [op.activation if op.kind == "activation" else op.kind for op in ops]
    for name in names:
        if name in OPTIONS:
            size, alignment = OPTIONS[name]
            end = -(-(end + size) // alignment) * alignment
    scratch = 0
    for op, name in zip(ops, names, strict=True):
        data = KERNEL_BYTES.get(name)
        if data:
            end = _aligned(end + data)
        end += _multiplier_bytes(op, precision)
        scratch += SCRATCH_BUFFERS.get(name, 0)
    if scratch:
        end = -(-(end + scratch * SCRATCH_HANDLE_BYTES) // 8) * 8
    for op in ops:
        for size in _states(op, precision):
            end = _aligned(end + size)
    for count in (1, len(outputs(graph))):
        end = _aligned(end + POINTER_BYTES * count) + END_TENSOR_BYTES[precision] * count
    return end


def constant_tensors(op: Op) -> int:
    """How many constant tensors of the file an operation reads."""
    missing_bias = op.kind == "dense" and not op.stores_bias
    return CONSTANTS.get(op.kind, 0) - missing_bias + (op.constants > 0 and op.kind not in RECURRENT)


def tensors_of_constants(ops: Sequence[Op]) -> int:
    """How many constant tensors a file has: settings that are equal, and weights used again, are one."""
    distinct = {setting for op in ops for setting in settings(op)}
    own = sum(constant_tensors(op) for op in ops if not settings(op) and not op.weights_of)
    return len(distinct) + own


def _states(op: Op, precision: str) -> tuple[int, ...]:
    """Bytes of what an LSTM keeps: hidden and cell state, the latter of 16 bits in int8."""
    widths = (1, 2) if precision == "int8" else (4, 4)
    return tuple(width * op.out_shape[-1] for width in widths) if op.kind == "lstm" else ()


def _multiplier_bytes(op: Op, precision: str) -> int:
    """Multiplier and shift of each output channel, two persistent buffers.

    A dense layer of float, of one unit, or of weights with one scale for all units has none.
    """
    channels = op.out_shape[-1]
    if op.kind == "dense":
        return 2 * _aligned(4 * channels) if precision == "int8" and channels > 1 and not op.per_tensor else 0
    return 2 * _aligned(4 * channels) if op.kind in _PER_CHANNEL else 0


_PER_CHANNEL = frozenset({"conv2d", "depthwise_conv2d", "transpose_conv2d"})


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT_BYTES) * ALIGNMENT_BYTES
