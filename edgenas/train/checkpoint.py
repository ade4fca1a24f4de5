"""Where a training stands after an epoch, in one file, so that it goes on after a kill as if there was none.

The order of images and their augmentation are functions of seed and epoch (`edgenas.train.batches`), so
weights, the optimizer's variables, averages and the history are all there is to keep.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from edgenas.data.files import UNREADABLE
from edgenas.errors import StoreError
from edgenas.train.weights import write_arrays

SCHEMA_VERSION = 1

Arrays = dict[str, list[np.ndarray]]


@dataclass
class Standing:
    """Where a training stands.

    Attributes:
        key: Names network, recipe and data; another training's standing is of no use.
        facts: History, counters and times: whatever fits JSON.
        arrays: Lists of arrays by name: variables of model and optimizer, averages, best weights.
    """

    key: str
    facts: dict[str, Any] = field(default_factory=dict)
    arrays: Arrays = field(default_factory=dict)


class Checkpoint:
    """One file that holds the standing of one training.

    Args:
        path: The file, ``.npz``; nothing is read or written before a method is called.
        key: Names the training; see `Standing`.
    """

    def __init__(self, path: Path, key: str) -> None:
        self.path, self.key = path, key

    def save(self, standing: Standing) -> None:
        """Replace the file in one step.

        Raises:
            StoreError: The place cannot be written to.
        """
        document = {"schema": SCHEMA_VERSION, "key": standing.key, "facts": standing.facts}
        flat: dict[str, Any] = {"standing": np.array(json.dumps(document))}
        for name, arrays in standing.arrays.items():
            flat |= {f"{name}.{position:05d}": array for position, array in enumerate(arrays)}
        try:
            write_arrays(self.path, flat)
        except OSError as error:
            raise StoreError(
                f"checkpoint {self.path} cannot be written: {error.strerror or error}; free space and resume"
            ) from None

    def load(self) -> Standing | None:
        """What was saved, or None where there is nothing that this training could go on from."""
        try:
            with np.load(self.path, allow_pickle=False) as archive:
                document = json.loads(str(archive["standing"]))
                if document["schema"] != SCHEMA_VERSION or document["key"] != self.key:
                    return None
                arrays: Arrays = {}
                for entry in sorted(set(archive.files) - {"standing"}):
                    arrays.setdefault(entry.split(".")[0], []).append(archive[entry])
        except (*UNREADABLE, KeyError, TypeError):
            return None
        return Standing(self.key, document["facts"], arrays)
