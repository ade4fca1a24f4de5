from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgenas.data import load_dataset
from edgenas.errors import DataError


def test_x_and_y_are_split_in_three(tmp_path: Path, images: Callable) -> None:
    x, y = images(shape=(6, 5))
    np.savez(tmp_path / "mine.npz", x=x, y=y, class_names=["a", "b", "c"])
    data = load_dataset(tmp_path / "mine.npz")
    assert data.name == "mine" and data.class_names == ("a", "b", "c")
    assert data.input_shape == (6, 5, 1)
    assert [len(split) for split in data.splits.values()] == [54, 18, 18]
    rows = {image.tobytes() for split in data.splits.values() for image in split.x}
    assert rows == {image.tobytes() for image in x}


def test_given_splits_are_kept_as_they_are(tmp_path: Path, images: Callable) -> None:
    (x, y), (xv, yv), (xt, yt) = images(60, 0), images(9, 1), images(12, 2)
    np.savez(tmp_path / "d.npz", x_train=x, y_train=y, x_val=xv, y_val=yv, x_test=xt, y_test=yt)
    data = load_dataset(str(tmp_path / "d.npz"))
    assert np.array_equal(data.train.x, x) and np.array_equal(data.train.y, y)
    assert np.array_equal(data.validation.x, xv) and np.array_equal(data.validation.y, yv)
    assert np.array_equal(data.test.x, xt) and np.array_equal(data.test.y, yt)


def test_missing_keys_are_named(tmp_path: Path, images: Callable) -> None:
    x, y = images()
    np.savez(tmp_path / "a.npz", images=x, labels=y)
    with pytest.raises(DataError, match=r"holds images, labels; expected the keys x and y"):
        load_dataset(tmp_path / "a.npz")
    np.savez(tmp_path / "b.npz", x=x, y=y, x_test=x)
    with pytest.raises(DataError, match=r"holds x_test but not y_test"):
        load_dataset(tmp_path / "b.npz")


def test_unreadable_files_are_named(tmp_path: Path, images: Callable) -> None:
    x, y = images()
    with pytest.raises(DataError, match=r"absent.npz': there is no such file"):
        load_dataset(tmp_path / "absent.npz")
    (tmp_path / "text.npz").write_text("hello")
    with pytest.raises(DataError, match=r"text.npz' cannot be read"):
        load_dataset(tmp_path / "text.npz")
    (tmp_path / "empty.npz").write_bytes(b"")
    with pytest.raises(DataError, match=r"empty.npz' cannot be read"):
        load_dataset(tmp_path / "empty.npz")
    np.savez(tmp_path / "cut.npz", x=x, y=y)
    (tmp_path / "cut.npz").write_bytes((tmp_path / "cut.npz").read_bytes()[:-200])
    with pytest.raises(DataError, match=r"cut.npz' cannot be read"):
        load_dataset(tmp_path / "cut.npz")
    np.savez(tmp_path / "objects.npz", x=np.array([{}], object), y=y)
    with pytest.raises(DataError, match=r"objects.npz' cannot be read"):
        load_dataset(tmp_path / "objects.npz")
    np.save(tmp_path / "one.npy", x)
    (tmp_path / "one.npy").rename(tmp_path / "one.npz")
    with pytest.raises(DataError, match=r"is a single array"):
        load_dataset(tmp_path / "one.npz")


def test_other_files_and_wrong_paths_are_refused(tmp_path: Path) -> None:
    (tmp_path / "data.txt").write_text("1,2")
    with pytest.raises(DataError, match=r"is a file; expected a name, an .npz or .csv file, or a folder"):
        load_dataset(tmp_path / "data.txt")
    with pytest.raises(DataError, match=r"there is no such folder or file"):
        load_dataset(tmp_path / "nowhere")


def test_size_is_only_for_folders() -> None:
    with pytest.raises(DataError, match=r"only for a folder of images"):
        load_dataset("digits", size=(4, 4))
