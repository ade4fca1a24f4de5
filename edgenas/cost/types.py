"""Cost: what a network needs on a device, with where each figure comes from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any

from edgenas.arch.graph import OpGraph

SOURCES = ("measured", "table", "predictor", "vela", "static")


@dataclass(frozen=True, slots=True)
class OpCost:
    """The share of one operation.

    Attributes:
        name: The operation's name in its graph.
        kind: The operation's kind.
        macs: Multiply-accumulate operations.
        weight_bytes: Bytes of its weights and biases in the int8 file.
        latency_ms: Milliseconds, or None where the source has no latency.
    """

    name: str
    kind: str
    macs: int
    weight_bytes: int
    latency_ms: float | None = None

    def to_json(self) -> dict[str, Any]:
        """A plain document."""
        return {
            "name": self.name,
            "kind": self.kind,
            "macs": self.macs,
            "weight_bytes": self.weight_bytes,
            "latency_ms": self.latency_ms,
        }


@dataclass(frozen=True, slots=True)
class Cost:
    """What a network needs on a device, deployed in int8 with batch 1.

    Attributes:
        device: Device id, for example ``host``.
        runtime: Runtime id, for example ``litert`` or ``tflite-micro``.
        precision: ``int8`` or ``float32``.
        source: One of `SOURCES`; where the latency comes from (``static`` has none).
        latency_ms: Milliseconds for one input, or None where nothing is known.
        latency_low_ms: Lower end of the interval that holds the true latency nine times in ten.
        latency_high_ms: Upper end of that interval.
        peak_ram_bytes: The whole TFLite-Micro arena on a 64-bit host (activations and structures).
        flash_bytes: Size of the ``.tflite`` file.
        macs: Multiply-accumulate operations.
        params: Parameters as Keras counts them.
        threads: Threads that the runtime uses.
        arena_head_bytes: The part of ``peak_ram_bytes`` that holds activations and scratch; a
            32-bit core needs this too, while the rest (structures with pointers) shrinks there.
        per_op: The share of each operation, in running order.
        energy_mj: Millijoules for one input, or None where nothing is known.
    """

    device: str
    runtime: str
    precision: str
    source: str
    latency_ms: float | None
    latency_low_ms: float | None
    latency_high_ms: float | None
    peak_ram_bytes: int
    flash_bytes: int
    macs: int
    params: int
    threads: int = 1
    arena_head_bytes: int = 0
    per_op: tuple[OpCost, ...] = field(default=())
    energy_mj: float | None = None

    def __post_init__(self) -> None:
        if self.source not in SOURCES:
            raise ValueError(f"cost source {self.source!r} was given; expected one of {', '.join(SOURCES)}")

    def to_json(self) -> dict[str, Any]:
        """The cost document; its first fields never change names."""
        return {
            "device": self.device,
            "runtime": self.runtime,
            "precision": self.precision,
            "source": self.source,
            "latency_ms": self.latency_ms,
            "latency_low_ms": self.latency_low_ms,
            "latency_high_ms": self.latency_high_ms,
            "peak_ram_bytes": self.peak_ram_bytes,
            "flash_bytes": self.flash_bytes,
            "macs": self.macs,
            "params": self.params,
            "per_op": [op.to_json() for op in self.per_op],
            "threads": self.threads,
            "arena_head_bytes": self.arena_head_bytes,
            "energy_mj": self.energy_mj,
        }

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Cost:
        """The cost that `to_json` wrote."""
        return cls(**{**document, "per_op": tuple(OpCost(**op) for op in document["per_op"])})


class CostSource(ABC):
    """Predicts what a network needs on one device with one runtime."""

    device: str
    runtime: str

    @abstractmethod
    def estimate(self, graph: OpGraph, *, per_op: bool = False) -> Cost:
        """The cost of a network deployed in int8.

        Args:
            graph: The network.
            per_op: Whether to fill `Cost.per_op`, which takes longer.

        Raises:
            UnsupportedError: The graph holds an operation without a known cost.
            TableMissError: A latency table lacks an operation of the graph.
        """
