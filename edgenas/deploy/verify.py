"""The proof of a bundle again, on any machine, with what is installed there; TensorFlow is not needed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from edgenas.data.dataset import Dataset
from edgenas.deploy.checks import Check
from edgenas.deploy.integrity import faults, listed
from edgenas.deploy.prove import prove_c
from edgenas.deploy.vectors import read_vectors
from edgenas.deploy.verify_accuracy import accuracy_checks
from edgenas.deploy.verify_runtimes import runtime_checks, step_checks
from edgenas.export.manifest import Manifest


def verify(folder: Path, manifest: Manifest, dataset: Dataset | None = None) -> list[Check]:
    """Check a bundle against its manifest.

    Nothing of a bundle is run or compiled unless every file is as the manifest says.

    Args:
        folder: The bundle.
        manifest: What it says of itself.
        dataset: Data to measure the figures of each file on again, or None.

    Raises:
        ConfigError: A name in the manifest leads out of the bundle, or its test vectors are damaged.
    """
    if wrong := faults(folder, manifest):
        return [Check(line.partition(": ")[0], "SHA-256", False, line.partition(": ")[2]) for line in wrong]
    checks = [Check("checksums", "SHA-256", True, f"{len(listed(manifest))} files")]
    if any(file.file.startswith("test_vectors/") for file in manifest.files):
        vectors = read_vectors(folder)
        checks += step_checks(manifest, vectors)
        checks += runtime_checks(folder, manifest, vectors)
        checks += _c_checks(folder)
    else:
        checks.append(Check("test vectors", "none", None, "this bundle brings none; export it again"))
    if dataset is not None:
        checks += accuracy_checks(folder, manifest, dataset)
    return checks


def _c_checks(folder: Path) -> Iterator[Check]:
    compiled, ran = prove_c(folder)
    for one in compiled:
        size = f", {one.text_bytes} bytes of code and constants" if one.text_bytes else ""
        detail = f"{one.compiler}{size}" if one.passed else one.note
        yield Check(f"C for {one.target}", "compiler", one.passed, detail)
    for place in ran:
        yield Check("C test vectors", place.place, place.passed, place.note)
