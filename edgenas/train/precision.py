"""The GPU: whether there is one, its memory, and float16 on it (Micikevicius et al. 2018)."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path

from edgenas.errors import TrialError
from edgenas.train.recipe import Recipe

DEVICES = Path("/dev")
"""Where Linux has NVIDIA's GPUs as ``nvidia0``, ``nvidia1`` ...; known without importing a framework."""


def gpu_here() -> bool:
    """Whether this machine has a GPU that Keras could train on."""
    return any(DEVICES.glob("nvidia[0-9]*"))


@cache
def gpu_memory_gib() -> float | None:
    """Memory of this machine's smallest GPU in GiB, as ``nvidia-smi`` tells it; None without a GPU."""
    if not gpu_here():
        return None
    asked = ["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
    try:
        told = subprocess.run(asked, capture_output=True, text=True, check=True, timeout=30).stdout
        return min(float(line) for line in told.splitlines()) / 1024
    except (OSError, subprocess.SubprocessError, ValueError):
        return None


def use_precision(recipe: Recipe) -> None:
    """Set what the next model calculates in; a processor is slower in float16, so it is refused there.

    Raises:
        TrialError: Mixed precision was asked for on a machine without a GPU.
    """
    if not recipe.mixed_precision:
        return
    if not gpu_here():
        raise TrialError(
            "mixed precision was asked for, but there is no GPU here; leave it out, float32 is faster"
        )
    import keras

    keras.mixed_precision.set_dtype_policy("mixed_float16")
