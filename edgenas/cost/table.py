"""TableSource: a network's latency as the sum of its operations' measured latencies."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import replace

from edgenas.arch.graph import Op, OpGraph
from edgenas.arch.space import SearchSpace
from edgenas.cost.latency_table import Calibration, LatencyTable, parts_us, table_path
from edgenas.cost.opkey import head_key, nearest, op_key
from edgenas.cost.types import Cost, CostSource
from edgenas.errors import ConfigError, TableMissError

__all__ = ["LatencyTable", "TableSource", "table_path"]

SPACE_OF_AXES = {3: "micro", 2: "sequence", 1: "dense"}
"""The space whose sweep measures most of what a network has, by the axes of its input."""


class TableSource(CostSource):
    """Latency from a table; memory and size from another source.

    ``latency = invoke overhead + weights * sums of operations of each kind``, with the weights fitted
    on the whole networks that the table's sweep measured (`LatencyTable.calibration`; one factor for
    all kinds in tables of schema 1), and an interval that held nine of ten of them. Fully connected and
    softmax heads between two swept numbers of classes are interpolated linearly, and one output counts as
    the fewest that were swept, which is a little more than it takes; every other operation must be in the
    table. `OpCost.latency_ms` is the operation's share without the invoke overhead.

    Args:
        table: The measured operations.
        static: Source of RAM, flash, MACs and parameters, usually `edgenas.cost.static.StaticSource`.

    Raises:
        ConfigError: The two are of different devices or runtimes.
    """

    def __init__(self, table: LatencyTable, static: CostSource) -> None:
        if (table.device, table.runtime) != (static.device, static.runtime):
            raise ConfigError(
                f"a latency table of {table.device}/{table.runtime} was given with static figures of "
                f"{static.device}/{static.runtime}; expected the same device and runtime"
            )
        self.table = table
        self.static = static
        self.device = table.device
        self.runtime = table.runtime
        self._known_us = dict(table.ops_us)

    def estimate(self, graph: OpGraph, *, per_op: bool = False) -> Cost:
        """The cost of a network deployed in int8.

        Raises:
            TableMissError: An operation is not in the table; says how to measure it.
            UnsupportedError: The graph holds an operation without a known cost.
        """
        latencies_us = self.op_latencies_us(graph)
        fit = self.table.calibration
        body_us = self._body_us(graph, latencies_us, fit)
        latency_ms = (self.table.invoke_us + body_us) / 1e3
        cost = self.static.estimate(graph, per_op=per_op)
        factor = body_us / sum(latencies_us) if latencies_us else 1.0
        shares = tuple(
            replace(entry, latency_ms=factor * latency_us / 1e3)
            for entry, latency_us in zip(cost.per_op, latencies_us, strict=True)
        ) if per_op else ()  # fmt: skip
        return replace(
            cost,
            precision=self.table.precision,
            source="table",
            latency_ms=latency_ms,
            latency_low_ms=None if fit.low is None else latency_ms * fit.low,
            latency_high_ms=None if fit.high is None else latency_ms * fit.high,
            threads=self.table.threads,
            per_op=shares,
        )

    def _body_us(self, graph: OpGraph, latencies_us: list[float], fit: Calibration) -> float:
        """Microseconds of all operations; what the weights say, at least half of what one factor says."""
        plain = fit.factor * sum(latencies_us)
        if fit.weights is None:
            return plain
        parts = parts_us(graph, latencies_us)
        return max(plain / 2, sum(weight * part for weight, part in zip(fit.weights, parts, strict=True)))

    def op_latencies_us(self, graph: OpGraph) -> list[float]:
        """Microseconds of each operation as measured, before calibration.

        Raises:
            TableMissError: An operation is not in the table.
        """
        found = []
        for op in graph.ops:
            key = op_key(op)
            latency_us = self._latency_us(op, key)
            if latency_us is None:
                raise self._miss(op, key, graph)
            found.append(latency_us)
        return found

    def check_covers(self, space: SearchSpace) -> None:
        """Make sure that no network of a space can miss the table, before a search starts.

        Raises:
            TableMissError: The table lacks operations; says how many and how to measure them.
            ConfigError: The space cannot list its operations.
        """
        kinds = {op_key(op): op for op in space.operations()}
        missing = [key for key, op in kinds.items() if self._latency_us(op, key) is None]
        if missing:
            shape = "x".join(map(str, space.input_shape))
            what = "images" if len(space.input_shape) == 3 else "inputs"
            raise TableMissError(
                f"{len(missing)} of {len(kinds)} operations of space '{space.name}' on {shape} {what} with "
                f"{space.classes} classes are not in the latency table of {self.device}/{self.runtime} (for "
                f"example {missing[0]}). Measure them: {self._sweep_command()} "
                f"--space {space.name} --input {shape} --classes {space.classes}"
            )

    def _latency_us(self, op: Op, key: str) -> float | None:
        """Microseconds of an operation as filed, or between two numbers of classes; else None."""
        latency_us = self._known_us.get(key)
        if latency_us is None:
            latency_us = self._between_classes(op)
            if latency_us is not None:
                self._known_us[key] = latency_us
        return latency_us

    def _between_classes(self, op: Op) -> float | None:
        head = head_key(op)
        points = self.table.heads.get(head, []) if head else []
        classes = op.out_shape[-1]
        position = bisect_left(points, (classes, 0.0))
        if classes == 1 and points:
            return points[0][1]
        if not 0 < position < len(points):
            return None
        (few, few_us), (many, many_us) = points[position - 1], points[position]
        return few_us + (many_us - few_us) * (classes - few) / (many - few)

    def _sweep_command(self) -> str:
        runtime = "" if self.runtime == "litert" else f" --runtime {self.runtime}"
        precision = "" if self.table.precision == "int8" else f" --precision {self.table.precision}"
        return f"edgenas sweep --device {self.device}{runtime}{precision}"

    def _miss(self, op: Op, key: str, graph: OpGraph) -> TableMissError:
        near = nearest(key, self.table.ops_us)
        heads = [entry.out_shape[-1] for entry in graph.ops if entry.kind == "dense"]
        classes = f" --classes {heads[-1]}" if heads else ""
        shape = "x".join(map(str, graph.input_shape))
        space = SPACE_OF_AXES.get(len(graph.input_shape), "micro")
        return TableMissError(
            f"operation '{op.name}' ({key}) is not in the latency table of {self.device}/{self.runtime}; "
            f"nearest is {near or 'none of its kind'}. Measure it: {self._sweep_command()} "
            f"--space {space} --input {shape}{classes}"
        )
