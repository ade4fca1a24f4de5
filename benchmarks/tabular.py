"""How many trainings to the front? Searchers and general optimizers on a table of trained networks.

    python benchmarks/tabular.py --table FILE.npz --device NAME... --dataset NAME
        [--searchers NAME... --peers NAME... --budgets N... --seeds N --json OUT]

The search is told validation error after 12 epochs and latency; it is scored on the test error after
200 epochs of all it trained: hypervolume over that of the exact front (see `TableProblem`). All run
in this process, with the same budgets and seeds. Peers: `pip install 'edgenas[peers]'`.
"""

from __future__ import annotations

import argparse
import json
import time
from datetime import date
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import t as student
from tabular_peers import PEERS, run_peer
from tabular_space import CellSpace, Table, TableProblem

from edgenas.environment import machine, versions
from edgenas.errors import EdgenasError
from edgenas.registry import unknown_name
from edgenas.search import searchers as _registered  # noqa: F401
from edgenas.search.searcher import SEARCHERS, Observation, SpaceExhaustedError

BUDGETS = (25, 50, 100, 150, 200, 300)
COMPARED = "front"
COMPARED_AT = (50, 100)


def main() -> None:
    args = parse()
    space = CellSpace()  # one for all devices: searchers remember its features
    document = {
        "benchmark": "tabular",
        "date": date.today().isoformat(),
        "table": args.table.name,
        "dataset": args.dataset,
        "budgets": args.budgets,
        "seeds": args.seeds,
        "devices": {device: on_device(device, space, args) for device in args.device},
        "machine": machine(),
        "versions": {**versions(), **{name: _version(name) for name in ("optuna", "pymoo", "torch")}},
    }
    document["mean_over_devices"] = mean_over_devices(document["devices"], args.budgets)
    if len(args.device) > 1:
        show("mean over devices", document["mean_over_devices"], args.budgets)
    if args.json:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--table", type=Path, required=True)
    parser.add_argument("--device", nargs="+", required=True, help="one or more devices of the table")
    parser.add_argument("--dataset", required=True, help="cifar10 for columns cifar10_valid_e12 and so on")
    parser.add_argument("--searchers", nargs="*", default=[COMPARED], help=", ".join(SEARCHERS.names()))
    parser.add_argument("--peers", nargs="*", default=[], help=", ".join(PEERS))
    parser.add_argument("--budgets", nargs="+", type=int, default=list(BUDGETS))
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--json", type=Path, metavar="OUT")
    args = parser.parse_args()
    args.budgets = sorted(args.budgets)
    try:
        for name in args.searchers:
            SEARCHERS.get(name)
        for name in args.peers:
            if name not in PEERS:
                raise unknown_name("peer", name, PEERS)
        for device in args.device:
            Table.load(args.table, args.dataset, device)
    except (EdgenasError, OSError) as error:
        parser.error(str(error))
    return args


def on_device(device: str, space: CellSpace, args: argparse.Namespace) -> dict[str, Any]:
    """Figures of all methods on one device; printed as they come."""
    problem = TableProblem(Table.load(args.table, args.dataset, device), device, space)
    jobs = [(name, False) for name in args.searchers] + [(name, True) for name in args.peers]
    methods, curves = {}, {}
    for name, is_peer in jobs:
        label = name if not is_peer or name not in args.searchers else f"{name} (peer)"
        started = time.perf_counter()
        runs = [
            (run_peer if is_peer else run_searcher)(name, problem, args.budgets[-1], seed)
            for seed in range(args.seeds)
        ]
        seconds = (time.perf_counter() - started) / args.seeds
        curves[label] = np.mean([curve(problem, rows, args.budgets[-1]) for rows in runs], axis=0)
        methods[label] = figures(problem, runs, args.budgets) | {
            "peer": is_peer, "seconds_a_run": round(seconds, 2)
        }  # fmt: skip
    if COMPARED in curves:
        for label, entry in methods.items():
            entry["needs"] = needs(curves[label], curves[COMPARED]) if entry["peer"] else None
    show(device, methods, args.budgets)
    return methods


