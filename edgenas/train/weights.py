"""Weights of a network in a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from edgenas.data.files import UNREADABLE
from edgenas.errors import StoreError


def save_weights(path: Path, weights: list[np.ndarray]) -> None:
    """Write weights to an ``.npz`` file that is there whole or not at all."""
    write_arrays(path, {f"w{position:04d}": array for position, array in enumerate(weights)})


def load_weights(path: Path) -> list[np.ndarray]:
    """The weights that `save_weights` wrote, in the order of ``get_weights()``.

    Raises:
        StoreError: They are missing or damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            return [archive[name] for name in sorted(archive.files)]
    except UNREADABLE as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise StoreError(f"weights {path} cannot be read ({reason}); restore them, or train anew") from None


def write_arrays(path: Path, arrays: dict[str, Any]) -> None:
    """Write named arrays to an ``.npz`` file that is there whole or not at all.

    Raises:
        OSError: The place cannot be written to.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.tmp")
    try:
        with unfinished.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)
        unfinished.replace(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
