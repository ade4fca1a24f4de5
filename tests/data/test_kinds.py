"""What the kinds of data have in common, and what older runs must find unchanged."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from edgenas.data import (
    KINDS,
    Normalization,
    balanced_weights,
    from_arrays,
    load_arrays,
    load_dataset,
    prepare,
    save_arrays,
)
from edgenas.data.described import describe_data
from edgenas.data.kinds import SERIES
from edgenas.errors import DataError

RNG = np.random.default_rng(0)
Y = np.arange(60) % 3
SHAPES = {"image": (60, 6, 5, 3), "series": (60, 12, 2), "features": (60, 4), "audio": (60, 2000)}


def of_kind(kind: str) -> tuple[np.ndarray, dict]:
    """Random examples of a kind, and what else `from_arrays` needs."""
    x = RNG.uniform(-1, 1, SHAPES[kind]).astype(np.float32)
    return x, {"kind": kind, **({"sample_rate_hz": 4000} if kind == "audio" else {})}


def test_images_keep_the_fingerprint_that_runs_of_version_0_1_have() -> None:
    assert (
        load_dataset("digits").fingerprint
        == "60dff02ed041ed25166eda825f56113ad268b00f6e7ba8110563ff2a6b2f469a"
    )
    x = np.linspace(0, 1, 60 * 4 * 3, dtype=np.float32).reshape(60, 4, 3)
    expected = "429066b04e4901bb12918fb8ce88b9d4b16a959bde12846fa51826628f6a2b69"
    assert from_arrays(x, np.arange(60) % 2).fingerprint == expected


@pytest.mark.parametrize("kind", KINDS.names())
def test_every_kind_goes_to_the_training_process_as_it_is(kind: str, tmp_path: Path) -> None:
    x, more = of_kind(kind)
    data = from_arrays(x, Y, **more)
    save_arrays(data, tmp_path)
    found = load_arrays(tmp_path)
    assert (found.kind, found.front_end, found.normalization) == (kind, data.front_end, data.normalization)
    assert np.array_equal(found.train.x, data.train.x)
    inputs = prepare(found.train.x, found.normalization, data.input_shape)
    assert inputs.dtype == np.float32 and inputs.shape == data.train.x.shape
    assert np.allclose(inputs, data.normalization.apply(data.train.x))
    document = json.loads(json.dumps(describe_data(data)))
    assert document["kind"] == kind and document["class_counts"]["train"] == [12, 12, 12]
    assert Normalization.from_json(document["normalization"]) == data.normalization


def test_the_kind_is_told_by_the_axes_unless_it_is_named(tmp_path: Path) -> None:
    x = RNG.random((60, 12, 2))
    assert from_arrays(x[:, :, 0], Y).kind == "features" and from_arrays(x, Y).kind == "image"
    series = from_arrays(x, Y, kind="series")
    assert series.input_shape == (12, 2) and from_arrays(x, Y).input_shape == (12, 2, 1)
    assert series.fingerprint != from_arrays(x, Y).fingerprint
    np.savez(tmp_path / "a.npz", x=x, y=Y, kind="series")
    assert load_dataset(tmp_path / "a.npz").fingerprint == series.fingerprint
    with pytest.raises(
        DataError, match="kind 'serie' was given; expected one of audio, features, image, series"
    ):
        from_arrays(x, Y, kind="serie")
    with pytest.raises(DataError, match=r"rows of shape \(60, 12, 2\) were given; expected \(n, features\)"):
        from_arrays(x, Y, kind="features")
    with pytest.raises(DataError, match="expected the same shape"):
        prepare(series.train.x, series.normalization, (12, 3))


@settings(max_examples=60, deadline=None)
@given(arrays(np.float32, (20, 5, 3), elements=st.floats(-1e4, 1e4, width=32)))
def test_series_are_standardised_by_channel(x: np.ndarray) -> None:
    if x.min() == x.max():
        return
    normalization = Normalization.of(x, SERIES)
    inputs = normalization.apply(x).astype(float)
    assert np.isfinite(inputs).all()
    spread = x.astype(float).std(axis=(0, 1))
    size = np.abs(x).max(axis=(0, 1))
    moving = spread > 1e-2 * np.maximum(size, 1e-30)  # float32 keeps seven digits of what is far from 0
    assert np.allclose(inputs.mean(axis=(0, 1))[moving], 0, atol=1e-3)
    assert np.allclose(inputs.std(axis=(0, 1))[moving], 1, atol=1e-3)
    assert Normalization.from_json(json.loads(json.dumps(normalization.to_json()))) == normalization


@pytest.mark.parametrize(("scale", "offset"), [((1.0, 0.0), (0.0, 0.0)), ((1.0,), (0.0, 0.0)), ((), ())])
def test_senseless_factors_are_refused(scale: tuple, offset: tuple) -> None:
    with pytest.raises(DataError, match="positive scale"):
        Normalization(scale, offset)


def test_rows_and_series_are_called_so() -> None:
    x = RNG.random((60, 4))
    x[7] = np.nan
    with pytest.raises(DataError, match="1 rows hold NaN or infinity, the first is row 7"):
        from_arrays(x, Y)
    with pytest.raises(DataError, match="60 series but 59 labels were given; expected one per series"):
        from_arrays(RNG.random((60, 4, 2)), Y[1:], kind="series")


def test_balanced_weights_make_classes_weigh_the_same() -> None:
    y = np.repeat([0, 1, 2], [80, 15, 5])
    weights = np.array(balanced_weights(y))
    assert np.allclose([weights[y][y == label].sum() for label in range(3)], 100 / 3)
    assert weights[y].mean() == pytest.approx(1)
