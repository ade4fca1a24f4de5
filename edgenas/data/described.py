"""What a run writes down of its data, as a plain document."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgenas.data.dataset import Dataset


def describe_data(dataset: Dataset) -> dict[str, Any]:
    """What the data are and what was done to them, for the store, the report and the summary.

    Args:
        dataset: Any.

    Returns:
        Name, fingerprint, sizes and classes; kind, normalization and front end; how many examples of
        each class the splits have; what was left out and warned about.
    """
    return {
        "name": dataset.name,
        "fingerprint": dataset.fingerprint,
        "train": len(dataset.train),
        "validation": len(dataset.validation),
        "test": len(dataset.test),
        "class_names": list(dataset.class_names),
        "input_shape": list(dataset.input_shape),
        "warnings": list(dataset.warnings),
        "kind": dataset.kind,
        "class_counts": {
            part: np.bincount(split.y, minlength=dataset.classes).tolist()
            for part, split in dataset.splits.items()
            if dataset.classes
        },
        "normalization": dataset.normalization.to_json(),
        "front_end": dataset.front_end.to_json() if dataset.front_end else None,
        "features": list(dataset.columns),
        "on_disk": dataset.on_disk,
        "skipped": list(dataset.skipped),
    }
