"""Data in one ``.npz`` file of NumPy arrays."""

from __future__ import annotations

import tokenize
import zipfile
import zlib
from pathlib import Path

import numpy as np

from edgenas.data.dataset import Source
from edgenas.data.disk import Array
from edgenas.data.kinds import kind_named
from edgenas.data.reading import Reading
from edgenas.errors import DataError
from edgenas.task import check_task

UNREADABLE = (
    OSError, ValueError, EOFError, MemoryError, RuntimeError, SyntaxError, tokenize.TokenError,
    zipfile.BadZipFile, zlib.error,
)  # fmt: skip
"""What NumPy and zipfile raise over a damaged archive, an encrypted one, or one that says it is enormous."""

EXPECTED = "x and y, or x_train, y_train and optionally x_test, y_test, x_val, y_val, class_names, kind"


def read_npz(path: Path, reading: Reading) -> Source:
    """Arrays of an ``.npz`` file.

    The keys are ``x`` and ``y``, or ``x_train`` and ``y_train`` as keras.datasets writes them; both
    may have ``x_val``, ``y_val``, ``x_test``, ``y_test``, ``class_names`` (text), ``kind`` (one text, such
    as ``series``) and ``task`` (one text, such as ``regression``) beside them. With kind ``audio``, ``x``
    holds the samples of clips, and their rate is the number ``sample_rate_hz`` of the file or of the
    reading.

    Args:
        path: The file.
        reading: Its ``kind`` and ``sample_rate_hz`` count here, and win over those of the file.

    Raises:
        DataError: The file is missing, unreadable, holds Python objects or lacks a key.
    """
    if not path.is_file():
        raise DataError(f"data '{path}': there is no such file; check the path")
    try:
        archive = np.load(path, allow_pickle=False)
        if isinstance(archive, np.ndarray):  # an .npy file under another name
            raise DataError(f"data '{path}' is a single array; expected an .npz file with {EXPECTED}")
        with archive:
            arrays = {key: archive[key] for key in archive.files}
        if other := [key for key, array in arrays.items() if not isinstance(array, np.ndarray)]:
            raise ValueError(f"'{other[0]}' is no array")
    except UNREADABLE as error:
        raise DataError(
            f"data '{path}' cannot be read ({_one_line(error)}); expected a whole .npz file of plain arrays, "
            "as np.savez writes it"
        ) from error
    train = _pair(path, arrays, "x_train", "y_train") or _pair(path, arrays, "x", "y")
    if train is None:
        keys = ", ".join(sorted(arrays)) or "nothing"
        raise DataError(f"data '{path}' holds {keys}; expected the keys {EXPECTED}")
    names = tuple(_words(path, arrays, "class_names")) if "class_names" in arrays else None
    kind, task = _word(path, arrays, "kind"), _word(path, arrays, "task")
    return Source(
        name=path.stem,
        train=train,
        validation=_pair(path, arrays, "x_val", "y_val"),
        test=_pair(path, arrays, "x_test", "y_test"),
        class_names=names,
        kind=reading.kind or (None if kind is None else kind_named(kind).name),
        sample_rate_hz=reading.sample_rate_hz or _rate(path, arrays),
        task=None if task is None else check_task(task),
    )


def _word(path: Path, arrays: dict[str, Array], key: str) -> str | None:
    """The one text under a key, or None."""
    if key not in arrays:
        return None
    if arrays[key].dtype.kind != "U" or arrays[key].size != 1:
        raise DataError(f"data '{path}': {key} of type {arrays[key].dtype} was found; expected one text")
    return _words(path, arrays, key)[0]


def _words(path: Path, arrays: dict[str, Array], key: str) -> list[str]:
    """All values under a key as texts."""
    try:
        return [str(value) for value in arrays[key].ravel()]
    except (SystemError, ValueError) as error:  # no characters of Unicode
        raise DataError(f"data '{path}': {key} holds no text ({_one_line(error)}); write it anew") from None


def _rate(path: Path, arrays: dict[str, Array]) -> int | None:
    """The sample rate that a file names, or None."""
    if "sample_rate_hz" not in arrays:
        return None
    rate = arrays["sample_rate_hz"]
    if rate.dtype.kind not in "ui" or rate.size != 1:
        raise DataError(f"data '{path}': sample_rate_hz {rate} was found; expected one whole number")
    return int(rate.item())


def _pair(path: Path, arrays: dict[str, Array], x: str, y: str) -> tuple[Array, Array] | None:
    if (x in arrays) != (y in arrays):
        present, absent = (x, y) if x in arrays else (y, x)
        raise DataError(f"data '{path}' holds {present} but not {absent}; expected both or neither")
    return (arrays[x], arrays[y]) if x in arrays else None


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
