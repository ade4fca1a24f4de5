"""``edgenas runs``: which runs there are."""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

HELP = "list the runs in a folder: status, data, device, trials, best accuracy, age"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The folder that holds the run folders."""
    parser.add_argument(
        "folder", nargs="?", type=Path, default=Path("runs"), metavar="FOLDER",
        help="folder with run folders, or a run folder (default: runs)",
    )  # fmt: skip


def run(args: argparse.Namespace) -> dict[str, Any]:
    """The runs, the latest first.

    Raises:
        StoreError: There is no such folder.
    """
    from edgenas.database import DATABASE
    from edgenas.errors import StoreError

    if not args.folder.is_dir():
        raise StoreError(f"there is no folder {args.folder}; 'edgenas search' makes runs under runs/")
    folders = [folder for folder in (args.folder, *sorted(args.folder.iterdir())) if folder.is_dir()]
    runs = [_describe(folder) for folder in folders if (folder / DATABASE).exists()]
    runs.sort(key=lambda entry: -(entry["last_active"] or 0.0))
    return {"folder": str(args.folder), "runs": runs}


def _describe(folder: Path) -> dict[str, Any]:
    """One run; one that cannot be read is listed with the reason."""
    from edgenas.errors import StoreError
    from edgenas.lock import FolderLock
    from edgenas.store import Store

    entry: dict[str, Any] = {"run": str(folder), "status": "unreadable", "problem": None, "last_active": None}
    try:
        with Store.read(folder) as store:
            status, tally = store.meta("status") or "begun", store.tally()
            if status != "done" and not FolderLock.is_held(folder):
                status = f"stopped while {status}"
            entry.update(
                status=status,
                data=(store.meta("data") or {}).get("name"),
                device=(store.meta("device") or {}).get("id"),
                space=store.meta("space"),
                seed=store.meta("seed"),
                trials=dict(tally.counts),
                best_val_accuracy=tally.best_val_accuracy,
                began=tally.began,
                last_active=tally.last,
            )
    except StoreError as error:
        entry["problem"] = str(error)
    return entry


def show(document: dict[str, Any]) -> None:
    """Print a table, one line a run."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(highlight=False)
    if not document["runs"]:
        console.print(f"no runs in {escape(document['folder'])}")
        return
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("run", "status", "data", "device"):
        table.add_column(heading, overflow="fold")
    for heading in ("trials", "failed", "best", "active"):
        table.add_column(heading, justify="right", no_wrap=True)
    for entry in document["runs"]:
        table.add_row(*(escape(cell) for cell in _cells(entry)))
    console.print(table)
    for entry in document["runs"]:
        if entry["problem"]:
            console.print(escape(f"{entry['run']}: {entry['problem']}"), soft_wrap=True)


def _cells(entry: Mapping[str, Any]) -> list[str]:
    trials, best = entry.get("trials", {}), entry.get("best_val_accuracy")
    ended = sum(number for status, number in trials.items() if status != "running")
    return [
        entry["run"],
        entry["status"],
        entry.get("data") or "",
        entry.get("device") or "",
        str(ended),
        str(trials.get("failed", 0)),
        "" if best is None else f"{100 * best:.1f} %",
        "" if entry["last_active"] is None else f"{_age(time.time() - entry['last_active'])} ago",
    ]


def _age(seconds: float) -> str:
    """A time span in its largest whole unit."""
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length:
            return f"{int(seconds // length)} {unit}"
    return f"{max(0, int(seconds))} s"
