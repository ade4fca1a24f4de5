from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgenas.data import Normalization, prepare, resize
from edgenas.data.resize import BATCH, area_weights
from edgenas.errors import DataError

sides = st.integers(1, 40)
seeds = st.integers(0, 2**16)


def pictures(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


@given(sides, sides, seeds)
def test_the_same_size_changes_nothing(height: int, width: int, seed: int) -> None:
    x = pictures(seed, 2, height, width, 3)
    assert np.array_equal(resize(x, (height, width)), x)


@given(sides, sides, sides, sides, st.integers(0, 255))
def test_a_constant_image_stays_constant(h: int, w: int, new_h: int, new_w: int, value: int) -> None:
    out = resize(np.full((1, h, w, 1), value, np.uint8), (new_h, new_w))
    assert out.shape == (1, new_h, new_w, 1) and out.dtype == np.float32
    np.testing.assert_allclose(out, value, rtol=1e-6)


@settings(deadline=None)
@given(sides, sides, sides, sides, seeds)
def test_the_mean_is_kept_and_the_range_is_not_left(
    h: int, w: int, new_h: int, new_w: int, seed: int
) -> None:
    x = pictures(seed, 2, h, w, 2)
    out = resize(x, (new_h, new_w))
    np.testing.assert_allclose(out.mean(axis=(1, 2)), x.mean(axis=(1, 2)), rtol=2e-5, atol=1e-4)
    assert out.min() >= x.min() - 1e-3 and out.max() <= x.max() + 1e-3


def test_halving_averages_blocks_of_four_pixels() -> None:
    x = pictures(1, 3, 8, 6, 3)
    blocks = x.reshape(3, 4, 2, 3, 2, 3).mean(axis=(2, 4))
    np.testing.assert_allclose(resize(x, (4, 3)), blocks, rtol=1e-6)


def test_three_pixels_into_two_follow_the_formula() -> None:
    np.testing.assert_allclose(area_weights(3, 2), [[2 / 3, 1 / 3, 0], [0, 1 / 3, 2 / 3]], rtol=1e-6)


def test_height_and_width_are_not_mixed_up() -> None:
    x = np.zeros((1, 4, 2, 1), np.float32)
    x[0, :2] = 8
    assert resize(x, (2, 1))[0, :, 0, 0].tolist() == [8, 0]


def test_more_than_one_batch_gives_what_single_images_give() -> None:
    x = pictures(2, BATCH + 3, 4, 4, 1)
    whole = resize(x, (3, 3))
    for position in (0, BATCH - 1, BATCH, BATCH + 2):
        np.testing.assert_allclose(whole[position], resize(x[position : position + 1], (3, 3))[0], rtol=1e-6)


@pytest.mark.parametrize(("shape", "size"), [((4, 4, 1), (2, 2)), ((1, 4, 4, 1), (0, 2))])
def test_wrong_shapes_are_refused(shape: tuple[int, ...], size: tuple[int, int]) -> None:
    with pytest.raises(DataError, match=r"expected \(n, height, width, channels\)"):
        resize(np.zeros(shape, np.uint8), size)


def test_prepare_gives_input_of_zero_to_one() -> None:
    x = np.array([0, 255, 51, 204], np.uint8).reshape(1, 2, 2, 1)
    np.testing.assert_allclose(prepare(x, Normalization(), (2, 2, 1)).ravel(), [0, 1, 0.2, 0.8], rtol=1e-6)
    np.testing.assert_allclose(prepare(x, Normalization(), (1, 1, 1)).ravel(), [0.5], rtol=1e-6)


def test_prepare_uses_the_offset() -> None:
    x = np.array([-2.0, 2.0], np.float32).reshape(1, 1, 2, 1)
    assert prepare(x, Normalization.of(x), (1, 2, 1)).ravel().tolist() == [0, 1]


def test_prepare_refuses_another_number_of_channels() -> None:
    with pytest.raises(DataError, match=r"same number of channels"):
        prepare(np.zeros((1, 4, 4, 3), np.uint8), Normalization(), (4, 4, 1))
