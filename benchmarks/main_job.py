"""The main job on real data, from one command to verified files: does it keep its promises?

    python benchmarks/main_job.py demo [--json OUT] [--runs DIR]
    python benchmarks/main_job.py fashion-mnist [--json OUT] [--runs DIR]

`demo` is what `make demo` runs; goals: 4 minutes, 3 winners or more with 4 artifacts each, the best
97.5 % as int8 on the digits' test set. `fashion-mnist` has 30 minutes, 32 KiB of RAM and 64 KiB of
flash; goals: an int8 winner of 90.5 % on the test set, at most 0.5 points below float.

The best winner is the one that validation images choose; the test set chooses nothing.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path
from typing import Any

from edgenas.environment import machine, versions

JOBS: dict[str, dict[str, Any]] = {
    "demo": {
        "command": [
            "--data", "digits", "--ram-kib", "32", "--flash-kib", "32", "--trials", "20",
            "--winners", "8", "--seeds", "1",
        ],
        "goals": {"minutes": 4, "winners": 3, "artifacts_each": 4, "best_int8_test_accuracy": 0.975},
    },
    "fashion-mnist": {
        "command": [
            "--data", "fashion-mnist", "--space", "micro", "--ram-kib", "32", "--flash-kib", "64",
            "--minutes", "30",
        ],
        "goals": {"minutes": 30, "best_int8_test_accuracy": 0.905, "int8_loses_at_most": 0.005},
    },
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("job", choices=JOBS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--runs", type=Path, help="folder that keeps the run (default: a temporary one)")
    parser.add_argument("--json", type=Path, metavar="OUT")
    args = parser.parse_args()
    job = JOBS[args.job]
    folder = (args.runs or Path(tempfile.mkdtemp())) / f"{args.job}-{args.seed}"
    words = ["search", *job["command"], "--seed", str(args.seed), "--out", str(folder)]
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "edgenas", *words, "--json"], stdout=subprocess.PIPE, text=True, check=True
    )
    minutes = (time.perf_counter() - started) / 60
    document = {
        "benchmark": f"main_job {args.job}",
        "date": date.today().isoformat(),
        "command": " ".join(["edgenas", *words[:-2]]),
        "seed": args.seed,
        "goals": job["goals"],
        **figures(json.loads(done.stdout), minutes),
        "machine": machine(),
        "versions": versions(),
    }
    for name, value in document.items():
        if name not in ("machine", "versions", "winners"):
            print(f"{name}: {value}")
    for winner in document["winners"]:
        print("winner", winner)
    if args.json:
        args.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def figures(run: dict[str, Any], minutes: float) -> dict[str, Any]:
    """What came out, from the run's own document."""
    winners = [figures_of(winner) for winner in run["winners"]]
    best = next(winner for winner in winners if winner["best"])
    return {
        "minutes": round(minutes, 2),
        "trials": run["trials"],
        "winners_on_the_front": len(winners),
        "artifacts_each": min(winner["artifacts"] for winner in winners),
        "best_int8_test_accuracy": best["int8_test_accuracy"],
        "best_float_test_accuracy": best["float_test_accuracy"],
        "int8_loses": round(best["float_test_accuracy"] - best["int8_test_accuracy"], 5),
        "winners": winners,
    }


def figures_of(winner: dict[str, Any]) -> dict[str, Any]:
    """Accuracies, costs and files of one winner."""
    accuracy = {entry["file"]: entry["accuracy"] for entry in winner["files"]}
    cost = winner["cost"]
    return {
        "trial": winner["trial"],
        "best": winner["best"],
        "int8_test_accuracy": accuracy["model.int8.tflite"]["test"],
        "float_test_accuracy": accuracy["model.float32.tflite"]["test"],
        "int8_val_accuracy": accuracy["model.int8.tflite"]["validation"],
        "artifacts": len(winner["files"]),
        **{name: cost[name] for name in ("latency_ms", "peak_ram_bytes", "flash_bytes", "macs", "params")},
    }


if __name__ == "__main__":
    main()
