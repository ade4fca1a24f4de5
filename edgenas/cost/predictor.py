"""Predictor: latency from the kernels of a device, fitted on whole networks, with an interval.

`edgenas.cost.fitting` says how the cycles of the kernels are learned. A predictor file stands where a latency
table would, ``latency_tables/<device>/<runtime>.json``, or for all boards of a core under the core's id.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from edgenas.arch.graph import OpGraph
from edgenas.cost.fitting import KernelCycles
from edgenas.cost.kernel_features import Floats
from edgenas.cost.kernel_sets import MICROCONTROLLER, KernelSet, kernel_set
from edgenas.cost.types import Cost, CostSource
from edgenas.documents import check_fields, reading
from edgenas.errors import ConfigError
from edgenas.whole import write_whole

SCHEMA_VERSION = 1
KIND = "predictor"
EXTRAPOLATION = 0.1
"""Added to the standard deviation of the log latency for each factor e beyond the fitted range of MACs."""

LARGEST_LOG = 50
"""Largest logarithm of cycles, or deviation of one, that a file may hold; fitted ones are -5 to 15."""

PUBLIC, MINE = "public measurements", "the user's measurements"
"""What a predictor may rest on."""

_FACTS = ("device", "core", "runtime", "release", "precision", "basis", "how", "provenance")


@dataclass(frozen=True)
class Energy:
    """What energy is predicted from: energy is power times latency.

    Attributes:
        power_mw: Mean power while networks run.
        mean_error: Mean relative error of the energy of a network that was left out, its latency known.
        measurements: How many it rests on.
    """

    power_mw: float
    mean_error: float
    measurements: int


@dataclass(frozen=True)
class Predictor:
    """Latency of any network on one device, or on any board of one core, with one runtime.

    Attributes:
        device: Device id, or the core's id for a predictor of all its boards.
        core: Id of the core.
        runtime: Runtime id.
        release: Version of the runtime.
        precision: ``int8`` or ``float32``.
        basis: `PUBLIC` or `MINE`.
        how: How it was fitted, in words.
        provenance: The collections of measurements behind it, one line each.
        clock_mhz: Clock of the core, or None for all boards of a core.
        kernels: Cycles of each kernel and how surely they are known.
        noise: Standard deviation, in logarithms, of what the features miss of a network.
        interval: Standard deviations that hold nine of ten networks that were left out.
        drops_constants: Whether the runtime leaves out channels that can only be constant
            (`edgenas.build.living`); the latency of a file is then that of what is left.
        macs: Smallest and largest network it was fitted on.
        validation: Errors of networks that were left out, in words and numbers.
        energy: What energy is predicted from, where the device has data.
        measurements: Each measurement of this device, core or runtime, with its source.
        kernel_set: What is counted of a network (`edgenas.cost.kernel_sets`).
        threads: Threads that the runtime used.
    """

    device: str
    core: str
    runtime: str
    release: str
    precision: str
    basis: str
    how: str
    provenance: tuple[str, ...]
    clock_mhz: float | None
    kernels: KernelCycles
    noise: float
    interval: float
    drops_constants: bool
    macs: tuple[int, int]
    validation: Mapping[str, Any]
    energy: Energy | None
    measurements: tuple[Mapping[str, Any], ...]
    kernel_set: str = MICROCONTROLLER
    threads: int = 1

    @property
    def counted(self) -> KernelSet:
        """What its features count."""
        return kernel_set(self.kernel_set, self.precision)

    def latency_ms(self, counts: Floats, macs: Floats) -> tuple[Floats, Floats]:
        """Milliseconds of networks, and the standard deviation of their logarithm.

        Args:
            counts: Features of one network, or of many, one a row.
            macs: MACs of each.

        Raises:
            ConfigError: The predictor is of all boards of a core, and no clock was filled in.
        """
        if self.clock_mhz is None:
            raise ConfigError(
                f"the predictor of {self.core}/{self.runtime} needs a clock; add clock_mhz to the device file"
            )
        log_cycles, spread = self.kernels.predict(counts)
        low, high = np.log(self.macs)
        size = np.log(np.maximum(macs, 1))
        beyond = np.maximum(0.0, np.maximum(size - high, low - size))
        total = np.sqrt(spread**2 + self.noise**2) + EXTRAPOLATION * beyond
        return np.exp(log_cycles) / (self.clock_mhz * 1e3), total

    def for_device(self, device: str, clock_mhz: float | None) -> Predictor:
        """The same for one board of the core."""
        return replace(self, device=device, clock_mhz=self.clock_mhz or clock_mhz)

    def to_json(self) -> dict[str, Any]:
        """A plain document; numbers with six digits."""
        return {
            "schema": SCHEMA_VERSION,
            "kind": KIND,
            **{name: getattr(self, name) for name in _FACTS[:-1]},
            "provenance": list(self.provenance),
            "clock_mhz": self.clock_mhz,
            "threads": self.threads,
            "kernel_set": self.kernel_set,
            "noise": _rounded(self.noise),
            "interval": _rounded(self.interval),
            "drops_constants": self.drops_constants,
            "macs": list(self.macs),
            "validation": dict(self.validation),
            "energy": None if self.energy is None else {
                "power_mw": _rounded(self.energy.power_mw), "mean_error": _rounded(self.energy.mean_error),
                "measurements": self.energy.measurements,
            },
            "features": list(self.counted.names),
            "log_cycles": [_rounded(value) for value in self.kernels.log_cycles],
            "covariance": [[_rounded(value) for value in row] for row in self.kernels.covariance],
            "measurements": [dict(row) for row in self.measurements],
        }  # fmt: skip

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Predictor:
        """The predictor that `to_json` wrote.

        Raises:
            ConfigError: A field is missing or of the wrong form, or another version wrote it.
        """
        version = document.get("schema")
        if not isinstance(version, int) or not 1 <= version <= SCHEMA_VERSION:
            raise ConfigError(
                f"predictor of schema {version!r} was given; this version of edgenas reads 1 to "
                f"{SCHEMA_VERSION}: update edgenas or calibrate anew"
            )
        with reading("predictor", "calibrate anew"):
            predictor = cls(
                **{name: document[name] for name in _FACTS[:-1]},
                provenance=tuple(document["provenance"]),
                clock_mhz=document["clock_mhz"],
                kernels=_kernels(document),
                noise=document["noise"],
                interval=document["interval"],
                drops_constants=document["drops_constants"],
                macs=tuple(document["macs"]),
                validation=document["validation"],
                energy=None if document["energy"] is None else Energy(**document["energy"]),
                measurements=tuple(document["measurements"]),
                kernel_set=document.get("kernel_set", MICROCONTROLLER),
                threads=document.get("threads", 1),
            )
            check_fields(predictor, "predictor", "calibrate anew")
        return predictor

    def save(self, path: Path) -> None:
        """Write the predictor; a reader sees the old file or the new one, never half.

        Raises:
            ConfigError: The place cannot be written to.
        """
        write_whole(path, _text(self.to_json()), "predictor")


class PredictorSource(CostSource):
    """Latency and energy from a predictor; memory and size from another source.

    `OpCost.latency_ms` is the operation's share without what every inference costs.

    Args:
        predictor: The fitted kernels, with a clock.
        static: Source of RAM, flash, MACs and parameters, usually `edgenas.cost.static.StaticSource`.

    Raises:
        ConfigError: The two are of different devices or runtimes.
    """

    def __init__(self, predictor: Predictor, static: CostSource) -> None:
        if (predictor.device, predictor.runtime) != (static.device, static.runtime):
            raise ConfigError(
                f"a predictor of {predictor.device}/{predictor.runtime} was given with static figures of "
                f"{static.device}/{static.runtime}; expected the same device and runtime"
            )
        self.predictor = predictor
        self.static = static
        self.device = predictor.device
        self.runtime = predictor.runtime
        self.counted = predictor.counted

    def estimate(self, graph: OpGraph, *, per_op: bool = False) -> Cost:
        """The cost of a network deployed in the predictor's precision.

        Raises:
            UnsupportedError: The graph holds an operation without a known cost.
        """
        return self.timed(self.static.estimate(graph, per_op=per_op), graph)

    def timed(self, cost: Cost, graph: OpGraph) -> Cost:
        """A cost with the latency and energy of a graph, which may be what a runtime leaves of it.

        Args:
            cost: Of the whole network; its `Cost.per_op` is filled in where there is one.
            graph: The network as it runs, with the same operations.
        """
        macs = np.array([graph.macs])
        found, spreads = self.predictor.latency_ms(self.counted.of_network(graph), macs)
        latency_ms, width = float(found[0]), self.predictor.interval * float(spreads[0])
        energy = self.predictor.energy
        return replace(
            cost,
            precision=self.predictor.precision,
            source="predictor",
            threads=self.predictor.threads,
            latency_ms=latency_ms,
            latency_low_ms=latency_ms * float(np.exp(-width)),
            latency_high_ms=latency_ms * float(np.exp(width)),
            energy_mj=None if energy is None else energy.power_mw * latency_ms / 1e3,
            per_op=tuple(
                replace(entry, latency_ms=latency)
                for entry, latency in zip(cost.per_op, self.op_latencies_ms(graph), strict=True)
            ) if cost.per_op else (),
        )  # fmt: skip

    def op_latencies_ms(self, graph: OpGraph) -> list[float]:
        """Milliseconds of each operation."""
        cycles = np.exp(self.predictor.kernels.log_cycles)
        clock = (self.predictor.clock_mhz or 0.0) * 1e3
        return [
            float(sum(count * cycles[place] for place, count in self.counted.of_op(op)) / clock)
            for op in graph.ops
        ]


def _kernels(document: Mapping[str, Any]) -> KernelCycles:
    names = kernel_set(document.get("kernel_set", MICROCONTROLLER), document["precision"]).names
    if list(document["features"]) != list(names):
        raise ConfigError("the predictor was fitted on other features than this version of edgenas counts")
    log_cycles = np.array(document["log_cycles"], dtype=float)
    covariance = np.array(document["covariance"], dtype=float)
    size = len(names)
    if log_cycles.shape != (size,) or covariance.shape != (size, size):
        raise ConfigError(f"the predictor has {log_cycles.shape} log_cycles; expected {size} and a square")
    if not (np.isfinite(log_cycles).all() and np.isfinite(covariance).all()):
        raise ConfigError("the predictor holds numbers that are not finite; calibrate anew")
    logs = {"log_cycles": log_cycles, "covariance": np.sqrt(np.abs(covariance)), "noise": document["noise"]}
    for name, values in logs.items():
        if (largest := float(np.abs(values).max())) > LARGEST_LOG:
            raise ConfigError(
                f"the predictor's {name} reaches {largest:.3g} (of a logarithm of cycles); expected "
                f"{LARGEST_LOG} at most: calibrate anew"
            )
    return KernelCycles(log_cycles, (covariance + covariance.T) / 2)


def _rounded(value: float) -> float:
    return float(f"{value:.6g}")


def _text(document: dict[str, Any]) -> str:
    """JSON with one field, one row of the covariance and one measurement a line."""
    lines = []
    for name, value in document.items():
        if name in ("covariance", "measurements") and value:
            rows = ",\n".join(f"  {json.dumps(row)}" for row in value)
            lines.append(f" {json.dumps(name)}: [\n{rows}\n ]")
        else:
            lines.append(f" {json.dumps(name)}: {json.dumps(value)}")
    return "{\n" + ",\n".join(lines) + "\n}\n"
