"""LatencyTable: measured latencies of single operations, and a network's latency as their sum.

The idea of adding up measured operations is ProxylessNAS's (Cai et al. 2019). How a sweep measures
an operation so that the sum comes out right is described in `edgenas.profile.sweep`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from edgenas.arch.graph import OpGraph
from edgenas.cost.opkey import parse_head
from edgenas.documents import check_fields, reading
from edgenas.errors import ConfigError
from edgenas.resources import shipped
from edgenas.whole import write_whole

SCHEMA_VERSION = 2
FEWEST_NETWORKS = 10
"""Whole networks needed before a table's sums are calibrated and get an interval."""

PARTS = ("pointwise", "conv", "depthwise", "add", "other")
"""Kinds of kernels that the calibration weighs apart."""

_PRIOR_SPREAD = np.array([1, 2, 1, 2, 1, 2, 10, 2, 10, 2, 0.1])
"""Of the factors of sums, microseconds an operation, and microseconds an input element; additions and small
operations are where runtimes change layouts, which an operation on its own does not show."""

_NOISE = 0.03  # of a network's measured latency

_FIELDS = (
    "device", "runtime", "precision", "threads", "statistic", "machine", "date", "invoke_us",
    "networks_us", "ops_us",
)  # fmt: skip


@dataclass(frozen=True)
class Calibration:
    """How sums of operations relate to whole networks measured in the same sweep.

    Attributes:
        factor: Median of (network - invoke overhead) / sum over the networks.
        weights: What multiplies a network's parts (`LatencyTable.parts_us`), or None where the table does
            not hold the parts of its networks: then ``factor`` multiplies their sum.
        low: 5 % quantile of measured / predicted.
        high: 95 % quantile of measured / predicted.
        networks: How many networks it rests on; with fewer than `FEWEST_NETWORKS` the factor is 1
            and there is no interval.
    """

    factor: float
    low: float | None
    high: float | None
    networks: int
    weights: tuple[float, ...] | None = None


