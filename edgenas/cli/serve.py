"""``edgenas serve``: a run as a web page that only reads and updates while the run goes on."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from pathlib import Path
from typing import Any

HELP = "show a run as a local web page while it goes on; reads only"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The run folder, where to listen, and who may look."""
    add = parser.add_argument
    add("run", type=Path, metavar="RUN", help="run folder that 'edgenas search' made")
    add("--port", type=int, default=8484, help="port to listen on; 0 takes a free one (default: 8484)")
    add("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1, this machine alone)")
    add(
        "--token", nargs="?", const="",
        help="what visitors must know; needed for any host but this machine, made up if left empty "
        "(or in the environment as EDGENAS_TOKEN, where process lists do not show it)",
    )  # fmt: skip


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Serve until interrupted.

    Raises:
        ConfigError: The port is in use, or a token is missing or short.
        StoreError: There is no run.
    """
    from edgenas.live.access import made_up_token
    from edgenas.live.server import LiveServer

    token = args.token if args.token is not None else os.environ.get("EDGENAS_TOKEN")
    if token == "":
        token = made_up_token()
    with LiveServer(args.run, args.host, args.port, token) as server:
        print(f"{args.run} at {server.url()}  (Ctrl-C ends it)", file=sys.stderr, flush=True)
        with contextlib.suppress(KeyboardInterrupt):  # serving ends so
            server.serve_forever(poll_interval=0.2)
        return {"run": str(args.run), "url": server.url(with_token=False)}


def show(document: dict[str, Any]) -> None:
    """Nothing more."""
