"""The bounds of parity, on outputs made by hand."""

from __future__ import annotations

import numpy as np
import pytest

from edgenas.errors import ParityError
from edgenas.export.parity import float_parity, int8_parity


def certain(classes: list[int]) -> np.ndarray:
    """Outputs that are sure of their class."""
    return (0.9 * np.eye(10)[classes] + 0.01).astype(np.float32)


def with_other_classes(reference: np.ndarray, number: int) -> np.ndarray:
    outputs = reference.copy()
    outputs[:number] = np.roll(outputs[:number], 1, axis=1)
    return outputs


@pytest.fixture
def reference() -> np.ndarray:
    return certain([number % 10 for number in range(200)])


def test_a_float_file_may_differ_by_rounding_only(reference: np.ndarray) -> None:
    parity = float_parity("f", reference + np.float32(9e-5), reference)
    assert parity.max_abs_difference == pytest.approx(9e-5, rel=0.01)
    with pytest.raises(ParityError, match=r"f: outputs differ from Keras by up to 0.0002 .* at most 0.0001"):
        float_parity("f", reference + np.float32(2e-4), reference)


def test_logits_are_compared_relative_to_their_size(reference: np.ndarray) -> None:
    assert float_parity("f", 50 * reference + np.float32(1e-3), 50 * reference).agreement == 1
    with pytest.raises(ParityError):
        float_parity("f", 50 * reference + np.float32(1e-2), 50 * reference)


def test_nan_never_passes(reference: np.ndarray) -> None:
    outputs = reference.copy()
    outputs[3, 3] = np.nan
    with pytest.raises(ParityError, match="nan"):
        float_parity("f", outputs, reference)


def test_an_int8_file_may_differ_on_two_percent(reference: np.ndarray) -> None:
    parity = int8_parity("f", with_other_classes(reference, 4), reference, 1 / 256)
    assert (parity.agreement, parity.bound, parity.undecided) == (0.98, 4, 0)
    with pytest.raises(
        ParityError, match=r"f: agrees with Keras' class on 97.5% of 200 images, at least 98.0%"
    ):
        int8_parity("f", with_other_classes(reference, 5), reference, 1 / 256)


def test_on_a_handful_of_images_two_may_differ() -> None:
    few = certain([1, 2, 3, 4, 5, 6, 7, 8])
    assert int8_parity("f", with_other_classes(few, 2), few, 1 / 256).agreement == 0.75
    with pytest.raises(ParityError):
        int8_parity("f", with_other_classes(few, 3), few, 1 / 256)


def test_images_that_keras_itself_cannot_decide_are_allowed_for(reference: np.ndarray) -> None:
    close = reference.copy()
    close[:12, :] = 0.05
    close[:12, 0], close[:12, 1] = 0.301, 0.300
    parity = int8_parity("f", with_other_classes(close, 12), close, 1 / 256)
    assert (parity.undecided, parity.bound, parity.agreement) == (12, 12, 0.94)
    with pytest.raises(ParityError):
        int8_parity("f", with_other_classes(close, 12), close, step=0.0)
