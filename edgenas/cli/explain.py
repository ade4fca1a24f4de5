"""``edgenas explain``: which choices mattered, what a step up costs, what a larger budget would bring."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

HELP = "explain a run: which choices mattered, what a step up costs, what a larger budget would bring"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The run folder."""
    parser.add_argument("run", type=Path, metavar="RUN", help="run folder that 'edgenas search' made")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Explain it as it is now.

    Raises:
        StoreError: There is no run.
    """
    from edgenas.report.explained import Explanation
    from edgenas.report.run import read_run
    from edgenas.store import Store

    with Store.read(args.run) as store:
        read = read_run(store)
    explanation = Explanation(read)
    return {**explanation.document(), "text": explanation.text()}


def show(document: dict[str, Any]) -> None:
    """Print it for people."""
    from rich.console import Console
    from rich.markup import escape

    console = Console(highlight=False)
    for heading, lines in document["text"].items():
        console.print(f"[bold]{escape(heading)}[/bold]")
        for line in lines:
            console.print(f"  {escape(line)}", soft_wrap=True)
