"""Test vectors as values and as files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgenas.data.dataset import Normalization
from edgenas.deploy.samples import RawSamples
from edgenas.deploy.vectors import FNV_BASIS, Vectors, read_vectors, write_vectors
from edgenas.errors import DataError
from tests.deploy.small_bundle import Bundle

ARRAYS = ("raw", "prepared", "input", "output", "results", "labels")


def test_vectors_survive_the_way_through_files(bundle: Bundle, tmp_path: Path) -> None:
    first = read_vectors(bundle.folder)
    write_vectors(tmp_path, first, bundle.samples, bundle.outputs)
    second = read_vectors(tmp_path)
    for name in ARRAYS:
        one, two = getattr(first, name), getattr(second, name)
        assert one.dtype == two.dtype and np.array_equal(one, two)
    assert first.outputs.keys() == second.outputs.keys() and len(first.outputs) == 2
    assert (first.runtime, len(first)) == (second.runtime, 5)


def test_the_steps_follow_from_each_other(bundle: Bundle) -> None:
    vectors, port = read_vectors(bundle.folder), bundle.facts.output
    assert np.array_equal(vectors.raw, bundle.samples.values[:5])
    assert np.array_equal(vectors.prepared, bundle.samples.prepared()[:5])
    assert np.array_equal(vectors.results, port.dequantize(vectors.output))


def test_the_hash_is_fnv_1a() -> None:
    empty = np.zeros((1, 0), np.float32)
    vectors = Vectors(empty, empty, np.frombuffer(b"foobar", np.int8)[None], empty, empty, empty, "", {})
    assert vectors.hash == 0xBF9CF968  # of "foobar", from the authors' own list
    assert Vectors(empty, empty, empty, empty, empty, empty, "", {}).hash == FNV_BASIS


def test_samples_of_another_type_or_none_are_refused() -> None:
    for values in (np.zeros((2, 4), np.int64), np.zeros((0, 4), np.uint8)):
        with pytest.raises(DataError, match="expected at least one, uint8 or float32"):
            RawSamples(values, np.zeros(len(values)), Normalization(), ("a", "b"))
