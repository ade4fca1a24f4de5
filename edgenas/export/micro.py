"""The int8 file on TFLite Micro, where that is installed: does a microcontroller compute the same?

TFLite Micro computes bit for bit what LiteRT's reference kernels do. LiteRT's fast kernels, which a
computer runs and which the other figures of a manifest come from, round differently in places: some
outputs differ by a few steps, and now and then a class.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from edgenas.captured import captured
from edgenas.export.running import Program

MOST_IMAGES = 100
"""TFLite Micro's reference kernels are slow: some 10 ms for a network of 8 million MACs."""

_SPARE_BYTES = 16 * 2**20
_ALLOCATION = re.compile(r"Arena allocation (total|head|tail) (\d+) bytes")


@dataclass(frozen=True, slots=True)
class MicroRun:
    """How TFLite Micro ran an int8 file on this machine.

    Attributes:
        images: How many were run.
        agreement: Share of images with the same class as LiteRT; None where there are no classes.
        largest_step: Largest difference of an output from LiteRT's, in steps of the int8 scale.
        arena_bytes: The arena it needs on this 64-bit machine.
        arena_head_bytes: The part with activations and scratch, needed on a 32-bit core too.
        arena_tail_bytes: The part with structures, smaller on a 32-bit core.
    """

    images: int
    agreement: float | None
    largest_step: int
    arena_bytes: int
    arena_head_bytes: int
    arena_tail_bytes: int

    def to_json(self) -> dict[str, Any]:
        """A plain document."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> MicroRun:
        """What `to_json` wrote."""
        return cls(**document)


def _arena_size(model: bytes) -> int:
    """More than any arena needs; a multiple of its alignment, which else counts as used."""
    return (10 * len(model) + _SPARE_BYTES) // 16 * 16


def measured_arena(model: bytes) -> tuple[int, int] | None:
    """Total and head of the arena of a ``.tflite`` file in bytes, as TFLite Micro's interpreter prints them.

    Returns:
        None if the interpreter is not installed, or cannot run the file.
    """
    try:
        from tflite_micro import runtime
    except ImportError:
        return None
    with captured() as output:
        try:
            runtime.Interpreter.from_bytes(model, arena_size=_arena_size(model)).print_allocations()
        except (RuntimeError, ValueError):
            return None
    sizes = {part: int(size) for part, size in _ALLOCATION.findall(output.text)}
    return sizes["total"], sizes["head"]


def run_micro(model: bytes, litert: Program, images: np.ndarray, *, classes: bool = True) -> MicroRun | str:
    """Run an int8 ``.tflite`` file on TFLite Micro and compare it with LiteRT.

    Args:
        model: The file.
        litert: The same file in LiteRT.
        images: float32 (n, height, width, channels); the first `MOST_IMAGES` are run.
        classes: Whether the highest output names a class.

    Returns:
        How it went, or in words why it could not be run.
    """
    try:
        from tflite_micro import runtime
    except ImportError:
        return "tflite-micro is not installed"
    values = litert.input.quantize(images[:MOST_IMAGES])
    rows = []
    with captured() as output:
        try:
            interpreter = runtime.Interpreter.from_bytes(model, arena_size=_arena_size(model))
            for position in range(len(values)):
                interpreter.reset()  # the state of a recurrent layer, which else is kept between calls
                interpreter.set_input(values[position : position + 1], 0)
                interpreter.invoke()
                rows.append(np.array(interpreter.get_output(0)))
            interpreter.print_allocations()
        except (RuntimeError, ValueError) as error:
            failure: Exception | None = error
        else:
            failure = None
    if failure is not None:
        return f"tflite-micro cannot run the file: {(output.text or str(failure)).strip().splitlines()[0]}"
    ours, theirs = np.concatenate(rows), litert.run_raw(values)
    sizes = {part: int(size) for part, size in _ALLOCATION.findall(output.text)}
    return MicroRun(
        images=len(values),
        agreement=float(np.mean(ours.argmax(-1) == theirs.argmax(-1))) if classes else None,
        largest_step=int(np.abs(ours.astype(int) - theirs).max()),
        arena_bytes=sizes["total"],
        arena_head_bytes=sizes["head"],
        arena_tail_bytes=sizes["tail"],
    )
