"""The plain C of a bundle as a library that Python calls."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from edgenas.deploy.compilers import STRICT

needs_gcc = pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")


def shared_library(folder: Path, home: Path) -> ctypes.CDLL:
    """Compile a folder ``c`` of a bundle."""
    library = home / "model.so"
    words = ["gcc", *STRICT, "-O2", "-fPIC", "-shared", *sorted(folder.glob("*.c")), "-o", library]
    subprocess.run([str(word) for word in words], check=True)
    return ctypes.CDLL(str(library))


def pointer(array: np.ndarray) -> ctypes.c_void_p:
    """The address of an array, which must live on while C uses it."""
    return ctypes.c_void_p(array.ctypes.data)


def in_c(
    library: ctypes.CDLL, function: str, values: np.ndarray, out: np.ndarray | None = None
) -> np.ndarray:
    """Call ``function(const values *, out *)`` for each entry; by default int8 comes out, one a value."""
    out = np.zeros(values.shape, np.int8) if out is None else out
    for one, target in zip(values, out, strict=True):
        kept = np.ascontiguousarray(one)
        getattr(library, function)(pointer(kept), pointer(target))
    return out
