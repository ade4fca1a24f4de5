"""Digits, and a short recipe that trains a tiny network in a second or two."""

from __future__ import annotations

import pytest

from edgenas.data.dataset import Dataset
from edgenas.data.load import load_dataset
from edgenas.train.recipe import Recipe


@pytest.fixture(scope="session")
def digits() -> Dataset:
    return load_dataset("digits")


@pytest.fixture(scope="session")
def moment() -> Recipe:
    return Recipe(epochs=1, images_per_epoch=320, batch_size=32)
