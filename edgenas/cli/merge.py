"""``edgenas merge``: runs of the same problem as one."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

HELP = "join runs of the same problem (data, split, space, budgets, device) into a new run"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The runs, and where to."""
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="run folders, two or more")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the new run")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Join them and write the report of the new run."""
    from edgenas.merging import merge
    from edgenas.report import write_report

    origins = merge(args.runs, args.out)
    write_report(args.out)
    return {"run": str(args.out), "origins": origins}


def show(document: dict[str, Any]) -> None:
    """Print what came from where."""
    for origin in document["origins"]:
        trials = list(origin["trials"].values())
        where = f"{trials[0]} to {trials[-1]}" if trials else "none that is new"
        print(f"{origin['run']}: {len(trials)} trials ({where})")
    run = document["run"]
    print(f"report: {run}/report.html; 'edgenas resume {run}' trains and exports winners of all of them")
