"""The accuracies of a bundle's files, measured again on data."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import cast

import numpy as np

from edgenas.captured import captured
from edgenas.data.dataset import Dataset
from edgenas.data.prepared import Prepared
from edgenas.deploy.checks import Check
from edgenas.deploy.verify_runtimes import RUNTIMES
from edgenas.export.manifest import Artifact, Manifest
from edgenas.export.parity import accuracy

ALLOWED = 0.005
"""Share of inputs on which kernels of another processor may choose another class."""


def accuracy_checks(folder: Path, manifest: Manifest, dataset: Dataset) -> Iterator[Check]:
    """Run each file on the whole test split.

    Data other than those that the manifest was made with are measured too, but not compared.
    """
    loading = manifest.description.get("data_loading", {})
    fingerprint = loading.get("fingerprint")
    other = "the manifest does not say on which data it was made, so not compared"
    if fingerprint is not None:
        other = "" if fingerprint == dataset.fingerprint else "not the data of the manifest, so not compared"
    shape = manifest.artifacts[0].input.shape[1:]
    inputs = cast(np.ndarray, Prepared(dataset.test.x, dataset.normalization, tuple(shape)))
    for artifact in manifest.artifacts:
        package, name, load = RUNTIMES[artifact.format]
        if find_spec(package) is None:
            yield Check(artifact.file, name, None, f"{package} is not installed")
            continue
        with captured():
            found = accuracy(load((folder / artifact.file).read_bytes()).run(inputs), dataset.test.y)
        yield _compared(artifact, name, found, len(inputs), other)


def _compared(artifact: Artifact, name: str, found: float, number: int, other: str) -> Check:
    detail = f"{found:.2%} right on {number} test inputs"
    expected = artifact.accuracy.get("test")
    if other:
        return Check(artifact.file, name, True, f"{detail}; {other}")
    if expected is None:
        return Check(artifact.file, name, True, f"{detail}; the manifest has no figure to compare with")
    detail = f"{detail}, {expected:.2%} in the manifest"
    return Check(artifact.file, name, abs(found - expected) <= ALLOWED, detail)
