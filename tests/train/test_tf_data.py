"""A real ``tf.data.Dataset`` as data."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from edgenas.data import from_arrays, from_tf_data, load_dataset
from edgenas.errors import DataError

X = np.random.default_rng(0).integers(0, 256, (60, 6, 5, 3), np.uint8)
Y = np.arange(60) % 3


def test_single_examples_and_batches_give_the_same_data() -> None:
    import tensorflow as tf

    whole = tf.data.Dataset.from_tensor_slices((X, Y))
    plain = from_arrays(X, Y)
    assert from_tf_data(whole).fingerprint == from_tf_data(whole.batch(7)).fingerprint == plain.fingerprint
    series = from_tf_data(whole.map(lambda x, y: (x[..., 0], y)), kind="series", class_names=("a", "b", "c"))
    assert (series.kind, series.input_shape, series.class_names) == ("series", (6, 5), ("a", "b", "c"))
    parts = from_tf_data(whole.take(45), whole.skip(45).take(6), whole.skip(51))
    assert [len(split) for split in parts.splits.values()] == [45, 6, 9]
    for wrong, message in (
        (whole.repeat(), "without an end"),
        (whole.map(lambda x, y: x), "expected \\(x, y\\)"),
        (whole.take(0), "an empty tf.data.Dataset"),
        ([1, 2], "a list was given"),
    ):
        with pytest.raises(DataError, match=message):
            from_tf_data(wrong)


def test_tensorflow_datasets_say_how_they_are_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match="expected tfds:NAME"):
        load_dataset("tfds")
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)  # as if it were not there
    with pytest.raises(DataError, match="pip install tensorflow-datasets"):
        load_dataset("tfds:mnist")
