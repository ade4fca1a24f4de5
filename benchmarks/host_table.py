"""Does the latency table predict whole networks on this machine?

Fifty random networks of space `micro`, of other seeds than the table's calibration, are measured
and compared with what the table predicts. Goal: nine in ten within 10 %, Spearman 0.97.

    python benchmarks/host_table.py [--json OUT] [--table FILE]
"""

from __future__ import annotations

import argparse
import json
import os
from datetime import date
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from edgenas.arch.graph import OpGraph
from edgenas.arch.spaces.micro import MicroSpace
from edgenas.cost.static import StaticSource
from edgenas.cost.table import LatencyTable, TableSource, table_path
from edgenas.profile.device import load_device
from edgenas.profile.protocol import Measurement
from edgenas.profile.runner import Runner, runner_for
from edgenas.profile.synthesize import synthesize

SEED = 77_000
SPACES = [MicroSpace((8, 8, 1), 10), MicroSpace((28, 28, 1), 10), MicroSpace((32, 32, 3), 10)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", type=int, default=50)
    parser.add_argument("--table", type=Path, default=table_path("host", "litert"))
    parser.add_argument("--json", type=Path, metavar="OUT")
    args = parser.parse_args()
    table = LatencyTable.load(args.table)
    runner = runner_for(load_device("host"))
    graphs = [
        SPACES[k % len(SPACES)].sample(np.random.default_rng((SEED, k))).graph() for k in range(args.networks)
    ]
    rows = compare(graphs, table, runner)
    document = {
        "benchmark": "host_table",
        "date": date.today().isoformat(),
        "seed": SEED,
        "spaces": [f"micro {'x'.join(map(str, space.input_shape))}" for space in SPACES],
        **summary(rows, len(graphs)),
        "table": {"date": table.date, "machine": dict(table.machine), "operations": len(table.ops_us)},
        "machine": {**runner.machine(), "cores": os.cpu_count(), "load_1_min": os.getloadavg()[0]},
        "versions": {name: metadata.version(name) for name in ("edgenas", "ai-edge-litert", "numpy")},
        "rows": rows,
    }
    show(document)
    if args.json:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def compare(graphs: list[OpGraph], table: LatencyTable, runner: Runner) -> list[dict[str, Any]]:
    """Predicted and measured milliseconds of each network that could be measured."""
    source = TableSource(table, StaticSource(table.device, table.runtime))
    measured = measure(graphs, runner)
    rows = []
    for graph, first, second in zip(graphs, measured, measure(graphs, runner), strict=True):
        if first is None or second is None:
            continue
        cost = source.estimate(graph)
        rows.append(
            {
                "input": list(graph.input_shape),
                "operations": len(graph.ops),
                "macs": graph.macs,
                "predicted_ms": cost.latency_ms,
                "predicted_low_ms": cost.latency_low_ms,
                "predicted_high_ms": cost.latency_high_ms,
                "measured_ms": first.latency_ms,
                "measured_again_ms": second.latency_ms,
            }
        )
    return rows


def measure(graphs: list[OpGraph], runner: Runner) -> list[Measurement | None]:
    """Measure all in turns; up to four goes for those that met a busy machine."""
    found: list[Measurement | None] = [None] * len(graphs)
    for _ in range(4):
        left = [k for k, one in enumerate(found) if one is None]
        if left:
            batch = runner.measure_batch([synthesize(graphs[k], 1) for k in left])
            for k, one in zip(left, batch, strict=True):
                found[k] = one
    return found


def summary(rows: list[dict[str, Any]], asked: int) -> dict[str, Any]:
    """Errors and ranks over all networks, and how far the measurement repeats itself."""
    predicted, low, high, measured, again = (
        np.array([row[f"{name}_ms"] for row in rows])
        for name in ("predicted", "predicted_low", "predicted_high", "measured", "measured_again")
    )
    error = np.abs(predicted / measured - 1)
    return {
        "networks": asked,
        "measured": len(rows),
        "share_within_10_percent": round(float(np.mean(error < 0.10)), 4),
        "spearman": round(spearman(predicted, measured), 4),
        "median_abs_error": round(float(np.median(error)), 4),
        "worst_abs_error": round(float(error.max()), 4),
        "share_inside_90_percent_interval": round(float(np.mean((low <= measured) & (measured <= high))), 4),
        "noise": "the same networks measured twice, seconds apart: "
        f"median difference {np.median(np.abs(again / measured - 1)):.2%}, "
        f"90 % quantile {np.quantile(np.abs(again / measured - 1), 0.9):.2%}",
    }


def spearman(first: np.ndarray, second: np.ndarray) -> float:
    """Rank correlation (no ties among latencies)."""
    ranks = [values.argsort().argsort() for values in (first, second)]
    return float(np.corrcoef(*ranks)[0, 1])


def show(document: dict[str, Any]) -> None:
    """Print the summary."""
    print(f"{'input':>10} {'ops':>4} {'predicted ms':>13} {'measured ms':>12} {'error':>7}")
    for row in document["rows"]:
        shape = "x".join(map(str, row["input"]))
        error = row["predicted_ms"] / row["measured_ms"] - 1
        figures = f"{row['predicted_ms']:>13.4f} {row['measured_ms']:>12.4f} {error:>+7.1%}"
        print(f"{shape:>10} {row['operations']:>4} {figures}")
    for name in (
        "networks",
        "measured",
        "share_within_10_percent",
        "spearman",
        "median_abs_error",
        "share_inside_90_percent_interval",
        "noise",
    ):
        print(f"{name}: {document[name]}")


if __name__ == "__main__":
    main()
