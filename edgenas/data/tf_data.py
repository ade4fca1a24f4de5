"""``tf.data.Dataset`` objects and TensorFlow Datasets, read into arrays.

Nothing here imports TensorFlow: a ``tf.data.Dataset`` brings it along, and TensorFlow Datasets are
imported only when a user names one.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np

from edgenas.data.dataset import Source
from edgenas.data.disk import MEMORY_BYTES, Array
from edgenas.data.named import DATASETS
from edgenas.errors import DataError

PARTS = {"validation": ("validation", "val"), "test": ("test",)}
"""How the splits of TensorFlow Datasets are called."""


def arrays_of(dataset: Any) -> tuple[Array, Array]:
    """The examples and labels of a ``tf.data.Dataset`` of pairs, one by one or in batches.

    Raises:
        DataError: It is something else, endless, or does not fit in memory.
    """
    if not hasattr(dataset, "as_numpy_iterator"):
        raise DataError(f"a {type(dataset).__name__} was given; expected a tf.data.Dataset of (x, y)")
    if int(dataset.cardinality()) == -1:
        raise DataError("a tf.data.Dataset without an end was given; expected one without repeat()")
    xs, ys, size = [], [], 0
    for pair in dataset.as_numpy_iterator():
        if not isinstance(pair, tuple) or len(pair) != 2:
            raise DataError("a tf.data.Dataset of something else than pairs was given; expected (x, y)")
        x, y = np.asarray(pair[0]), np.asarray(pair[1])
        xs.append(x if y.ndim else x[np.newaxis])
        ys.append(np.atleast_1d(y))
        size += x.nbytes
        if size > MEMORY_BYTES:
            raise DataError(
                f"a tf.data.Dataset of more than {MEMORY_BYTES / 2**30:g} GiB was given; expected less: "
                "resize it, or bring a folder of files, which is read from disk as it is used"
            )
    if not xs:
        raise DataError("an empty tf.data.Dataset was given; expected at least a few examples per class")
    if len({one.shape[1:] for one in xs}) > 1:
        raise DataError("a tf.data.Dataset with examples of different shapes was given; expected one shape")
    return np.concatenate(xs), np.concatenate(ys)


@DATASETS.register("tfds")
def load_tfds(name: Path | None) -> Source:
    """A data set of TensorFlow Datasets by its name, ``tfds:NAME``, as (x, y) pairs of images.

    Args:
        name: Name of the data set, with its configuration and version if wanted.

    Raises:
        DataError: No name, TensorFlow Datasets are not installed, do not know the name or cannot
            fetch it, or it has no train split.
    """
    if name is None:
        raise DataError("data 'tfds' was given; expected tfds:NAME, for example tfds:mnist")
    try:
        tfds: Any = importlib.import_module("tensorflow_datasets")
    except ImportError as error:
        raise DataError(
            f"data 'tfds:{name}' need TensorFlow Datasets, which cannot be imported ({error}): "
            "pip install tensorflow-datasets"
        ) from error
    try:
        splits, info = tfds.load(str(name), as_supervised=True, with_info=True)
    except Exception as error:  # its errors have no common root
        why = " ".join(str(error).split())[:160]
        raise DataError(f"data 'tfds:{name}' cannot be loaded ({type(error).__name__}: {why})") from error
    if "train" not in splits:
        raise DataError(f"data 'tfds:{name}' have the splits {', '.join(splits)}; expected train among them")
    found = {
        part: next((arrays_of(splits[key]) for key in keys if key in splits), None)
        for part, keys in PARTS.items()
    }
    if not info.supervised_keys:
        raise DataError(f"data 'tfds:{name}' name no input and label (supervised keys); expected both")
    names = getattr(info.features[info.supervised_keys[1]], "names", None)
    return Source(
        f"tfds-{Path(name).parts[0]}", arrays_of(splits["train"]), found["validation"], found["test"],
        class_names=tuple(names) if names else None,
    )  # fmt: skip
