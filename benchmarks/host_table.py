"""Do latency tables predict whole networks on this machine, and does a profile repeat itself?

Random networks of every space that a sweep can plan (`micro`, on three input shapes), of other seeds than
the tables' calibration, are measured and compared with what the tables predict, for LiteRT and ONNX Runtime,
int8 and float32, one thread. Goal: 95 % within 10 %, Spearman 0.99. Then one network is profiled five times;
goal: medians within 3 % on an idle machine.

    python benchmarks/host_table.py [--tables FOLDER] [--networks 200] [--left-out] [--json OUT]

With --left-out nothing is measured: each network of the tables' calibration is predicted by weights fitted on
all others.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from edgenas.arch.graph import OpGraph
from edgenas.arch.spaces.micro import MicroSpace
from edgenas.cost.latency_table import table_name, weighed
from edgenas.cost.static import StaticSource
from edgenas.cost.table import LatencyTable, TableSource, table_path
from edgenas.profile.device import load_device
from edgenas.profile.protocol import Measurement, Protocol
from edgenas.profile.runner import Runner, runner_for
from edgenas.profile.synthesize import synthesize
from edgenas.profile.synthesize_onnx import synthesize_onnx

SEED = 77_000
SPACES = [MicroSpace((8, 8, 1), 10), MicroSpace((28, 28, 1), 10), MicroSpace((32, 32, 3), 10)]
TABLES = [(runtime, precision) for runtime in ("litert", "onnxruntime") for precision in ("int8", "float32")]
PROFILES = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", type=int, default=200)
    parser.add_argument("--tables", type=Path, default=table_path("host", "litert").parent, metavar="FOLDER")
    parser.add_argument("--json", type=Path, metavar="OUT")
    parser.add_argument("--left-out", action="store_true", help="measure nothing, leave networks out instead")
    args = parser.parse_args()
    graphs = [
        SPACES[k % len(SPACES)].sample(np.random.default_rng((SEED, k))).graph() for k in range(args.networks)
    ]
    document = {
        "benchmark": "host_table",
        "date": date.today().isoformat(),
        "seed": SEED,
        "spaces": [f"micro {'x'.join(map(str, space.input_shape))}" for space in SPACES],
        "tables": [],
        "cores": os.cpu_count(),
        "versions": {name: metadata.version(name) for name in ("edgenas", "ai-edge-litert", "onnxruntime")},
    }
    for runtime, precision in TABLES:
        path = args.tables / table_name(runtime, precision)
        if not path.exists():
            print(f"no table {path}: edgenas sweep --runtime {runtime} --precision {precision}")
            continue
        table = LatencyTable.load(path)
        entry = left_out(table) if args.left_out else checked(graphs, table)
        show(entry)
        document["tables"].append(entry)
        if args.json:  # after each table: four of them take minutes
            args.json.parent.mkdir(parents=True, exist_ok=True)
            args.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def left_out(table: LatencyTable) -> dict[str, Any]:
    """What a table predicts of each network of its calibration without that network."""
    measured = np.array(table.networks_us)[:, 1]
    factor = table.calibration.factor
    ratios = weighed(np.array(table.parts_us), measured, table.invoke_us, factor)[1]
    error = np.abs(1 / ratios - 1)
    return {
        "runtime": table.runtime,
        "precision": table.precision,
        "networks_left_out": len(measured),
        "share_within_10_percent": round(float(np.mean(error < 0.10)), 4),
        "spearman": round(spearman(measured / ratios, measured), 4),
        "median_abs_error": round(float(np.median(error)), 4),
        "worst_abs_error": round(float(error.max()), 4),
        "operations": len(table.ops_us),
        "predicted": len(table.predicted),
        "held_out": table.held_out,
        "held_out_error": table.held_out_error,
    }


def checked(graphs: list[OpGraph], table: LatencyTable) -> dict[str, Any]:
    """What one table predicts of the networks, and what they take."""
    runner = runner_for(replace(load_device("host"), runtime=table.runtime))
    load = os.getloadavg()[0]
    rows = list(compare(graphs, table, runner))
    largest = max(graphs, key=lambda graph: graph.macs)
    return {
        "runtime": table.runtime,
        "precision": table.precision,
        **summary(rows, len(graphs)),
        "five_profiles": profiles(made(largest, table), runner),
        "load_1_min": [load, os.getloadavg()[0]],
        "machine": runner.machine(),
        "table": {
            "date": table.date,
            "machine": dict(table.machine),
            "operations": len(table.ops_us),
            "predicted": len(table.predicted),
            "held_out": table.held_out,
            "held_out_error": table.held_out_error,
        },
        "rows": rows,
    }


def made(graph: OpGraph, table: LatencyTable) -> bytes:
    """The network's file for the table's runtime and precision."""
    if table.runtime == "onnxruntime":
        return synthesize_onnx(graph, 1, table.precision)
    return synthesize(graph, 1, table.precision)


def compare(graphs: list[OpGraph], table: LatencyTable, runner: Runner) -> Iterator[dict[str, Any]]:
    """Predicted and measured milliseconds of each network that could be measured."""
    source = TableSource(table, StaticSource(table.device, table.runtime))
    models = [made(graph, table) for graph in graphs]
    for graph, first, second in zip(graphs, measure(models, runner), measure(models, runner), strict=True):
        if first is None or second is None:
            continue
        cost = source.estimate(graph)
        yield {
            "input": list(graph.input_shape),
            "operations": len(graph.ops),
            "macs": graph.macs,
            "predicted_ms": cost.latency_ms,
            "predicted_low_ms": cost.latency_low_ms,
            "predicted_high_ms": cost.latency_high_ms,
            "measured_ms": first.latency_ms,
            "measured_again_ms": second.latency_ms,
        }


def measure(models: list[bytes], runner: Runner) -> list[Measurement | None]:
    """Measure all in turns; up to eight goes for those that met a busy machine."""
    found: list[Measurement | None] = [None] * len(models)
    for _ in range(8):
        left = [k for k, one in enumerate(found) if one is None]
        for start in range(0, len(left), 40):
            numbers = left[start : start + 40]
            for k, one in zip(numbers, runner.measure_batch([models[k] for k in numbers]), strict=True):
                found[k] = one
    return found


def profiles(model: bytes, runner: Runner) -> dict[str, Any]:
    """Medians of one network profiled again and again, as `edgenas profile` does it."""
    runner.protocol = Protocol(bursts=40, rounds=400)
    medians = [float(runner.measure(model).median_ms or 0) for _ in range(PROFILES)]
    return {
        "medians_ms": medians,
        "range_over_median": (max(medians) - min(medians)) / float(np.median(medians)),
    }


def summary(rows: list[dict[str, Any]], asked: int) -> dict[str, Any]:
    """Errors and ranks over all networks, and how far the measurement repeats itself."""
    predicted, low, high, measured, again = (
        np.array([row[f"{name}_ms"] for row in rows])
        for name in ("predicted", "predicted_low", "predicted_high", "measured", "measured_again")
    )
    error, noise = np.abs(predicted / measured - 1), np.abs(again / measured - 1)
    return {
        "networks": asked,
        "measured": len(rows),
        "share_within_10_percent": round(float(np.mean(error < 0.10)), 4),
        "spearman": round(spearman(predicted, measured), 4),
        "median_abs_error": round(float(np.median(error)), 4),
        "worst_abs_error": round(float(error.max()), 4),
        "share_inside_90_percent_interval": round(float(np.mean((low <= measured) & (measured <= high))), 4),
        "measured_twice_median_difference": round(float(np.median(noise)), 4),
        "measured_twice_90_percent_difference": round(float(np.quantile(noise, 0.9)), 4),
    }


def spearman(first: np.ndarray, second: np.ndarray) -> float:
    """Rank correlation (no ties among latencies)."""
    ranks = [values.argsort().argsort() for values in (first, second)]
    return float(np.corrcoef(*ranks)[0, 1])


def show(entry: dict[str, Any]) -> None:
    """Print the summary of one table."""
    print(f"{entry['runtime']} {entry['precision']}")
    for name, value in entry.items():
        if name not in ("runtime", "precision", "rows"):
            print(f"  {name}: {value}")


if __name__ == "__main__":
    main()
