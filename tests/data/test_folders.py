from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgenas.data import Reading, load_dataset
from edgenas.errors import DataError


def fill(root: Path, classes: dict[str, int], mode: str = "RGB", size: tuple[int, int] = (6, 5)) -> None:
    """Write random images of (height, width) into class folders."""
    rng = np.random.default_rng(len(str(root)))
    for name, n in classes.items():
        (root / name).mkdir(parents=True, exist_ok=True)
        for number in range(n):
            shape = size if mode == "L" else (*size, 3)
            image = Image.fromarray(rng.integers(0, 256, shape, np.uint8))
            image.save(root / name / f"{number:03}.{('png', 'bmp')[number % 2]}")


def test_class_folders(tmp_path: Path) -> None:
    fill(tmp_path, {"dog": 10, "cat": 10})
    data = load_dataset(tmp_path)
    assert data.class_names == ("cat", "dog") and data.input_shape == (6, 5, 3)
    assert [len(split) for split in data.splits.values()] == [12, 4, 4]
    first = np.asarray(Image.open(tmp_path / "cat" / "000.png"))
    owner = [split for split in data.splits.values() if (split.x == first).all(axis=(1, 2, 3)).any()]
    assert len(owner) == 1 and owner[0].y[(owner[0].x == first).all(axis=(1, 2, 3))].tolist() == [0]


@pytest.mark.parametrize("word", ["validation", "val"])
def test_train_validation_and_test_folders(tmp_path: Path, word: str) -> None:
    fill(tmp_path / "train", {"a": 8, "b": 7})
    fill(tmp_path / word, {"a": 2, "b": 3})
    fill(tmp_path / "test", {"a": 4, "b": 2})
    data = load_dataset(tmp_path)
    assert [len(split) for split in data.splits.values()] == [15, 5, 6]
    assert np.bincount(data.test.y).tolist() == [4, 2]


def test_gray_files_give_one_channel_and_one_coloured_file_gives_three(tmp_path: Path) -> None:
    fill(tmp_path, {"a": 10, "b": 10}, mode="L")
    assert load_dataset(tmp_path).input_shape == (6, 5, 1)
    Image.new("RGB", (5, 6), (255, 0, 0)).save(tmp_path / "a" / "red.png")
    assert load_dataset(tmp_path).input_shape == (6, 5, 3)


def test_the_most_common_size_wins_and_is_reported(tmp_path: Path) -> None:
    fill(tmp_path, {"a": 10, "b": 10})
    Image.new("RGB", (50, 60), (9, 9, 9)).save(tmp_path / "a" / "large.jpg")
    data = load_dataset(tmp_path)
    assert data.input_shape == (6, 5, 3)
    assert data.warnings[0] == "1 of 21 images were resized to 6x5 (height x width)"
    assert load_dataset(tmp_path, size=(3, 4)).input_shape == (3, 4, 3)


def test_a_photo_is_turned_as_its_exif_says(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    fill(tmp_path, {"a": 10, "b": 10}, size=(5, 6))
    for file in (tmp_path / "a").iterdir():
        Image.open(file).save(file.with_suffix(".png"), exif=exif)
        file.with_suffix(".bmp").unlink(missing_ok=True)
    for file in (tmp_path / "b").iterdir():
        Image.open(file).rotate(-90, expand=True).save(file)
    data = load_dataset(tmp_path)
    assert data.input_shape == (6, 5, 3)
    stored = np.asarray(Image.open(tmp_path / "a" / "000.png"))
    loaded = np.concatenate([split.x for split in data.splits.values()])
    assert (loaded == np.rot90(stored, -1)).all(axis=(1, 2, 3)).sum() == 1


def test_an_orientation_that_is_no_number_turns_nothing(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    fill(tmp_path, {"a": 10, "b": 10}, size=(5, 6))
    for file in list((tmp_path / "a").iterdir()):
        photo = file.with_suffix(".jpg")
        Image.open(file).convert("RGB").save(photo, exif=exif)
        content = photo.read_bytes()
        photo.write_bytes(
            content.replace(b"\x12\x01\x03\0", b"\x12\x01\x02\0").replace(
                b"\x01\x12\0\x03", b"\x01\x12\0\x02"
            )
        )
        assert photo.read_bytes() != content  # a text now
        file.unlink()
    assert load_dataset(tmp_path).input_shape == (5, 6, 3)


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    fill(tmp_path, {"car": 10, "train": 10})
    assert load_dataset(tmp_path).class_names == ("car", "train")


def test_other_files_are_left_out_and_reported(tmp_path: Path) -> None:
    fill(tmp_path, {"a": 10, "b": 10})
    (tmp_path / "a" / "notes.txt").write_text("x")
    (tmp_path / "a" / ".hidden").write_text("x")
    assert "1 entries that are no PNG, JPEG or BMP were left out" in load_dataset(tmp_path).warnings[0]


@pytest.mark.parametrize("content", [b"", b"no image", None])
def test_an_unreadable_image_is_named(tmp_path: Path, content: bytes | None) -> None:
    fill(tmp_path, {"a": 10, "b": 10}, size=(40, 40))
    file = tmp_path / "b" / "004.png"
    file.write_bytes(file.read_bytes()[:2000] if content is None else content)
    with pytest.raises(DataError, match=r"b/004.png' cannot be read .*mend or remove it"):
        load_dataset(tmp_path)


def test_sixteen_bit_images_are_refused(tmp_path: Path) -> None:
    fill(tmp_path, {"a": 10, "b": 10})
    Image.fromarray(np.full((6, 5), 40_000, np.uint16)).save(tmp_path / "a" / "deep.png")
    with pytest.raises(DataError, match=r"deep.png' has more than 8 bits"):
        load_dataset(tmp_path)


def test_layout_faults_say_what_is_expected(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds no subfolders"):
        load_dataset(tmp_path)
    fill(tmp_path / "one", {"test": 2})
    with pytest.raises(DataError, match=r"test/ but no train/"):
        load_dataset(tmp_path / "one")
    fill(tmp_path / "two" / "train", {"a": 5, "b": 5})
    fill(tmp_path / "two" / "test", {"a": 5, "c": 5})
    with pytest.raises(DataError, match=r"class 'c' of test has no folder in train"):
        load_dataset(tmp_path / "two")
    fill(tmp_path / "three" / "train", {"a": 5, "b": 5})
    fill(tmp_path / "three", {"extra": 5})
    with pytest.raises(DataError, match=r"holds extra, train; expected only train"):
        load_dataset(tmp_path / "three")
    fill(tmp_path / "four", {"a": 5, "b": 0})
    with pytest.raises(DataError, match=r"four/b' holds no images"):
        load_dataset(tmp_path / "four")
    fill(tmp_path / "five", {"train": 5, "test": 5})
    with pytest.raises(DataError, match=r"no images; expected class folders"):
        load_dataset(tmp_path / "five")
    fill(tmp_path / "six", {"only": 9})
    with pytest.raises(DataError, match=r"all images have one class"):
        load_dataset(tmp_path / "six")


def test_too_much_memory_is_refused_before_reading(tmp_path: Path) -> None:
    fill(tmp_path, {"a": 10, "b": 10})
    little = Reading(memory_bytes=20 * 6 * 5 * 3 - 1)
    with pytest.raises(DataError, match=r"20 images of shape \(6, 5, 3\) take .* give a cache folder"):
        load_dataset(tmp_path, reading=little)
    assert load_dataset(tmp_path, size=(3, 3), reading=little).input_shape == (3, 3, 3)
