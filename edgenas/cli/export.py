"""``edgenas export``: artifacts of one trial or of all winners."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path
from typing import Any

HELP = "write the TFLite and ONNX files of one trial, or of all winners, to a folder"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The run folder, which trial, where to."""
    parser.add_argument("run", type=Path, metavar="RUN", help="run folder that 'edgenas search' made")
    parser.add_argument("--trial", metavar="ID", help="one trial (default: all winners)")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder that gets a folder a trial"
    )


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Copy finished bundles of winners; export any other trial with its weights from the search.

    Raises:
        StoreError: No such trial, or no winner has artifacts yet.
    """
    from edgenas.errors import StoreError
    from edgenas.export.folder import replaced_folder
    from edgenas.export.manifest import MANIFEST_NAME
    from edgenas.store import Store, storage_errors

    exported = []
    with Store.read(args.run) as store:
        finished = {winner.trial_id for winner in store.winners() if winner.manifest is not None}
        chosen = [args.trial] if args.trial else sorted(finished)
        if not chosen:
            raise StoreError(f"{args.run} has no winners yet; finish it with 'edgenas resume {args.run}'")
        for trial_id in chosen:
            target = args.out / trial_id
            if trial_id in finished:
                with replaced_folder(target, MANIFEST_NAME) as folder, storage_errors(target):
                    shutil.copytree(args.run / "winners" / trial_id, folder, dirs_exist_ok=True)
            else:
                _export_from_search(store, trial_id, target)
            exported.append({"trial": trial_id, "folder": str(target), "files": _files(target)})
    return {"run": str(args.run), "exported": exported}


def _export_from_search(store: Any, trial_id: str, target: Path) -> None:
    """Export a trial that is no winner: weights of the short training, test set left alone."""
    from edgenas.captured import captured
    from edgenas.errors import StoreError
    from edgenas.pipeline import begun_with

    with captured():  # TensorFlow greets on standard error
        import edgenas.search.tuner  # noqa: F401  all that greets, as in a search
        from edgenas.search.handover import export_trial

    record = store.trial(trial_id)
    if record.status != "completed":
        raise StoreError(f"trial {trial_id} is {record.status} and has no weights; choose a completed one")
    _, dataset = begun_with(store)
    export_trial(store, record, dataset, target)


def _files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def show(document: dict[str, Any]) -> None:
    """Print what was written."""
    for entry in document["exported"]:
        print(f"{entry['folder']}: {', '.join(entry['files'])}")
