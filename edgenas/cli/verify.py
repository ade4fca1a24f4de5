"""``edgenas verify``: the proof of a bundle again, anywhere."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

HELP = "check a bundle: checksums, test vectors in each runtime, C sources; with --data its figures"

WORDS = {True: "ok", False: "FAILED", None: "not tried"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The bundle, and data to measure on."""
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="folder with a manifest.json")
    parser.add_argument(
        "--data", metavar="DATA", help="measure the figures of its task on the test split of these data"
    )


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Check everything that can be checked here; the exit code is 1 if something failed.

    Raises:
        ConfigError: No manifest, a damaged one, or one that names files out of its bundle.
        DataError: Data that cannot be read, or of another shape.
    """
    from edgenas.deploy.checks import counts
    from edgenas.deploy.integrity import listed
    from edgenas.deploy.verify import verify
    from edgenas.export.manifest import read_manifest

    manifest = read_manifest(args.bundle)
    listed(manifest)  # refuses names that lead out of the bundle before any data are read
    dataset = _dataset(args.data, manifest, args.bundle) if args.data else None
    checks = verify(args.bundle, manifest, dataset)
    found = counts(checks)
    return {
        "bundle": str(args.bundle),
        "checks": [check.to_json() for check in checks],
        **found,
        "exit_code": 1 if found["failed"] else 0,
    }


def _dataset(name: str, manifest: Any, bundle: Path) -> Any:
    """The data, read and split as when the bundle was made; what is larger than memory goes beside it."""
    from edgenas.config import config_from
    from edgenas.data.load import load_dataset

    settings = manifest.description.get("data_loading", {}).get("settings", {})
    config = config_from({**settings, "data": name})
    return load_dataset(
        name,
        seed=config.seed,
        drop_duplicates=bool(config.drop_duplicates),
        reading=config.reading(cache=bundle.resolve().parent / ".data"),
        task=manifest.task.name,
        anomalous=config.anomalous or (),
        loss=config.loss,
    )


def show(document: dict[str, Any]) -> None:
    """Print a line a check and the sum."""
    checks = document["checks"]
    subject = max(len(check["subject"]) for check in checks)
    means = max(len(check["means"]) for check in checks)
    for check in checks:
        word = WORDS[check["passed"]]
        print(f"{word:9}  {check['subject']:{subject}}  {check['means']:{means}}  {check['detail']}")
    print(f"{document['passed']} passed, {document['failed']} failed, {document['not_tried']} not tried")
