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
five; networks of space `micro` then agree to the byte (benchmarks/static_costs.py).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from edgenas.arch.graph import Op, OpGraph

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

MEAN_HANDLES = 3
"""Scratch buffers of the mean: sums, index and axes."""

END_TENSOR_BYTES = 64 + 24 + 8
"""Of each input and output: `TfLiteTensor`, `TfLiteAffineQuantization` and its zero point."""

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
}
"""What a kernel keeps (`OpDataConv`, `OpDataReduce` ...), by kind or, of a lone activation, by function."""

CONSTANTS: dict[str, int] = {
    "conv2d": 2,
    "depthwise_conv2d": 2,
    "dense": 2,
    "global_avg_pool": 1,
    "reshape": 1,
    "pad": 1,
}
"""Constant tensors: weights and bias, axes of the mean, the new shape, amounts of padding."""


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


def plan_arena(graph: OpGraph) -> Arena:
    """The arena of an int8 network with batch 1.

    Args:
        graph: Operations as they stand in the file, see `edgenas.cost.deployed.deployed_graph`.
    """
    return Arena(_head_bytes(graph), _tail_bytes(graph))


def outputs(graph: OpGraph) -> list[int]:
    """Tensors that no operation reads (ids as in the graph)."""
    read = {tensor for op in graph.ops for tensor in op.inputs}
    return [tensor for tensor in range(1, len(graph.ops) + 1) if tensor not in read]


def _head_bytes(graph: OpGraph) -> int:
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
    buffers = [(_aligned(size), time, last_used[time]) for time, size in enumerate(sizes)]
    for time, op in enumerate(ops, start=1):
        if op.kind == "global_avg_pool":
            buffers += [(_aligned(size), time, time) for size in _mean_scratch(op)]
    return greedy_plan_bytes(buffers)


def _mean_scratch(op: Op) -> tuple[int, ...]:
    """Scratch buffers of the mean of int8: 32-bit sums, an index into the input, the axes."""
    return 4 * prod(op.out_shape), 4 * (1 + len(op.in_shape)), 4 * (len(op.in_shape) - 1)


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


def _tail_bytes(graph: OpGraph) -> int:
    """Bytes of the structures, allocated one after the other from the arena's end downwards."""
    ops = graph.ops
    constants = sum(CONSTANTS.get(op.kind, 0) - (op.kind == "dense" and not op.stores_bias) for op in ops)
    end = FIXED_BYTES + TENSOR_BYTES * (1 + len(ops) + constants) + NODE_BYTES * len(ops)
    for op in ops:
        if op.kind in OPTIONS:
            size, alignment = OPTIONS[op.kind]
            end = -(-(end + size) // alignment) * alignment
    means = 0
    for op in ops:
        data = KERNEL_BYTES.get(op.activation if op.kind == "activation" else op.kind)
        if data:
            end = _aligned(end + data)
        end += _multiplier_bytes(op)
        means += op.kind == "global_avg_pool"
    if means:
        end = -(-(end + means * MEAN_HANDLES * SCRATCH_HANDLE_BYTES) // 8) * 8
    for count in (1, len(outputs(graph))):
        end = _aligned(end + POINTER_BYTES * count) + END_TENSOR_BYTES * count
    return end


def _multiplier_bytes(op: Op) -> int:
    """Multiplier and shift of each output channel, two persistent buffers.

    A dense layer of one unit, or of weights with one scale for all units, has none.
    """
    channels = op.out_shape[-1]
    if op.kind in ("conv2d", "depthwise_conv2d") or (
        op.kind == "dense" and channels > 1 and not op.per_tensor
    ):
        return 2 * _aligned(4 * channels)
    return 0


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT_BYTES) * ALIGNMENT_BYTES
