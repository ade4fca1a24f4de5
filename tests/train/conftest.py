"""Digits, a network of a few hundred parameters, and a short recipe."""

from __future__ import annotations

import pytest

from edgenas.arch.spec import ArchSpec, Block
from edgenas.data.dataset import Dataset
from edgenas.data.load import load_dataset
from edgenas.train.recipe import Recipe


@pytest.fixture(scope="session")
def digits() -> Dataset:
    return load_dataset("digits")


@pytest.fixture(scope="session")
def small_spec() -> ArchSpec:
    blocks = (
        Block("stem", {"filters": 8, "kernel": 3, "stride": 1}),
        Block("ds", {"filters": 24, "kernel": 3, "stride": 2, "skip": False}),
        Block("head", {"classes": 10}),
    )
    return ArchSpec("by hand", (8, 8, 1), 10, blocks, {})


@pytest.fixture(scope="session")
def short(digits: Dataset) -> Recipe:
    return Recipe(epochs=2, images_per_epoch=len(digits.train), batch_size=32)
