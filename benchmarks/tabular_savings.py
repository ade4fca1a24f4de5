"""What successive halving and warm starts save, on a table of trained networks.

    python benchmarks/tabular_savings.py halving --table FILE.npz --dataset NAME --device NAME...
    python benchmarks/tabular_savings.py warm-start --table FILE.npz --dataset NAME --device NAME...
        [--seeds N --json OUT]

`halving`: the default searcher, every candidate trained for 200 epochs, against the same searcher
under successive halving with trainings of 12 and 200 epochs. Both are scored by the hypervolume of
what they trained for 200 epochs; printed is the share of the epochs that halving needs for the score
of 50, 100 and 150 full trainings. (The table has no validation column after 200 epochs, so a full
training tells its test error, to both.)

`warm-start`: trainings to 0.95 of the exact front's hypervolume, from nothing and after a run of 100
trainings on another device; every ordered pair of the devices named.
"""

from __future__ import annotations

import argparse
import json
from datetime import date
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
from tabular_space import CellSpace, Table, TableProblem

from edgenas.environment import machine, versions
from edgenas.search import searchers as _registered  # noqa: F401
from edgenas.search.halving import SuccessiveHalving
from edgenas.search.searcher import SEARCHERS, Observation, Searcher
from edgenas.search.transfer import Earlier

SHORT_EPOCHS, FULL_EPOCHS = 12, 200
SEARCHER = "front"
COMPARED_AT = (50, 100, 150)
EARLIER_TRAININGS = 100
REACHED = (0.95, 0.975)
MOST_TRAININGS = 80


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("halving", "warm-start"))
    parser.add_argument("--table", type=Path, required=True)
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--device", nargs="+", required=True)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--reduction", type=float, default=3.0, help="one in so many goes on (default: 3)")
    parser.add_argument("--json", type=Path, metavar="OUT")
    args = parser.parse_args()
    space = CellSpace()
    problems = {
        device: TableProblem(Table.load(args.table, args.dataset, device), device, space)
        for device in args.device
    }
    rows = (halving if args.what == "halving" else warm_start)(problems, args)
    document = {
        "benchmark": f"tabular_savings {args.what}",
        "date": date.today().isoformat(),
        "table": args.table.name,
        "dataset": args.dataset,
        "seeds": args.seeds,
        "reduction": args.reduction,
        "rows": rows,
        "machine": machine(),
        "versions": versions(),
    }
    if args.json:
        args.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def error_at(problem: TableProblem, row: int, fidelity: float) -> float:
    """What a training tells: the validation error after 12 epochs, or the test error after 200."""
    table = problem.table
    return float(table.test_error[row] if fidelity == 1 else table.val_error[row])


def halving(problems: dict[str, TableProblem], args: argparse.Namespace) -> list[dict[str, Any]]:
    """Epochs that successive halving needs for the scores of full trainings, by device."""
    rows = []
    for device, problem in problems.items():
        full = np.mean([full_scores(problem, seed) for seed in range(args.seeds)], axis=0)
        runs = [halved_scores(problem, seed, args.reduction) for seed in range(args.seeds)]
        grid = np.arange(0, COMPARED_AT[-1] * FULL_EPOCHS + 1, 20)
        scores = np.mean([step_values(run, grid) for run in runs], axis=0)
        entry: dict[str, Any] = {"device": device}
        for trainings in COMPARED_AT:
            reached = np.flatnonzero(scores >= full[trainings - 1])
            epochs = int(grid[reached[0]]) if len(reached) else None
            at_a_fifth = float(scores[np.searchsorted(grid, trainings * FULL_EPOCHS / 5)])
            entry[str(trainings)] = {
                "full": round(float(full[trainings - 1]), 4),
                "halving_at_a_fifth": round(at_a_fifth, 4),
                "share_of_epochs": round(epochs / (trainings * FULL_EPOCHS), 3) if epochs else None,
            }
        rows.append(entry)
        print(device, {key: value for key, value in entry.items() if key != "device"}, flush=True)
    return rows


def full_scores(problem: TableProblem, seed: int) -> list[float]:
    """Score after 1, 2 ... full trainings."""
    searcher = SEARCHERS.get(SEARCHER)(problem.problem, seed)
    trained: list[int] = []
    scores = []
    for _ in range(COMPARED_AT[-1]):
        trained.append(step(searcher, problem)[0])
        scores.append(problem.share(trained))
    return scores