def run_searcher(name: str, problem: TableProblem, trainings: int, seed: int) -> list[int]:
    """Rows of the table that a searcher trains, in order."""
    searcher = SEARCHERS.get(name)(problem.problem, seed)
    rows: list[int] = []
    while len(rows) < trainings:
        try:
            candidate = searcher.ask()
        except SpaceExhaustedError:
            break
        rows.append(problem.row(candidate.spec))
        searcher.tell(Observation(candidate, problem.point(candidate)))
    return rows


def curve(problem: TableProblem, rows: list[int], trainings: int) -> np.ndarray:
    """Score after 1, 2 ... trainings."""
    return np.array([problem.share(rows[:done]) for done in range(1, trainings + 1)])


def figures(problem: TableProblem, runs: list[list[int]], budgets: list[int]) -> dict[str, Any]:
    """Score at each budget: mean over seeds, half width of its 95 % interval, and every run's."""
    shares = np.array([[problem.share(rows[:budget]) for budget in budgets] for rows in runs])
    seeds = len(runs)
    half = (
        student.ppf(0.975, seeds - 1) * shares.std(axis=0, ddof=1) / np.sqrt(seeds)
        if seeds > 1
        else np.full(len(budgets), np.nan)
    )
    return {
        "mean": [round(float(value), 4) for value in shares.mean(axis=0)],
        "half_width_95": [None if np.isnan(value) else round(float(value), 4) for value in half],
        "runs": [[round(float(value), 4) for value in run] for run in shares],
    }


def needs(peer: np.ndarray, ours: np.ndarray) -> dict[str, int | None]:
    """Trainings that a peer's mean score needs to reach ours at 50 and 100; None if it never does."""
    found: dict[str, int | None] = {}
    for budget in COMPARED_AT:
        if budget <= len(ours):
            reached = np.flatnonzero(peer >= ours[budget - 1])
            found[str(budget)] = int(reached[0]) + 1 if len(reached) else None
    return found


def mean_over_devices(devices: dict[str, dict[str, Any]], budgets: list[int]) -> dict[str, Any]:
    """Mean over devices, with the 95 % interval over seeds of that mean."""
    labels = next(iter(devices.values()))
    found = {}
    for label, entry in labels.items():
        runs = np.mean([methods[label]["runs"] for methods in devices.values()], axis=0)
        seeds = len(runs)
        half = [
            round(float(student.ppf(0.975, seeds - 1) * runs[:, column].std(ddof=1) / np.sqrt(seeds)), 4)
            if seeds > 1
            else None
            for column in range(len(budgets))
        ]
        mean = [round(float(value), 4) for value in runs.mean(axis=0)]
        found[label] = {"peer": entry["peer"], "mean": mean, "half_width_95": half}
    return found


def show(title: str, methods: dict[str, Any], budgets: list[int]) -> None:
    """A table of the means, best at the second budget first."""
    print(f"\n{title}\n{'':24}" + "".join(f"{budget:>16}" for budget in budgets))
    order = sorted(methods, key=lambda label: -methods[label]["mean"][min(1, len(budgets) - 1)])
    for label in order:
        entry = methods[label]
        cells = [
            f"{mean:.4f}" + (f" ±{half:.4f}" if half is not None else "")
            for mean, half in zip(entry["mean"], entry["half_width_95"], strict=True)
        ]
        reached = "".join(
            f"  needs {needed or f'more than {budgets[-1]}'} for {COMPARED}'s {budget}"
            for budget, needed in (entry.get("needs") or {}).items()
        )
        print(f"{label:24}" + "".join(f"{cell:>16}" for cell in cells) + reached, flush=True)


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


if __name__ == "__main__":
    main()
