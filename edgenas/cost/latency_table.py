"""LatencyTable: measured latencies of single operations, and a network's latency as their sum.

The idea of adding up measured operations is ProxylessNAS's (Cai et al. 2019). How a sweep measures
an operation so that the sum comes out right is described in `edgenas.profile.sweep`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from edgenas.cost.opkey import parse_head
from edgenas.errors import ConfigError
from edgenas.resources import shipped

SCHEMA_VERSION = 1
FEWEST_NETWORKS = 10
"""Whole networks needed before a table's sums are calibrated and get an interval."""

_FIELDS = (
    "device", "runtime", "precision", "threads", "statistic", "machine", "date", "invoke_us",
    "networks_us", "ops_us",
)  # fmt: skip


@dataclass(frozen=True)
class Calibration:
    """How sums of operations relate to whole networks measured in the same sweep.

    Attributes:
        factor: Median of (network - invoke overhead) / sum over the networks.
        low: 5 % quantile of measured / predicted.
        high: 95 % quantile of measured / predicted.
        networks: How many networks it rests on; with fewer than `FEWEST_NETWORKS` the factor is 1
            and there is no interval.
    """

    factor: float
    low: float | None
    high: float | None
    networks: int


@dataclass(frozen=True)
class LatencyTable:
    """Measured latencies of one device with one runtime.

    Attributes:
        device: Device id.
        runtime: Runtime id.
        precision: ``int8``.
        threads: Threads of the runtime.
        statistic: What the latencies are of the repeats.
        machine: The machine that measured, as `Runner.machine` describes it.
        date: Day of the last measurement, ISO 8601.
        invoke_us: Microseconds of one inference that no operation accounts for.
        networks_us: (sum of its operations, measured) of whole networks, microseconds.
        ops_us: Microseconds of each operation by `edgenas.cost.opkey.op_key`.
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

    def __post_init__(self) -> None:
        bad = [key for key, value in self.ops_us.items() if not value > 0]
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
        # Weibull's positions k / (n + 1) hold the stated share for networks not seen, whatever their law.
        ratios = measured / (self.invoke_us + factor * sums)
        low, high = np.quantile(ratios, [0.05, 0.95], method="weibull")
        # The interval always holds the prediction itself, whatever few networks say.
        return Calibration(factor, min(1.0, float(low)), max(1.0, float(high)), len(self.networks_us))

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
            "schema": SCHEMA_VERSION,
            **{name: getattr(self, name) for name in _FIELDS[:7]},
            "machine": dict(self.machine),
            "invoke_us": _rounded(self.invoke_us),
            "networks_us": [[_rounded(value) for value in pair] for pair in self.networks_us],
            "ops_us": {key: _rounded(self.ops_us[key]) for key in sorted(self.ops_us)},
        }

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
        return cls(**{**values, "networks_us": tuple((a, b) for a, b in values["networks_us"])})

    def save(self, path: Path) -> None:
        """Write the table, one operation a line; a reader sees the old file or the new one, never half.

        Raises:
            ConfigError: The place cannot be written to.
        """
        temporary = path.with_suffix(f".{os.getpid()}.tmp")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_text(_text(self.to_json()), encoding="utf-8")
            temporary.replace(path)
        except OSError as error:
            raise ConfigError(
                f"latency table {path} cannot be written ({error.strerror}); give --out"
            ) from None

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
        except ValueError as error:
            raise ConfigError(f"latency table {path} is not JSON ({error}); sweep anew") from None
        if not isinstance(document, dict):
            raise ConfigError(f"latency table {path} is not a JSON object; sweep anew")
        return cls.from_json(document)


def table_path(device: str, runtime: str) -> Path:
    """Where the table that estimates read lies."""
    return shipped("latency_tables") / device / f"{runtime}.json"


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")


def _text(document: dict[str, Any]) -> str:
    """JSON with one field, and one operation, a line: small, and readable as a difference."""
    ops = document.pop("ops_us")
    lines = [f" {json.dumps(name)}: {json.dumps(value)}" for name, value in document.items()]
    entries = ",\n".join(f"  {json.dumps(key)}: {value}" for key, value in ops.items())
    lines.append(f' "ops_us": {{\n{entries}\n }}' if entries else ' "ops_us": {}')
    return "{\n" + ",\n".join(lines) + "\n}\n"
