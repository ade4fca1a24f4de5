from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgenas.data import Dataset, Normalization, Split, check, from_arrays, load_dataset
from edgenas.errors import DataError

X = np.random.default_rng(0).integers(0, 256, (90, 6, 5, 3), np.uint8)
Y = np.arange(90) % 3
FLOATS = X.astype(np.float32)
WITH_NAN = FLOATS.copy()
WITH_NAN[7, 1, 1, 1] = np.nan
WITH_INF = FLOATS.copy()
WITH_INF[8] = np.inf

FAULTS: list[tuple[dict[str, Any], str]] = [
    ({"x": X[:80], "y": Y}, "train: 80 images but 90 labels were given; expected one per image"),
    ({"x": X.reshape(90, -1), "y": Y, "kind": "image"}, r"shape \(90, 90\) .* \(n, height, width\) or"),
    ({"x": X[..., None], "y": Y}, r"shape \(90, 6, 5, 3, 1\) were given; expected"),
    ({"x": X[:, :0], "y": Y}, "expected no axis of length 0"),
    ({"x": X[:0], "y": Y[:0]}, "train: there are no images"),
    ({"x": X.astype(str), "y": Y}, "images of type <U.* were given; expected numbers"),
    ({"x": WITH_NAN, "y": Y}, "1 images hold NaN or infinity, the first is image 7"),
    ({"x": WITH_INF, "y": Y}, "1 images hold NaN or infinity, the first is image 8"),
    ({"x": X.astype(float) * 1e300, "y": Y}, "as float32: .* hold NaN or infinity"),
    ({"x": X, "y": np.zeros(90, int)}, "all images have one class; expected at least 2"),
    ({"x": X, "y": Y / 2}, "labels of type float64 were given; expected integers"),
    ({"x": X, "y": np.array(["a", "b", "c"])[Y]}, r"np.unique\(y, return_inverse=True\)"),
    ({"x": X, "y": np.eye(3)[Y]}, r"y.argmax\(axis=1\)"),
    ({"x": X, "y": Y.reshape(90, 1, 1)}, r"labels of shape \(90, 1, 1\)"),
    ({"x": X, "y": Y - 1}, "label -1 of image 0 is negative"),
    ({"x": X, "y": Y * 2}, r"class 1 \('1'\) has no training images"),
    ({"x": X, "y": Y, "x_test": X[:9] ^ 1, "y_test": Y[:9] + 5}, "test: label 7 of image 2 is out of range"),
    ({"x": X, "y": Y, "class_names": ["a", "b"]}, "out of range; expected 0 to 1"),
    ({"x": X, "y": Y, "class_names": list("abcd")}, r"class 3 \('d'\) has no training images"),
    ({"x": X, "y": Y, "x_test": X[:0], "y_test": Y[:0]}, "test: there are no images"),
    ({"x": X[:2], "y": Y[:2]}, "validation: there are no images|test: there are no images"),
    ({"x": X, "y": Y, "x_val": X[:9, :4] ^ 1, "y_val": Y[:9]}, r"validation: images of shape \(4, 5, 3\)"),
    ({"x": X, "y": Y, "x_test": FLOATS[:9] / 255, "y_test": Y[:9]}, "test: images of type float32"),
    ({"x": np.full_like(X, 7), "y": Y}, "stand in|all values of the training images are 7"),
    ({"x": X, "y": Y, "x_test": X[:9], "y_test": Y[:9]}, r"9 of 9 test images \(100.0%\) stand in train too"),
    ({"x": X, "y": Y, "x_val": X[:9], "y_val": Y[:9]}, "9 of 9 validation images .* stand in train too"),
]


@pytest.mark.parametrize(("arrays", "message"), FAULTS, ids=[message[:40] for _, message in FAULTS])
def test_every_fault_is_found_by_loading(arrays: dict[str, Any], message: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "faulty.npz", **arrays)
    with pytest.raises(DataError, match=message) as caught:
        load_dataset(tmp_path / "faulty.npz")
    assert "\n" not in str(caught.value) and "faulty" in str(caught.value)