def halved_scores(problem: TableProblem, seed: int, reduction: float) -> list[tuple[int, float]]:
    """(epochs spent, score of the fully trained) after every training."""
    inner = SEARCHERS.get(SEARCHER)(problem.problem, seed)
    searcher = SuccessiveHalving(inner, (SHORT_EPOCHS / FULL_EPOCHS, 1.0), reduction)
    epochs, trained, scores = 0, [], []
    while epochs < COMPARED_AT[-1] * FULL_EPOCHS / 2.5:
        row, fidelity = step(searcher, problem)
        epochs += round(fidelity * FULL_EPOCHS)
        if fidelity == 1:
            trained.append(row)
        scores.append((epochs, problem.share(trained) if trained else 0.0))
    return scores


def step(searcher: Searcher, problem: TableProblem) -> tuple[int, float]:
    """One training: its row in the table and its fidelity."""
    candidate = searcher.ask()
    row = problem.row(candidate.spec)
    error = error_at(problem, row, candidate.fidelity)
    searcher.tell(Observation(candidate, problem.problem.point(candidate, error)))
    return row, candidate.fidelity


def step_values(run: list[tuple[int, float]], grid: np.ndarray) -> np.ndarray:
    """The score at each number of epochs."""
    spent = np.array([epochs for epochs, _ in run])
    scores = np.array([0.0, *(score for _, score in run)])
    return scores[np.searchsorted(spent, grid, side="right")]


def warm_start(problems: dict[str, TableProblem], args: argparse.Namespace) -> list[dict[str, Any]]:
    """Trainings to a share of the front, cold and warm, by pair of devices."""
    earlier = {
        (device, seed): told_run(problem, seed, EARLIER_TRAININGS)
        for device, problem in problems.items()
        for seed in range(args.seeds)
    }
    cold = {
        device: [trainings_to(problem, seed, None) for seed in range(args.seeds)]
        for device, problem in problems.items()
    }
    rows = []
    for source, target in permutations(problems, 2):
        runs = [trainings_to(problems[target], seed, earlier[source, seed]) for seed in range(args.seeds)]
        entry: dict[str, Any] = {"from": source, "to": target}
        for position, share in enumerate(REACHED):
            before = float(np.mean([run[position] for run in cold[target]]))
            after = float(np.mean([run[position] for run in runs]))
            entry[str(share)] = {
                "cold": round(before, 1), "warm": round(after, 1), "ratio": round(after / before, 3)
            }  # fmt: skip
        rows.append(entry)
        print(entry, flush=True)
    for share in REACHED:
        ratio = np.mean([entry[str(share)]["ratio"] for entry in rows])
        print(f"mean over pairs, to {share}: {ratio:.3f} of the trainings of a cold start")
    return rows


def told_run(problem: TableProblem, seed: int, trainings: int) -> dict[str, Any]:
    """What a run of the default searcher learns, in the form that runs keep it."""
    searcher = SEARCHERS.get(SEARCHER)(problem.problem, seed + 1000)  # not the seed of what follows
    told = []
    for _ in range(trainings):
        candidate = searcher.ask()
        error = float(problem.table.val_error[problem.row(candidate.spec)])
        searcher.tell(Observation(candidate, problem.problem.point(candidate, error)))
        told.append([dict(candidate.spec.choices), error])
    return {"run": "earlier", "space": problem.problem.space.name, "trials": told}


def trainings_to(problem: TableProblem, seed: int, knowledge: dict[str, Any] | None) -> list[int]:
    """Trainings until each share is reached, `MOST_TRAININGS` where it is not."""
    searcher = SEARCHERS.get(SEARCHER)(problem.problem, seed)
    if knowledge:
        searcher.learn_from(Earlier(knowledge, problem.problem))
    trained: list[int] = []
    needed = [MOST_TRAININGS] * len(REACHED)
    for number in range(1, MOST_TRAININGS + 1):
        candidate = searcher.ask()
        row = problem.row(candidate.spec)
        searcher.tell(Observation(candidate, problem.point(candidate)))
        trained.append(row)
        score = problem.share(trained)
        needed = [
            min(count, number) if score >= share else count
            for count, share in zip(needed, REACHED, strict=True)
        ]
        if max(needed) < MOST_TRAININGS:
            break
    return needed


if __name__ == "__main__":
    main()