@dataclass(frozen=True)
class LatencyTable:
    """Measured latencies of one device with one runtime.

    Attributes:
        device: Device id.
        runtime: Runtime id.
        precision: ``int8`` or ``float32``.
        threads: Threads of the runtime.
        statistic: What the latencies are of the repeats.
        machine: The machine that measured, as `Runner.machine` describes it.
        date: Day of the last measurement, ISO 8601.
        invoke_us: Microseconds of one inference that no operation accounts for.
        networks_us: (sum of its operations, measured) of whole networks, microseconds.
        ops_us: Microseconds of each operation by `edgenas.cost.opkey.op_key`.
        parts_us: For each network of ``networks_us``, for each of `PARTS` the sum of its operations and
            their number, and at the end the elements of the input; empty in tables of schema 1.
        predicted: Operations whose latency was not measured but predicted from others of their kind.
        held_out: Measured operations that checked those predictions.
        held_out_error: 95 % quantile of the error on them.
    """

    device: str
    runtime: str
    precision: str
    threads: int
    statistic: str
    machine: Mapping[str, Any]
    date: str
    invoke_us: float
    networks_us: tuple[tuple[float, float], ...]
    ops_us: Mapping[str, float]
    parts_us: tuple[tuple[float, ...], ...] = ()
    predicted: frozenset[str] = frozenset()
    held_out: int = 0
    held_out_error: float | None = None

    def __post_init__(self) -> None:
        bad = [key for key, value in self.ops_us.items() if not value > 0]
        if self.parts_us and (
            len(self.parts_us) != len(self.networks_us) or {*map(len, self.parts_us)} != {2 * len(PARTS) + 1}
        ):
            raise ConfigError(f"latency table of '{self.device}' has parts that fit no networks; sweep anew")
        if bad or not self.invoke_us >= 0 or any(min(pair) <= 0 for pair in self.networks_us):
            where = f"operation {bad[0]}" if bad else "invoke_us or networks_us"
            raise ConfigError(
                f"latency table of '{self.device}' has a latency of 0 or less ({where}); sweep anew"
            )

    @cached_property
    def calibration(self) -> Calibration:
        """The fit of the sums to the whole networks."""
        if len(self.networks_us) < FEWEST_NETWORKS:
            return Calibration(1.0, None, None, len(self.networks_us))
        sums, measured = np.array(self.networks_us).T
        factor = float(np.median((measured - self.invoke_us) / sums))
        weights = None
        ratios = measured / (self.invoke_us + factor * sums)
        if self.parts_us:
            weights, ratios = weighed(np.array(self.parts_us), measured, self.invoke_us, factor)
        # Weibull's positions k / (n + 1) hold the stated share for networks not seen, whatever their law.
        low, high = np.quantile(ratios, [0.05, 0.95], method="weibull")
        # The interval always holds the prediction itself, whatever few networks say.
        count = len(self.networks_us)
        return Calibration(factor, min(1.0, float(low)), max(1.0, float(high)), count, weights)

    @cached_property
    def heads(self) -> dict[tuple[str, int, str], list[tuple[int, float]]]:
        """(classes, microseconds) of fully connected and softmax heads, by what else they depend on."""
        found: dict[tuple[str, int, str], list[tuple[int, float]]] = {}
        for key, latency_us in self.ops_us.items():
            if head := parse_head(key):
                found.setdefault(head[0], []).append((head[1], latency_us))
        return {head: sorted(points) for head, points in found.items()}

    def to_json(self) -> dict[str, Any]:
        """A plain document; operations sorted by name, latencies with four digits."""
        return {
            "schema": 2 if self._newer_fields() else 1,
            **{name: getattr(self, name) for name in _FIELDS[:7]},
            "machine": dict(self.machine),
            "invoke_us": _rounded(self.invoke_us),
            "networks_us": [[_rounded(value) for value in pair] for pair in self.networks_us],
            **self._newer_fields(),
            "ops_us": {key: _rounded(self.ops_us[key]) for key in sorted(self.ops_us)},
        }

    def _newer_fields(self) -> dict[str, Any]:
        """Fields of schema 2, where there are any."""
        found: dict[str, Any] = {}
        if self.parts_us:
            found["parts_us"] = [[_rounded(value) for value in row] for row in self.parts_us]
        if self.predicted:
            found["predicted"] = sorted(self.predicted)
            found["held_out"] = self.held_out
            found["held_out_error"] = self.held_out_error
        return found

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> LatencyTable:
        """The table that `to_json` wrote.

        Raises:
            ConfigError: A field is missing, a latency is not above 0, or a newer version wrote it.
        """
        version = document.get("schema")
        if not isinstance(version, int) or not 1 <= version <= SCHEMA_VERSION:
            raise ConfigError(
                f"latency table of schema {version!r} was given; this version of edgenas reads 1 to "
                f"{SCHEMA_VERSION}: update edgenas or sweep anew"
            )
        missing = [name for name in _FIELDS if name not in document]
        if missing:
            raise ConfigError(f"latency table lacks the field '{missing[0]}'; sweep anew")
        values = {name: document[name] for name in _FIELDS}
        with reading("latency table", "sweep anew"):
            table = cls(
                **{**values, "networks_us": tuple((a, b) for a, b in values["networks_us"])},
                parts_us=tuple(tuple(row) for row in document.get("parts_us", ())),
                predicted=frozenset(document.get("predicted", ())),
                held_out=document.get("held_out", 0),
                held_out_error=document.get("held_out_error"),
            )
            check_fields(table, "latency table", "sweep anew")
        return table

    def save(self, path: Path) -> None:
        """Write the table, one operation a line; a reader sees the old file or the new one, never half.

        Raises:
            ConfigError: The place cannot be written to.
        """
        write_whole(path, _text(self.to_json()), "latency table")

    @classmethod
    def load(cls, path: Path) -> LatencyTable:
        """Read a table.

        Raises:
            ConfigError: The file is missing, not JSON, or not a table.
        """
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
        except OSError:
            raise ConfigError(f"there is no latency table {path}; measure one with: edgenas sweep") from None
        except (ValueError, RecursionError) as error:
            raise ConfigError(f"latency table {path} is not JSON ({error}); sweep anew") from None
        if not isinstance(document, dict):
            raise ConfigError(f"latency table {path} is not a JSON object; sweep anew")
        return cls.from_json(document)


