"""``edgenas watch``: a run in the terminal while it goes on."""

from __future__ import annotations

import argparse
import contextlib
from pathlib import Path
from typing import Any

HELP = "look at a run in the terminal while it goes on; reads only"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The run folder and how often to look."""
    parser.add_argument("run", type=Path, metavar="RUN", help="run folder that 'edgenas search' made")
    parser.add_argument("--once", action="store_true", help="print one frame and end")
    parser.add_argument("--every", type=float, default=1.0, help="seconds between two looks (default: 1)")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Draw frames until the run is done or interrupted; returns the state at the end.

    Where standard output is no terminal, one frame is printed.

    Raises:
        ConfigError: ``--every`` is out of range.
        StoreError: There is no run.
    """
    from rich.console import Console

    from edgenas.errors import ConfigError
    from edgenas.live.following import Follower
    from edgenas.live.standing import standing
    from edgenas.live.terminal import frame, watch

    if not 0.1 <= args.every <= 3600:
        raise ConfigError(f"--every {args.every:g} was given; expected 0.1 to 3600 seconds")
    console = Console(highlight=False)
    with Follower(args.run) as follower:
        if not (args.once or args.json) and console.is_terminal:
            with contextlib.suppress(KeyboardInterrupt):  # looking at a run ends so
                watch(follower, console, args.every)
        else:
            follower.refresh()
        document = standing(follower)
        if not args.json:
            console.print(frame(follower, document, console))
    return document


def show(document: dict[str, Any]) -> None:
    """Nothing more: the frame has been printed."""
