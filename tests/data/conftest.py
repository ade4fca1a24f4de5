from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

Arrays = tuple[np.ndarray, np.ndarray]


@pytest.fixture
def images() -> Callable[..., Arrays]:
    """A maker of n different 6x5 RGB images in three equally large classes."""

    def make(n: int = 90, seed: int = 0, shape: tuple[int, ...] = (6, 5, 3)) -> Arrays:
        rng = np.random.default_rng(seed)
        return rng.integers(0, 256, (n, *shape), np.uint8), np.arange(n) % 3

    return make
