"""``edgenas resume``: go on after a stop of any kind."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from edgenas.cli.search import add_executor, add_tracking, show, summary_of

__all__ = ["HELP", "add_arguments", "run", "show"]

HELP = "continue a run after a stop of any kind"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The run folder, and where trainings go on."""
    parser.add_argument("run", type=Path, metavar="RUN", help="run folder that 'edgenas search' made")
    add_executor(parser)
    add_tracking(parser)


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Continue it and return the run's summary."""
    from edgenas.cli.progress import RichListener
    from edgenas.pipeline import resume
    from edgenas.tracking import tracked

    own = ("verb", "json", "run", "tensorboard", "mlflow")
    given = {name: value for name, value in vars(args).items() if name not in own}
    with RichListener() as listener, tracked(listener, args.run, args.tensorboard, args.mlflow) as told:
        resume(args.run, told, given)
        summary = summary_of(args.run)
        told.run_ended(summary)
    return summary
