"""What the C sources say of a quantized file: its ends, its operators, the memory it needs."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from edgenas.build.read_tflite import graph_from_tflite
from edgenas.build.tflite_tables import TfliteFile
from edgenas.cost.arena import plan_arena
from edgenas.deploy.operators import resolver_methods
from edgenas.errors import UnsupportedError
from edgenas.export.micro import measured_arena
from edgenas.export.running import Port, Program

ALIGNMENT_BYTES = 16
SPARE_BYTES = 1024
"""Part of the margin for structures that other versions of TFLite-Micro add."""

COLUMN_BYTES = {"CONV_2D": 4, "TRANSPOSE_CONV": 4, "DEPTHWISE_CONV_2D": 2}
"""Scratch for each weight of a filter that CMSIS-NN's int8 kernels for cores with DSP instructions ask for:
two columns of 16-bit values (``arm_convolve_s8_get_buffer_size``), and one for a depthwise layer
(``arm_depthwise_conv_s8_opt_get_buffer_size``)."""

STATEFUL = frozenset({"UNIDIRECTIONAL_SEQUENCE_LSTM", "SVDF", "ASSIGN_VARIABLE"})
"""Operators that keep a state."""


@dataclass(frozen=True)
class Facts:
    """What is known of an int8 ``.tflite`` file.

    Attributes:
        model: The file.
        input: What it reads.
        output: What it writes.
        operators: Names of its builtin operators, each once.
        methods: What registers them in TFLite-Micro.
        arena_bytes: Memory that its arena should have.
        arena_needed_bytes: What its arena takes on a 64-bit host with the reference kernels.
        arena_source: Where ``arena_needed_bytes`` comes from, in words.
    """

    model: bytes
    input: Port
    output: Port
    operators: tuple[str, ...]
    methods: tuple[str, ...]
    arena_bytes: int
    arena_needed_bytes: int
    arena_source: str

    @classmethod
    def of(cls, model: bytes, program: Program) -> Facts:
        """Read them off a file.

        Args:
            model: The file.
            program: The same file in LiteRT.

        Raises:
            UnsupportedError: Its ends are not int8, or TFLite-Micro lacks one of its operators.
        """
        if (program.input.dtype, program.output.dtype) != ("int8", "int8"):
            raise UnsupportedError(
                f"the C sources need a network that reads and writes int8; this one reads "
                f"{program.input.dtype} and writes {program.output.dtype}"
            )
        operators = tuple(sorted({operator.kind for operator in TfliteFile(model).operators}))
        needed, source = _arena(model)
        return cls(
            model=model,
            input=program.input,
            output=program.output,
            operators=operators,
            methods=tuple(resolver_methods(operators)),
            arena_bytes=_aligned(needed + SPARE_BYTES + _scratch_bytes(model)),
            arena_needed_bytes=needed,
            arena_source=source,
        )

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of the input without the batch axis."""
        return self.input.shape[1:]

    @property
    def input_size(self) -> int:
        """Values of an input."""
        return prod(self.input_shape)

    @property
    def output_size(self) -> int:
        """Values of an output."""
        return prod(self.output.shape[1:])

    @property
    def keeps_state(self) -> bool:
        """Whether a layer keeps its state from one inference to the next unless it is reset."""
        return not STATEFUL.isdisjoint(self.operators)


def _arena(model: bytes) -> tuple[int, str]:
    """What the arena takes, as the interpreter says; as computed where it is not installed."""
    if (measured := measured_arena(model)) is not None:
        return measured[0], "TFLite-Micro's own interpreter reports it on a 64-bit host"
    planned = plan_arena(graph_from_tflite(model))
    return planned.total_bytes, "computed as TFLite-Micro's planner does, as tflite-micro is not installed"


def _scratch_bytes(model: bytes) -> int:
    """The largest scratch buffer that an optimized kernel asks for."""
    file = TfliteFile(model)
    sizes = [0]
    for operator in file.operators:
        if operator.kind in COLUMN_BYTES:
            shape = file.tensors[operator.inputs[1]].shape
            weights = prod(shape) if operator.kind == "DEPTHWISE_CONV_2D" else prod(shape[1:])
            sizes.append(COLUMN_BYTES[operator.kind] * weights)
    return max(sizes)


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT_BYTES) * ALIGNMENT_BYTES
