"""What was tried with a bundle's files, and how it went: values that stand in the manifest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Compiled:
    """The C sources on one processor.

    Attributes:
        target: ``host`` or a core, for example ``cortex-m4``.
        compiler: Name and version, or None where there is none on this machine.
        passed: Whether all sources compile without a warning; None if it was not tried.
        note: Why it was not tried, or the first message of the compiler.
        flags: Options that it was called with.
        text_bytes: Code and constants of what a firmware takes (the test vectors are not counted).
        model_bytes: The part of ``text_bytes`` that is the network.
        data_bytes: Initialized variables.
        bss_bytes: Variables that begin as zero; TFLite-Micro's arena is not among them.
    """

    target: str
    compiler: str | None
    passed: bool | None
    note: str = ""
    flags: str = ""
    text_bytes: int | None = None
    model_bytes: int | None = None
    data_bytes: int | None = None
    bss_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Ran:
    """The test vectors on one machine, real or emulated.

    Attributes:
        place: ``host``, or the emulated board.
        passed: Whether all vectors passed; None if it was not tried.
        note: Why not, or what it printed last.
        output: All that it printed; the same on each machine.
    """

    place: str
    passed: bool | None
    note: str = ""
    output: str = ""


@dataclass(frozen=True, slots=True)
class BitExact:
    """LiteRT's reference kernels against TFLite-Micro's interpreter, on the int8 file.

    Attributes:
        inputs: How many were run; 0 where TFLite-Micro is not installed.
        differing: Outputs with another value.
        largest_step: Largest difference in steps of the output.
        note: What it means.
    """

    inputs: int
    differing: int
    largest_step: int
    note: str


@dataclass(frozen=True, slots=True)
class Timed:
    """A short measurement of one file on the machine that exported it, one thread.

    Attributes:
        file: Its name in the bundle.
        runtime: ``litert`` or ``onnxruntime``.
        latency_ms: Milliseconds for one inference.
        is_noisy: Whether the machine was busy, so that the figure is only a rough one.
        predicted_ms: What the search predicted for this file on this machine and runtime, or None.
        note: Why it is noisy.
    """

    file: str
    runtime: str
    latency_ms: float
    is_noisy: bool
    predicted_ms: float | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Proof:
    """All that was tried.

    Attributes:
        compiled: The C sources, one entry a processor.
        ran: The test vectors.
        bit_exact: The int8 file on two interpreters, or None.
        latency: A short measurement of each file.
        npu: What Vela reports of the int8 file where the device is an Ethos-U, or None.
        note: Why there are no C sources, or nothing.
    """

    compiled: tuple[Compiled, ...] = ()
    ran: tuple[Ran, ...] = ()
    bit_exact: BitExact | None = None
    latency: tuple[Timed, ...] = ()
    npu: Mapping[str, Any] | None = None
    note: str = ""

    def to_json(self) -> dict[str, Any]:
        """A plain document."""
        return {
            "compiled": [asdict(one) for one in self.compiled],
            "ran": [asdict(one) for one in self.ran],
            "bit_exact": None if self.bit_exact is None else asdict(self.bit_exact),
            "latency": [asdict(one) for one in self.latency],
            "npu": None if self.npu is None else dict(self.npu),
            "note": self.note,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Proof:
        """What `to_json` wrote."""
        exact = document["bit_exact"]
        return cls(
            compiled=tuple(Compiled(**entry) for entry in document["compiled"]),
            ran=tuple(Ran(**entry) for entry in document["ran"]),
            bit_exact=None if exact is None else BitExact(**exact),
            latency=tuple(Timed(**entry) for entry in document["latency"]),
            npu=document["npu"],
            note=document["note"],
        )

    @property
    def failures(self) -> list[str]:
        """What was tried and did not work, one line each."""
        compiled = [f"C sources for {one.target}: {one.note}" for one in self.compiled if one.passed is False]
        ran = [f"test vectors on {one.place}: {one.note}" for one in self.ran if one.passed is False]
        return compiled + ran
