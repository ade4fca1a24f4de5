"""A table of trained cells as a plain search space with known latencies, and the score of a search.

A table holds every cell of NAS-Bench-201 (Dong and Yang 2020): six edges between four nodes, each
with one of five operations, trained for 12 and for 200 epochs. `CellSpace` asks six choices and
builds the real network (stem, three stages of five cells, residual reductions, head) as an
`OpGraph`, so a searcher sees here what it sees of any other space.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from edgenas.arch.chooser import Chooser
from edgenas.arch.graph import GraphBuilder, Op, OpGraph
from edgenas.arch.space import SearchSpace
from edgenas.arch.spec import ArchSpec
from edgenas.cost.types import Cost, CostSource
from edgenas.errors import ConfigError
from edgenas.registry import unknown_name
from edgenas.search.pareto import hypervolume
from edgenas.search.problem import Candidate, Problem

OPERATIONS = ("none", "skip", "conv1x1", "conv3x3", "avgpool")
EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
STAGE_FILTERS = (16, 32, 64)
CELLS = 5
INPUT_SHAPE = (32, 32, 3)
CLASSES = 10
WORST_ERROR_PERCENTILE = 90
NAMES = tuple(f"edge_{source}_{target}" for source, target in EDGES)


@dataclass(frozen=True)
class Table:
    """One data set on one device.

    Attributes:
        ops: int array of shape (n, 6), positions in `OPERATIONS` by edge.
        val_error: float array of shape (n,), what a search is told (validation, 12 epochs).
        test_error: float array of shape (n,), what it is scored on (test, 200 epochs).
        latency_ms: float array of shape (n,).
    """

    ops: np.ndarray
    val_error: np.ndarray
    test_error: np.ndarray
    latency_ms: np.ndarray

    @classmethod
    def load(cls, path: Path, dataset: str, device: str) -> Table:
        """Columns ``DATASET_valid_e12`` and ``DATASET_test_e200`` and a device's latencies.

        Raises:
            UnknownNameError: The file lacks the data set or the device.
        """
        with np.load(path) as file:
            columns, devices = [list(map(str, file[name])) for name in ("acc_names", "devices")]
            seen, scored = f"{dataset}_valid_e12", f"{dataset}_test_e200"
            for what, name, known in (
                ("column", seen, columns), ("column", scored, columns), ("device", device, devices),
            ):  # fmt: skip
                if name not in known:
                    raise unknown_name(what, name, known)
            error = 1 - file["acc"].astype(float) / 100
            latency = file["lat_ms"].astype(float)[:, devices.index(device)]
            ops = file["ops"].astype(int)
        return cls(ops, error[:, columns.index(seen)], error[:, columns.index(scored)], latency)

    def rows(self) -> dict[tuple[int, ...], int]:
        """The row of each cell."""
        return {tuple(map(int, cell)): row for row, cell in enumerate(self.ops)}


class CellGraph(OpGraph):
    """The network of a cell, with the cell: equal networks may have been measured apart.

    Its operations are listed when they are first asked for. Edges that carry nothing are left out,
    as a compiler would leave them out.
    """

    cell: tuple[int, ...]

    def __init__(self, cell: tuple[int, ...]) -> None:
        object.__setattr__(self, "input_shape", INPUT_SHAPE)
        object.__setattr__(self, "cell", cell)

    @cached_property
    def ops(self) -> tuple[Op, ...]:  # type: ignore[override]
        """Stem, three stages of five cells with residual reductions between them, and head."""
        builder = GraphBuilder(INPUT_SHAPE)
        tensor: int | None = builder.window(
            "conv2d", "stem", 0, filters=STAGE_FILTERS[0], kernel=3, batch_norm=True
        )
        for stage, filters in enumerate(STAGE_FILTERS):
            if stage and tensor is not None:
                tensor = _reduction(builder, tensor, f"reduce{stage}", filters)
            for position in range(CELLS):
                if tensor is not None:
                    tensor = _cell(builder, tensor, f"cell{stage}_{position}", self.cell)
        if tensor is None:  # a cell that passes nothing on: the head is all that is left
            builder, tensor = GraphBuilder(INPUT_SHAPE), 0
        channels = builder.shape(tensor)[-1]
        pooled = builder.simple("global_avg_pool", "pool", tensor, out_shape=(channels,))
        builder.dense("dense", pooled, CLASSES)
        return tuple(builder.ops)


class CellSpace(SearchSpace):
    """Six edges, five operations each."""

    name = "cells"

    def __init__(self) -> None:
        super().__init__(INPUT_SHAPE, CLASSES)

    def decide(self, chooser: Chooser) -> ArchSpec:
        """One operation an edge."""
        choices = {name: chooser.choice(name, OPERATIONS) for name in NAMES}
        return ArchSpec(self.name, self.input_shape, self.classes, (), choices)

    def graph(self, spec: ArchSpec) -> OpGraph:
        """The network of a spec."""
        return CellGraph(cell_of(spec))


def cell_of(spec: ArchSpec) -> tuple[int, ...]:
    """A spec's operations by edge, as the table writes them."""
    return tuple(OPERATIONS.index(str(spec.choices[name])) for name in NAMES)


