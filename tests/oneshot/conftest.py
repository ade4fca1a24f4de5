"""Digits, problems on them, and a gradient search of a few seconds."""

from __future__ import annotations

import pytest

from edgenas.config import RunConfig
from edgenas.data.dataset import Dataset
from edgenas.data.load import load_dataset
from edgenas.problem_of import make_problem
from edgenas.search.problem import Problem


@pytest.fixture(scope="session")
def digits() -> Dataset:
    return load_dataset("digits")


@pytest.fixture(scope="session")
def on_host(digits: Dataset) -> Problem:
    """Costs from a latency table."""
    return make_problem(RunConfig(data="digits"), digits)[0]


@pytest.fixture(scope="session")
def on_board(digits: Dataset) -> Problem:
    """Costs from a predictor."""
    return make_problem(RunConfig(data="digits", device="nucleo-l4r5zi", ram_kib=64, flash_kib=64), digits)[0]
