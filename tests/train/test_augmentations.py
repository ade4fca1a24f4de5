"""Every registered augmentation keeps the contract; each does what it says; names fit kinds."""

from __future__ import annotations

import numpy as np
import pytest

from edgenas.errors import ConfigError, UnknownNameError
from edgenas.testing.augmentations import AugmentationContract
from edgenas.train.augment import (
    AUGMENTATIONS,
    AUTO,
    MIXUP,
    SHIFT,
    Augmentation,
    Augmenter,
    augmentations_for,
)
from edgenas.train.recipe import Recipe, final_recipe, search_recipe


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.mark.parametrize("name", AUGMENTATIONS.names())
class TestRegistered(AugmentationContract):
    @pytest.fixture(autouse=True)
    def _named(self, name: str) -> None:
        self.name = name
        self.changes_examples = name != MIXUP

    def make(self) -> Augmentation:
        return AUGMENTATIONS.get(self.name)


def apply(name: str, x: np.ndarray) -> np.ndarray:
    return AUGMENTATIONS.get(name).apply(x, rng())


def test_flip_mirrors_about_half() -> None:
    x = rng().random((200, 4, 6, 2), np.float32)
    out = apply("flip", x)
    mirrored = np.array([np.array_equal(a, b[:, ::-1]) for a, b in zip(out, x, strict=True)])
    kept = np.array([np.array_equal(a, b) for a, b in zip(out, x, strict=True)])
    assert (mirrored ^ kept).all() and 70 < mirrored.sum() < 130


def test_cutout_covers_a_square_with_the_mean() -> None:
    x = rng().random((50, 16, 16, 1), np.float32)
    changed = (apply("cutout", x) != x)[..., 0]
    assert changed.any(axis=(1, 2)).all() and changed.sum(axis=(1, 2)).max() <= 9 * 9
    for one, image, out in zip(changed, x, apply("cutout", x), strict=True):
        assert np.allclose(out[one], image.mean(), atol=1e-6)
        assert one.sum() == one.any(axis=1).sum() * one.any(axis=0).sum()  # a rectangle


def test_masks_cover_whole_frames_and_whole_bands() -> None:
    x = rng().random((80, 20, 15, 1), np.float32)
    changed = (apply("masks", x) != x)[..., 0]
    for one in changed:
        frames, bands = one.all(axis=1), one.all(axis=0)
        assert frames.sum() <= 4 and bands.sum() <= 3
        assert np.array_equal(one, frames[:, None] | bands[None, :])
    assert changed.any(axis=(1, 2)).mean() > 0.8


def test_time_shift_and_time_warp_keep_the_order_of_time() -> None:
    ramp = np.tile(np.arange(40, dtype=np.float32)[None, :, None], (30, 1, 1))
    shifted, warped = apply("time-shift", ramp)[..., 0], apply("time-warp", ramp)[..., 0]
    steps = np.diff(shifted, axis=1)
    assert set(np.unique(steps)) <= {0.0, 1.0} and np.abs(shifted[:, 20] - 20).max() == 4
    assert (np.diff(warped, axis=1) > 0).all() and np.abs(warped - ramp[..., 0]).max() > 1
    assert np.allclose(warped[:, 0], 0) and np.allclose(warped[:, -1], 39, atol=1e-3)


def test_scaling_scales_whole_channels() -> None:
    x = 1 + rng().random((10, 20, 3), np.float32)
    factors = apply("scaling", x) / x
    assert np.allclose(factors, factors[:, :1], atol=1e-5) and 0.05 < factors[:, 0].std() < 0.2


def test_mixup_mixes_examples_targets_and_weights_alike() -> None:
    x, y, w = rng().random((8, 5), np.float32), np.eye(8, dtype=np.float32), np.arange(8, dtype=np.float32)
    mixed_x, mixed_y, mixed_w = Augmenter(("mixup",)).mixed([x, y, w], rng())
    assert np.allclose(mixed_y.sum(axis=1), 1) and not np.allclose(mixed_y, y)
    assert np.allclose(mixed_x, mixed_y @ x, atol=1e-6) and np.allclose(mixed_w, mixed_y @ w, atol=1e-6)
    assert mixed_x.dtype == mixed_y.dtype == np.float32
    assert all(a is b for a, b in zip(Augmenter(("flip",)).mixed([x, y], rng()), [x, y], strict=True))


def test_names_are_chosen_by_kind() -> None:
    for kind, names in AUTO.items():
        assert augmentations_for(kind) == augmentations_for(kind, ("auto",)) == names
        assert augmentations_for(kind, ("none",)) == ()
    assert augmentations_for("image", shift=0.0) == ()
    assert augmentations_for("image", ("flip",), 0.2) == ("shift", "flip")
    assert augmentations_for("audio", ("auto", "mixup", "masks")) == ("time-shift", "masks", "mixup")
    with pytest.raises(
        ConfigError, match="'flip' was given for data of kind series; expected some of jitter"
    ):
        augmentations_for("series", ("flip",))
    with pytest.raises(ConfigError, match="expected only for images"):
        augmentations_for("audio", None, 0.1)
    with pytest.raises(ConfigError, match="leave one of them out"):
        augmentations_for("image", ("shift",), 0.0)
    with pytest.raises(UnknownNameError, match="did you mean 'cutout'"):
        augmentations_for("image", ("cutuot",))


def test_recipes_hold_augmentation_and_class_weights() -> None:
    recipe = Recipe(1, 10, augment=["flip", "mixup"], class_weights=[1, 0.5])  # type: ignore[arg-type]
    assert recipe.softens and Recipe.from_json(recipe.to_json()) == recipe
    assert recipe.augment == ("flip", "mixup") and recipe.shift == 0
    assert Recipe(1, 10, augment=("shift",)).shift == SHIFT and Recipe(1, 10, shift=0.2).augment == ("shift",)
    old = {key: value for key, value in Recipe(1, 10, shift=0.1).to_json().items() if key != "augment"}
    assert Recipe.from_json(old).augment == ("shift",)
    with pytest.raises(ConfigError, match="class_weights"):
        Recipe(1, 10, class_weights=(1.0, 0.0))
    with pytest.raises(UnknownNameError):
        Recipe(1, 10, augment=("blur",))
    search = search_recipe(600, class_weights=(2.0, 0.5))
    final = final_recipe(600, search, augment=("flip",), class_weights=search.class_weights)
    assert (search.augment, final.augment, final.shift, final.class_weights) == ((), ("flip",), 0, (2.0, 0.5))
