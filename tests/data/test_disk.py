"""Folders larger than memory should hold: decoded once, then read from disk as they are used."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgenas.data import Dataset, Reading, load_arrays, load_dataset, save_arrays
from edgenas.data import disk as disk_module
from edgenas.data.disk import rows_for
from edgenas.data.prepared import Prepared
from edgenas.data.resize import prepare
from edgenas.errors import DataError, StoreError
from tests.data.sounds import write_sounds

SIDE = 128


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """200 images of 48 KiB each."""
    root, rng = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    for at in range(200):
        file = root / f"class{at % 2}" / f"{at:03}.bmp"
        file.parent.mkdir(exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (SIDE, SIDE, 3), np.uint8)).save(file)
    return root


def little(cache: Path) -> Reading:
    return Reading(memory_bytes=100_000, cache=cache)


def test_memory_stays_bounded(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk_module, "CHUNK_BYTES", 2**18)
    tracemalloc.start()
    try:
        data = load_dataset(photos, reading=little(tmp_path))
        save_arrays(data, tmp_path / "training")
        assert len(data.fingerprint) == 64
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    whole = 200 * SIDE * SIDE * 3
    assert data.on_disk and peak < whole / 5, f"{peak:,} of {whole:,} bytes were in memory at once"


def test_they_are_the_same_data_as_in_memory(photos: Path, tmp_path: Path) -> None:
    in_memory, on_disk = load_dataset(photos), load_dataset(photos, reading=little(tmp_path))
    assert not in_memory.on_disk and on_disk.on_disk
    assert on_disk.fingerprint == in_memory.fingerprint
    assert on_disk.warnings[0].startswith("200 images take 9 MiB and are read from disk")
    save_arrays(on_disk, tmp_path / "training")
    found = load_arrays(tmp_path / "training")
    assert np.array_equal(found.train.x, in_memory.train.x)
    assert (tmp_path / "training" / "train_x.npy").stat().st_nlink == 2  # no second copy


def test_they_are_decoded_once_and_again_when_a_file_changes(photos: Path, tmp_path: Path) -> None:
    first = load_dataset(photos, reading=little(tmp_path))
    (folder,) = tmp_path.iterdir()
    before = {file.name: file.stat().st_mtime_ns for file in folder.iterdir()}
    assert load_dataset(photos, reading=little(tmp_path)).fingerprint == first.fingerprint
    assert {file.name: file.stat().st_mtime_ns for file in folder.iterdir()} == before
    (folder / "decoded.json").write_text("{")  # damaged: decoded anew
    assert load_dataset(photos, reading=little(tmp_path)).fingerprint == first.fingerprint
    victim = photos / "class0" / "000.bmp"
    content = victim.read_bytes()
    try:
        victim.write_bytes(content[:-3] + b"abc")
        assert load_dataset(photos, reading=little(tmp_path)).fingerprint != first.fingerprint
    finally:
        victim.write_bytes(content)


def test_what_cannot_be_read_is_left_out_there_too(photos: Path, tmp_path: Path) -> None:
    victim = photos / "class1" / "001.bmp"
    content = victim.read_bytes()
    try:
        victim.write_bytes(content[:5000])
        with pytest.raises(DataError, match=r"001.bmp' cannot be read .*--corrupt skip"):
            load_dataset(photos, reading=little(tmp_path))
        for _ in range(2):  # decoded, then from the cache
            data = load_dataset(photos, reading=Reading(memory_bytes=100_000, cache=tmp_path, corrupt="skip"))
            assert data.skipped == (str(victim),) and data.warnings[0].startswith(
                "1 images could not be read"
            )
            assert sum(len(split) for split in data.splits.values()) == 199
        assert data.fingerprint == load_dataset(photos, reading=Reading(corrupt="skip")).fingerprint
    finally:
        victim.write_bytes(content)


def test_sounds_lie_on_disk_too(tmp_path: Path) -> None:
    write_sounds(tmp_path / "sounds", 10)
    data: Dataset = load_dataset(
        tmp_path / "sounds", reading=Reading(memory_bytes=1, cache=tmp_path / "cache")
    )
    assert data.on_disk and data.fingerprint == load_dataset(tmp_path / "sounds").fingerprint


def test_prepared_examples_look_like_the_array(photos: Path, tmp_path: Path) -> None:
    data = load_dataset(photos, reading=little(tmp_path))
    shape = (SIDE // 2, SIDE // 2, 3)
    lazy, whole = (
        Prepared(data.test.x, data.normalization, shape),
        prepare(data.test.x, data.normalization, shape),
    )
    assert lazy.shape == whole.shape and len(lazy) == len(whole) and lazy.ndim == 4
    for which in (
        3,
        -1,
        slice(2, 9),
        slice(None, None, 3),
        np.array([5, 1, 1]),
        np.arange(len(whole)) % 2 == 0,
    ):
        assert np.array_equal(lazy[which], whole[which])
    assert np.array_equal(np.stack(list(lazy.take(np.array([4, 2])))), whole[[4, 2]])


def test_a_full_disk_is_said_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"GiB are needed, more than is free.*--out"):
        rows_for((10**9, 1000, 1000, 3), "uint8", tmp_path / "x.npy")
    assert not (tmp_path / "x.npy").exists()
