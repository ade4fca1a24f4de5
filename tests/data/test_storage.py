from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgenas.data import Dataset, Normalization, Split, from_arrays, load_arrays, save_arrays
from edgenas.errors import DataError, StoreError


@pytest.fixture
def data(images: Callable) -> Dataset:
    return from_arrays(*images(), name="mine", class_names=("a", "b", "c"))


def test_training_processes_get_what_was_saved(data: Dataset, tmp_path: Path) -> None:
    save_arrays(data, tmp_path / "new" / "data")
    found = load_arrays(tmp_path / "new" / "data")
    assert np.array_equal(found.train.x, data.train.x) and np.array_equal(found.train.y, data.train.y)
    assert np.array_equal(found.validation.x, data.validation.x)
    assert np.array_equal(found.validation.y, data.validation.y)
    assert isinstance(found.train.x, np.memmap) and not found.train.x.flags.writeable
    assert (found.name, found.class_names) == ("mine", ("a", "b", "c"))
    assert found.normalization == data.normalization and found.input_shape == (6, 5, 3)


def test_no_test_image_is_written(data: Dataset, tmp_path: Path) -> None:
    save_arrays(data, tmp_path)
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "data.json", "train_x.npy", "train_y.npy", "validation_x.npy", "validation_y.npy",
    ]  # fmt: skip
    written = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert data.train.x[0].tobytes() in written
    assert not any(image.tobytes() in written for image in data.test.x)


def test_the_same_data_are_not_written_again_and_other_data_are(
    data: Dataset, tmp_path: Path, images: Callable
) -> None:
    save_arrays(data, tmp_path)
    before = (tmp_path / "train_x.npy").stat().st_ino
    save_arrays(data, tmp_path)
    assert (tmp_path / "train_x.npy").stat().st_ino == before
    other = from_arrays(*images(seed=5))
    save_arrays(other, tmp_path)
    assert np.array_equal(load_arrays(tmp_path).train.x, other.train.x)


def test_an_incomplete_folder_is_refused_and_can_be_written_anew(data: Dataset, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no complete training data"):
        load_arrays(tmp_path)
    save_arrays(data, tmp_path)
    (tmp_path / "data.json").write_text("{")
    with pytest.raises(DataError, match=r"no complete training data"):
        load_arrays(tmp_path)
    save_arrays(data, tmp_path)
    assert len(load_arrays(tmp_path).train) == len(data.train)


def test_a_write_that_fails_half_way_leaves_nothing_that_looks_complete(
    data: Dataset, tmp_path: Path, images: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_arrays(data, tmp_path)

    def full(file: Path, array: np.ndarray) -> None:
        raise OSError("no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(np, "save", full)
        with pytest.raises(StoreError, match="no space left on device"):
            save_arrays(from_arrays(*images(seed=5)), tmp_path)
    with pytest.raises(DataError, match="no complete training data"):
        load_arrays(tmp_path)


def test_a_newer_schema_is_refused(data: Dataset, tmp_path: Path) -> None:
    save_arrays(data, tmp_path)
    document = json.loads((tmp_path / "data.json").read_text())
    (tmp_path / "data.json").write_text(json.dumps({**document, "schema": 99}))
    with pytest.raises(DataError, match=r"schema 99.*update edgenas"):
        load_arrays(tmp_path)


def test_a_folder_that_cannot_be_written_is_an_error(data: Dataset, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match=r"cannot be written"):
        save_arrays(data, tmp_path / "file")


def test_the_fingerprint_sees_every_part(data: Dataset) -> None:
    x, y = data.test.x.copy(), data.train.y.copy()
    x[0, 0, 0, 0] ^= 1
    y[0] = (y[0] + 1) % 3
    others = [
        replace(data, test=Split(x, data.test.y)),
        replace(data, train=Split(data.train.x, y)),
        replace(data, validation=data.test, test=data.validation),
        replace(data, normalization=Normalization(1 / 128)),
        replace(data, class_names=("x", "b", "c")),
        replace(data, test=Split(data.test.x.reshape(-1, 5, 6, 3), data.test.y)),
    ]
    assert len({data.fingerprint, *(other.fingerprint for other in others)}) == 7
    assert replace(data, name="other").fingerprint == data.fingerprint
