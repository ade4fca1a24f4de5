"""``edgenas report``: the HTML report, also of a run that is still going."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from edgenas.cli.search import show, summary_of

__all__ = ["HELP", "add_arguments", "run", "show"]

HELP = "write the HTML report of a run, also of one still going, and print its summary"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The run folder."""
    parser.add_argument("run", type=Path, metavar="RUN", help="run folder that 'edgenas search' made")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Write the report and return the run's summary."""
    from edgenas.report import write_report

    write_report(args.run)
    return summary_of(args.run)