def test_lists_of_unequal_images_are_refused() -> None:
    with pytest.raises(DataError, match=r"different shapes"):
        from_arrays([np.zeros((4, 4)), np.zeros((5, 5))], [0, 1])


def test_clean_data_have_no_warnings(images: Callable) -> None:
    data = from_arrays(*images())
    assert data.warnings == () and check(data) == []


def test_types_are_made_uniform(images: Callable) -> None:
    x, y = images()
    data = from_arrays(x.astype(np.int64), y[:, None].astype(np.uint8))
    assert data.train.x.dtype == np.float32 and data.train.y.dtype == np.int64
    assert data.train.y.ndim == 1


def test_float_data_are_scaled_by_the_training_split_only(images: Callable) -> None:
    (x, y), (xt, yt) = images(), images(9, 1)
    data = from_arrays(x / 51 - 2.5, y, test=(xt * 100.0, yt))
    inputs = data.normalization.apply(data.train.x)
    assert inputs.min() == pytest.approx(0, abs=1e-6) and inputs.max() == pytest.approx(1, abs=1e-6)
    assert data.normalization.scale == pytest.approx(1 / np.ptp(data.train.x))


@pytest.mark.parametrize(
    ("scale", "offset"), [(0.0, 0.0), (-1.0, 0.0), (float("nan"), 0.0), (1.0, float("inf"))]
)
def test_a_senseless_normalization_is_refused(scale: float, offset: float) -> None:
    with pytest.raises(DataError, match=r"positive scale"):
        Normalization(scale, offset)


def test_dark_bytes_are_reported_unless_a_normalization_is_given(images: Callable) -> None:
    x, y = images()
    assert "network inputs reach only 0.06" in from_arrays(x // 16, y).warnings[0]
    assert from_arrays(x // 16, y, normalization=Normalization(1 / 15)).warnings == ()


def test_constant_images_are_refused() -> None:
    x, y = np.full((90, 4, 4), 7), Y
    for kind in (np.uint8, np.float32):
        with pytest.raises(DataError, match=r"all values .* are 7|no training images are left"):
            from_arrays(x.astype(kind), y, drop_duplicates=True)


def test_a_class_absent_from_test_is_a_warning(images: Callable) -> None:
    (x, y), (xt, yt) = images(), images(12, 1)
    data = from_arrays(x, y, test=(xt[yt != 1], yt[yt != 1]), class_names=("a", "b", "c"))
    assert data.warnings == ("test holds no image of 1 classes (first: 'b')",)


def by_hand(images: Callable) -> Dataset:
    return from_arrays(*images(300), test=images(300, 1))


def test_a_data_set_made_by_hand_is_checked_too(images: Callable) -> None:
    data = by_hand(images)
    cases = {
        "expected uint8 or float32, 4 axes and int64": Split(data.test.x[..., 0], data.test.y),
        "float64 images": Split(data.test.x.astype(float), data.test.y),
        "expected one per image": Split(data.test.x, data.test.y[1:]),
        r"expected \(6, 5, 3\) as in train": Split(data.test.x[:, 1:], data.test.y),
        "expected uint8 as in train": Split(data.test.x.astype(np.float32), data.test.y),
        "out of range": Split(data.test.x, data.test.y + 1),
    }
    for message, split in cases.items():
        with pytest.raises(DataError, match=message):
            check(replace(data, test=split))


def test_overlaps_of_a_data_set_made_by_hand(images: Callable) -> None:
    data = by_hand(images)
    x = data.test.x.copy()
    x[4:7] = data.train.x[:3]
    assert check(replace(data, test=Split(x, data.test.y))) == [
        "3 test images stand in train too (first: image 4)"
    ]
    x[7] = data.train.x[3]
    with pytest.raises(DataError, match=r"4 test images stand in train too .*at most 1% is expected"):
        check(replace(data, test=Split(x, data.test.y)))
