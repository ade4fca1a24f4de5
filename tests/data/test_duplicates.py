from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from edgenas.data import Dataset, Duplicates, from_arrays
from edgenas.data.duplicates import example_hashes
from edgenas.errors import DataError


def shared(data: Dataset, first: str, second: str) -> int:
    rows = [{image.tobytes() for image in data.splits[part].x} for part in (first, second)]
    return len(rows[0] & rows[1])


def test_a_few_copies_are_dropped_from_train_and_reported(images: Callable) -> None:
    (x, y), (xt, yt) = images(300), images(300, 1)
    x[[5, 9, 200]] = xt[[0, 1, 1]]
    data = from_arrays(x, y, validation=images(60, 2), test=(xt, yt))
    assert data.duplicates == Duplicates(train=3, validation=0)
    assert len(data.train) == 297 and np.array_equal(data.test.x, xt)
    assert data.warnings == (
        "3 train images were dropped because they stand in test too (first: train 5, 9, 200)",
    )
    assert np.array_equal(data.train.x, np.delete(x, [5, 9, 200], axis=0))
    assert np.array_equal(data.train.y, np.delete(y, [5, 9, 200]))


def test_more_than_one_percent_is_an_error_unless_dropping_is_asked_for(images: Callable) -> None:
    (x, y), (xt, yt) = images(300), images(300, 1)
    x[:4] = xt[10:14]
    with pytest.raises(
        DataError, match=r"4 of 300 test .*1.3%.*first: test 10, 11, 12 \.\.\..*drop_duplicates"
    ):
        from_arrays(x, y, validation=images(60, 2), test=(xt, yt))
    data = from_arrays(x, y, validation=images(60, 2), test=(xt, yt), drop_duplicates=True)
    assert data.duplicates.train == 4 and shared(data, "train", "test") == 0


def test_test_wins_over_validation_and_validation_over_train(images: Callable) -> None:
    x, y = images(30)
    (xv, yv), (xt, yt) = images(30, 1), images(30, 2)
    xv[0] = x[0] = xt[0]
    xv[1] = x[1]
    data = from_arrays(x, y, validation=(xv, yv), test=(xt, yt), drop_duplicates=True)
    assert [len(split) for split in data.splits.values()] == [28, 29, 30]
    assert data.duplicates == Duplicates(train=2, validation=1) and len(data.warnings) == 3


def test_given_splits_are_compared_before_anything_is_cut(images: Callable) -> None:
    (x, y), (xt, yt) = images(300), images(300, 1)
    x[:4] = xt[:4]
    with pytest.raises(DataError, match=r"4 of 300 test images .* stand in train too"):
        from_arrays(x, y, test=(xt, yt))
    data = from_arrays(x, y, test=(xt, yt), drop_duplicates=True)
    assert data.duplicates == Duplicates(train=4)
    assert len(data.train) + len(data.validation) == 296


@pytest.mark.parametrize("seed", range(3))
def test_splits_that_edgenas_cuts_share_no_image(images: Callable, seed: int) -> None:
    x, y = images(300)
    x[150:] = x[:150]
    data = from_arrays(x, y, seed=seed, drop_duplicates=True)
    for pair in (("train", "test"), ("train", "validation"), ("validation", "test")):
        assert shared(data, *pair) == 0
    dropped = data.duplicates.train + data.duplicates.validation
    assert dropped > 0 and sum(len(split) for split in data.splits.values()) == 300 - dropped


def test_copies_within_one_split_stay(images: Callable) -> None:
    x, y = images(60)
    x[30:] = x[:30]
    data = from_arrays(x, y, validation=images(60, 1), test=images(60, 2))
    assert len(data.train) == 60 and data.duplicates == Duplicates()


def test_a_class_lost_by_dropping_is_an_error(images: Callable) -> None:
    (x, y), (xt, yt) = images(30), images(30, 1)
    x[y == 2] = xt[0]
    with pytest.raises(DataError, match=r"class 2 .* has no training images"):
        from_arrays(x, y, validation=images(30, 2), test=(xt, yt), drop_duplicates=True)


def test_nothing_left_of_train_is_an_error(images: Callable) -> None:
    with pytest.raises(DataError, match=r"no training images are left"):
        from_arrays(*images(30), validation=images(30, 2), test=images(30), drop_duplicates=True)


def test_hashes_tell_images_apart_by_their_pixels(images: Callable) -> None:
    x, _ = images(50)
    assert len(set(example_hashes(x).tolist())) == 50
    assert np.array_equal(example_hashes(x[::2]), example_hashes(np.ascontiguousarray(x))[::2])