def part_of(kind: str, kernel: tuple[int, int]) -> str:
    """Which of `PARTS` an operation belongs to."""
    if kind == "conv2d":
        return "pointwise" if kernel == (1, 1) else "conv"
    return {"depthwise_conv2d": "depthwise", "add": "add"}.get(kind, "other")


def parts_us(graph: OpGraph, latencies_us: Sequence[float]) -> tuple[float, ...]:
    """A network's row of `LatencyTable.parts_us`, from its operations' latencies."""
    found = dict.fromkeys(PARTS, 0.0)
    counts = dict.fromkeys(PARTS, 0.0)
    for op, latency_us in zip(graph.ops, latencies_us, strict=True):
        part = part_of(op.kind, op.kernel)
        found[part] += latency_us
        counts[part] += 1
    return (
        *(figure for part in PARTS for figure in (found[part], counts[part])),
        float(prod(graph.input_shape)),
    )


def weighed(
    parts: np.ndarray, measured: np.ndarray, invoke_us: float, factor: float
) -> tuple[tuple[float, ...], np.ndarray]:
    """Weights of the parts of networks: Bayesian linear regression of relative errors.

    The prior says that every kind's sum counts ``factor`` times and nothing else matters; an operation
    within a network may differ from one on its own by a share and by a constant, and a network's input
    may have to be brought into another layout.

    Args:
        parts: (networks, parts) as in `LatencyTable.parts_us`.
        measured: Microseconds of each network.
        invoke_us: Overhead of an inference.
        factor: Middle of the prior for the sums.

    Returns:
        The weights, and for each network measured over predicted by weights fitted without it.
    """
    prior = np.array([factor, 0.0] * len(PARTS) + [0.0])
    rows = parts * _PRIOR_SPREAD / measured[:, None] / _NOISE
    target = (measured - invoke_us - parts @ prior) / measured / _NOISE
    inverse = np.linalg.inv(rows.T @ rows + np.eye(len(prior)))
    fitted = inverse @ rows.T @ target
    leverage = np.einsum("ij,jk,ik->i", rows, inverse, rows)
    left_out = (target - rows @ fitted) / (1 - leverage) * _NOISE  # (measured - predicted) / measured
    weights = tuple(float(value) for value in prior + fitted * _PRIOR_SPREAD)
    return weights, 1 / np.maximum(1 - left_out, 0.1)


def table_path(device: str, runtime: str, precision: str = "int8") -> Path:
    """Where the table that estimates read lies."""
    return shipped("latency_tables") / device / table_name(runtime, precision)


def table_name(runtime: str, precision: str) -> str:
    """The file of a table: ``litert.json`` for int8, ``litert-float32.json`` for the other precision."""
    return f"{runtime}.json" if precision == "int8" else f"{runtime}-{precision}.json"


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")


def _text(document: dict[str, Any]) -> str:
    """JSON with one field, and one operation, a line: small, and readable as a difference."""
    ops = document.pop("ops_us")
    lines = [f" {json.dumps(name)}: {json.dumps(value)}" for name, value in document.items()]
    entries = ",\n".join(f"  {json.dumps(key)}: {value}" for key, value in ops.items())
    lines.append(f' "ops_us": {{\n{entries}\n }}' if entries else ' "ops_us": {}')
    return "{\n" + ",\n".join(lines) + "\n}\n"