def _reduction(builder: GraphBuilder, tensor: int, name: str, filters: int) -> int:
    """Residual block that halves the image (He et al. 2016)."""
    hidden = builder.window(
        "conv2d", f"{name}_a", tensor, filters=filters, kernel=3, stride=2, batch_norm=True, activation="relu"
    )
    hidden = builder.window("conv2d", f"{name}_b", hidden, kernel=3, batch_norm=True)
    pooled = builder.window("avg_pool2d", f"{name}_pool", tensor, kernel=2, stride=2)
    shortcut = builder.window("conv2d", f"{name}_skip", pooled, filters=filters)
    return builder.simple("add", f"{name}_add", hidden, shortcut)


def _cell(builder: GraphBuilder, tensor: int, name: str, cell: tuple[int, ...]) -> int | None:
    """The cell's last node, or None if nothing reaches it."""
    nodes: list[int | None] = [tensor, None, None, None]
    useful = _useful_nodes(cell)
    for target in (1, 2, 3):
        arriving = []
        for (source, end), operation in zip(EDGES, cell, strict=True):
            before = nodes[source]
            if end == target and target in useful and operation and before is not None:
                arriving.append(_edge(builder, before, f"{name}_{source}{end}", OPERATIONS[operation]))
        if len(arriving) > 1:
            nodes[target] = builder.simple("add", f"{name}_add{target}", *arriving)
        elif arriving:
            nodes[target] = arriving[0]
    return nodes[3]


def _useful_nodes(cell: tuple[int, ...]) -> set[int]:
    """Nodes from which something reaches the last one."""
    useful = {3}
    for (source, target), operation in reversed(list(zip(EDGES, cell, strict=True))):
        if operation and target in useful:
            useful.add(source)
    return useful


def _edge(builder: GraphBuilder, tensor: int, name: str, operation: str) -> int:
    if operation == "skip":
        return tensor
    if operation == "avgpool":
        return builder.window("avg_pool2d", name, tensor, kernel=3)
    kernel = 3 if operation == "conv3x3" else 1
    return builder.window("conv2d", name, tensor, kernel=kernel, batch_norm=True, activation="relu")


class TableCosts(CostSource):
    """Latencies as the table has them; it knows no other costs, and they are 0."""

    runtime = "table"

    def __init__(self, table: Table, device: str) -> None:
        self.device = device
        self._latency_ms = dict(zip(table.rows(), map(float, table.latency_ms), strict=True))

    def estimate(self, graph: OpGraph, *, per_op: bool = False) -> Cost:
        """The measured latency of a `CellGraph`.

        Raises:
            ConfigError: The graph is not of a cell that the table holds.
        """
        cell = getattr(graph, "cell", None)
        if cell not in self._latency_ms:
            raise ConfigError(f"cell {cell} was given; expected one of the table's {len(self._latency_ms)}")
        latency_ms = self._latency_ms[cell]
        return Cost(
            self.device, self.runtime, "float32", "table", latency_ms, latency_ms, latency_ms,
            peak_ram_bytes=0, flash_bytes=0, macs=0, params=0,
        )  # fmt: skip


class TableProblem:
    """A table as the problem that searchers and peers are given, and the score of what they trained.

    The score is the hypervolume of what was trained over that of the whole table, in the unit square
    of test error (best to 90th percentile) and latency (least to largest), reference point (1, 1).
    """

    def __init__(self, table: Table, device: str, space: CellSpace | None = None) -> None:
        self.table = table
        self.problem = Problem(
            space or CellSpace(), TableCosts(table, device), (), ("val_error", "latency_ms")
        )
        self._rows = table.rows()
        worst = np.percentile(table.test_error, WORST_ERROR_PERCENTILE)
        error = (table.test_error - table.test_error.min()) / (worst - table.test_error.min())
        latency = (table.latency_ms - table.latency_ms.min()) / np.ptp(table.latency_ms)
        self._scored = np.column_stack([error, latency])
        self._exact = hypervolume(self._scored, np.ones(2))

    def row(self, spec: ArchSpec) -> int:
        """Where the table has a spec."""
        return self._rows[cell_of(spec)]

    def point(self, candidate: Candidate) -> tuple[float, ...]:
        """What a training tells the search."""
        return self.problem.point(candidate, float(self.table.val_error[self.row(candidate.spec)]))

    def share(self, rows: Iterable[int]) -> float:
        """Share of the exact front's hypervolume that trained rows reach."""
        return hypervolume(self._scored[sorted(set(rows))], np.ones(2)) / self._exact
