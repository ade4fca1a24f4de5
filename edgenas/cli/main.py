"""The command ``edgenas``: finds the verb, prints its document, turns errors into exit codes.

A verb is a module of this package with ``HELP``, ``add_arguments(parser)``, ``run(args) -> dict``
and ``show(document)``. Everything heavy is imported inside ``run``.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
from collections.abc import Sequence
from importlib import metadata
from types import ModuleType

from edgenas.errors import EdgenasError, UsageError

VERBS = (
    "search", "resume", "watch", "serve", "train", "report", "explain", "export", "quantize", "verify",
    "estimate", "profile", "measure", "sweep", "devices", "doctor", "runs", "merge",
)  # fmt: skip

OK, FAILED, WRONG_USE, INTERRUPTED = 0, 1, 2, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        0 if it did what was asked, 1 if it failed, 2 if it was called wrongly, 130 if interrupted.
    """
    parser, modules = make_parser()
    args = parser.parse_args(argv)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    verb = modules[args.verb]
    try:
        document = verb.run(args)
    except UsageError as error:
        return complain(error, WRONG_USE)
    except EdgenasError as error:
        return complain(error, FAILED)
    except KeyboardInterrupt as stop:
        print(f"edgenas: interrupted; nothing finished is lost. {stop}".rstrip(), file=sys.stderr)
        return INTERRUPTED
    if args.json:
        json.dump(document, sys.stdout, indent=2)
        print()
    else:
        verb.show(document)
    return int(document.get("exit_code", OK))


def make_parser() -> tuple[argparse.ArgumentParser, dict[str, ModuleType]]:
    """The parser of all verbs, and their modules."""
    parser = argparse.ArgumentParser(
        prog="edgenas",
        description="Neural architecture search for edge devices, from data to verified files.",
    )
    parser.add_argument("--version", action="version", version=f"edgenas {metadata.version('edgenas')}")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="COMMAND")
    modules = {name: importlib.import_module(f"edgenas.cli.{name}") for name in VERBS}
    for name, module in modules.items():
        verb = verbs.add_parser(name, help=module.HELP, description=module.HELP)
        module.add_arguments(verb)
        verb.add_argument(
            "--json", action="store_true", help="print one JSON document, logs on standard error"
        )
    return parser, modules


def complain(error: EdgenasError, code: int) -> int:
    """Print an error as one line on standard error and hand its exit code on.

    What it quotes of a file may hold codes that change a terminal; they are shown as question marks.
    """
    line = " ".join(str(error).split())
    shown = "".join(letter if letter.isprintable() else "?" for letter in line)
    print(f"edgenas: {shown}", file=sys.stderr)
    return code
