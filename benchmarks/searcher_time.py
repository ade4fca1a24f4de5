"""How much of a search is the searcher's own time?

Each searcher proposes 300 candidates of space `micro` (28x28x1) within a RAM and a MAC budget, with
made-up validation errors in place of trainings, so that only the searcher and the cost source
work. Goal: below 5 % of a run whose trials take 5 seconds each.

    python benchmarks/searcher_time.py [--json OUT] [--trials N] [--searcher NAME ...]
"""

from __future__ import annotations

import argparse
import json
import os
import time
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from edgenas.arch.spaces.micro import MicroSpace
from edgenas.cost.static import StaticSource
from edgenas.environment import machine, versions
from edgenas.search import searchers  # noqa: F401  registers them
from edgenas.search.objective import VAL_ERROR, Constraint
from edgenas.search.problem import Candidate, Problem
from edgenas.search.searcher import SEARCHERS, Observation

SEED = 41
TRIAL_SECONDS = 5.0
GOAL = 0.05
BUDGETS = (Constraint("peak_ram_bytes", 64 * 1024), Constraint("macs", 2_000_000))
MARKS = (30, 100, 300)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=MARKS[-1])
    parser.add_argument("--searcher", nargs="*", default=SEARCHERS.names())
    parser.add_argument("--json", type=Path, metavar="OUT")
    args = parser.parse_args()
    document = {
        "benchmark": "searcher_time",
        "date": date.today().isoformat(),
        "seed": SEED,
        "space": "micro 28x28x1",
        "budgets": [str(budget) for budget in BUDGETS],
        "objectives": [VAL_ERROR, "macs"],
        "trial_seconds": TRIAL_SECONDS,
        "goal_share": GOAL,
        "machine": {**machine(), "load_1_min": os.getloadavg()[0]},
        "versions": versions(),
        "rows": [measure(name, args.trials) for name in args.searcher],
    }
    show(document)
    if args.json:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def measure(name: str, trials: int) -> dict[str, Any]:
    """Own seconds of one searcher per trial, up to each mark and over the last tenth of the trials."""
    problem = Problem(MicroSpace((28, 28, 1), 10), StaticSource(), BUDGETS, (VAL_ERROR, "macs"))
    searcher = SEARCHERS.get(name)(problem, SEED)
    own = []
    for number in range(trials):
        started = time.perf_counter()
        candidate = searcher.ask()
        searcher.tell(Observation(candidate, problem.point(candidate, made_up_error(candidate, number))))
        own.append(time.perf_counter() - started)
    seconds = {mark: float(np.mean(own[:mark])) for mark in MARKS if mark <= trials}
    late = float(np.mean(own[-max(1, trials // 10) :]))
    return {
        "searcher": name,
        "trials": trials,
        "seconds_per_trial": {str(mark): round(value, 5) for mark, value in seconds.items()},
        "seconds_per_trial_at_the_end": round(late, 5),
        "slowest_seconds": round(max(own), 5),
        "share_of_run": {
            str(mark): round(value / (TRIAL_SECONDS + value), 5) for mark, value in seconds.items()
        },
        "refused": dict(searcher.refused),
    }


def made_up_error(candidate: Candidate, number: int) -> float:
    """Larger networks are better up to noise, as in a search."""
    noise = np.random.default_rng((SEED, number)).normal(0.0, 0.01)
    return float(np.clip(0.6 / np.log10(candidate.cost.macs + 10) + noise, 0.0, 1.0))


def show(document: dict[str, Any]) -> None:
    """Print the table."""
    print(f"{'searcher':>22} {'trials':>7} {'ms a trial':>11} {'at the end':>11} {'slowest':>9} {'share':>8}")
    for row in document["rows"]:
        for mark, seconds in row["seconds_per_trial"].items():
            late, slowest = row["seconds_per_trial_at_the_end"], row["slowest_seconds"]
            figures = f"{1e3 * seconds:>11.2f} {1e3 * late:>11.2f} {1e3 * slowest:>9.1f}"
            print(f"{row['searcher']:>22} {mark:>7} {figures} {row['share_of_run'][mark]:>8.3%}")
    worst = max(max(row["share_of_run"].values()) for row in document["rows"])
    print(f"goal: at most {GOAL:.0%} of a run of {TRIAL_SECONDS:g} s trials; worst: {worst:.3%}")


if __name__ == "__main__":
    main()
