from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgenas.data.split import VALIDATION_MAX, cut
from edgenas.errors import DataError

labels = st.lists(st.integers(0, 5), min_size=1, max_size=300).map(np.array)
seeds = st.integers(0, 1000)
flags = st.booleans()


@given(labels, seeds, flags, flags)
def test_every_image_is_in_exactly_one_split(y: np.ndarray, seed: int, validation: bool, test: bool) -> None:
    parts = cut(y, has_validation=validation, has_test=test, seed=seed)
    together = np.concatenate([parts.train, parts.validation, parts.test])
    assert np.array_equal(np.sort(together), np.arange(len(y)))
    assert not (validation and len(parts.validation)) and not (test and len(parts.test))


@given(labels, seeds)
def test_each_class_is_cut_by_its_share(y: np.ndarray, seed: int) -> None:
    parts = cut(y, has_validation=False, has_test=False, seed=seed)
    for label, size in enumerate(np.bincount(y)):
        counts = [int((y[part] == label).sum()) for part in (parts.train, parts.validation, parts.test)]
        assert size == 0 or counts[0] >= 1
        assert abs(counts[2] - 0.2 * size) <= 1.2
        assert abs(counts[1] - 0.2 * size) <= 1.6


@given(labels, seeds, flags)
def test_the_same_seed_gives_the_same_split(y: np.ndarray, seed: int, test: bool) -> None:
    first, second = (cut(y, has_validation=False, has_test=test, seed=seed) for _ in range(2))
    assert np.array_equal(first.train, second.train)
    assert np.array_equal(first.validation, second.validation)
    assert np.array_equal(first.test, second.test)


def test_another_seed_gives_another_split() -> None:
    y = np.arange(100) % 4
    first, second = (cut(y, has_validation=False, has_test=False, seed=seed) for seed in (0, 1))
    assert not np.array_equal(first.test, second.test)
    assert not np.array_equal(first.validation, second.validation)


def test_sixty_twenty_twenty_without_a_test_set() -> None:
    parts = cut(np.arange(1000) % 10, has_validation=False, has_test=False, seed=3)
    assert [len(parts.train), len(parts.validation), len(parts.test)] == [600, 200, 200]


def test_a_tenth_of_train_beside_a_given_test_set_and_never_more_than_the_maximum() -> None:
    small = cut(np.arange(1000) % 10, has_validation=False, has_test=True, seed=3)
    assert [len(small.train), len(small.validation), len(small.test)] == [900, 100, 0]
    large = cut(np.arange(150_000) % 3, has_validation=False, has_test=True, seed=3)
    assert len(large.validation) == VALIDATION_MAX


def test_a_negative_seed_is_refused() -> None:
    with pytest.raises(DataError, match=r"seed -1 was given; expected 0 or more"):
        cut(np.arange(10) % 2, has_validation=False, has_test=False, seed=-1)
