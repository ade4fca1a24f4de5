"""One small bundle whose network has random weights: nothing is trained, TensorFlow is not loaded."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgenas.data import load_dataset
from edgenas.data.dataset import Dataset
from tests.deploy.small_bundle import Bundle, make_bundle


@pytest.fixture(scope="session")
def data() -> Dataset:
    return load_dataset("digits")


@pytest.fixture(scope="session")
def bundle(data: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Tests read it and leave it as it is."""
    return make_bundle(tmp_path_factory.mktemp("bundles") / "digits", data)


@pytest.fixture
def copied(bundle: Bundle, tmp_path: Path) -> Bundle:
    """The same bundle for tests that change it."""
    return replace(bundle, folder=bundle.copy_to(tmp_path / "copy"))


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)
