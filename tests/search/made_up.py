"""A made-up table of all cells: what a network learns and takes follows from its operations."""

from __future__ import annotations

import sys
from itertools import product
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))

from tabular_space import Table, TableProblem

USE = np.array([0.0, 0.15, 0.6, 1.0, 0.1])
WORK_MS = np.array([0.0, 0.01, 0.5, 3.0, 0.4])
EDGE_WEIGHTS = np.array([1.0, 0.7, 0.9, 0.8, 0.6, 1.1])


def made_up_table() -> Table:
    """15,625 cells; the error falls with the operations' use, the test error has noise of its own."""
    ops = np.array(list(product(range(5), repeat=6)))
    use = (USE[ops] * EDGE_WEIGHTS).sum(axis=1)
    error = 0.08 + 0.8 * np.exp(-0.9 * use)
    noise = np.random.default_rng(0).normal(0, 0.003, len(ops))
    return Table(ops, error, error + np.abs(noise), 1.0 + WORK_MS[ops].sum(axis=1))


def made_up_problem() -> TableProblem:
    """The made-up table on a made-up device."""
    return TableProblem(made_up_table(), "made-up")


def write_table(path: Path) -> None:
    """The made-up table as a file."""
    table = made_up_table()
    np.savez(
        path,
        ops=table.ops.astype(np.int8),
        acc=100 * (1 - np.column_stack([table.val_error, table.test_error])),
        acc_names=["toy_valid_e12", "toy_test_e200"],
        lat_ms=np.column_stack([table.latency_ms, 2 * table.latency_ms]),
        devices=["made-up", "slow"],
    )
