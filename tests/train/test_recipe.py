"""How long a training is: what was asked for, or what data size and time allow."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgenas.errors import ConfigError, UnknownNameError
from edgenas.train.recipe import (
    SEARCH_IMAGES,
    Recipe,
    batch_for,
    final_recipe,
    long_recipe,
    search_recipe,
)


@pytest.mark.parametrize(
    ("train_images", "epochs", "per_epoch", "batch"),
    [(1_257, 12, 1_257, 64), (6_000, 6, 6_000, 128), (54_000, 3, 12_000, 128), (300, 12, 300, 32)],
)
def test_a_search_spreads_its_images_over_three_to_twelve_epochs(
    train_images: int, epochs: int, per_epoch: int, batch: int
) -> None:
    recipe = search_recipe(train_images, seed=5)
    assert (recipe.epochs, recipe.images_per_epoch, recipe.batch_size) == (epochs, per_epoch, batch)
    assert (recipe.patience, recipe.seed) == (0, 5)


def test_what_was_asked_for_goes_before_the_default() -> None:
    recipe = search_recipe(54_000, epochs=2, images=500)
    assert (recipe.epochs, recipe.images_per_epoch, recipe.images) == (2, 500, 1_000)
    assert search_recipe(400, images=500).images_per_epoch == 400


@given(st.integers(1, 200_000))
def test_a_default_search_sees_at_most_its_share_and_each_image_a_dozen_times(train_images: int) -> None:
    recipe = search_recipe(train_images)
    assert recipe.images <= SEARCH_IMAGES
    assert recipe.images <= 12 * train_images


@given(st.integers(1, 10**6))
def test_an_epoch_has_sixteen_steps_unless_the_data_are_tiny(train_images: int) -> None:
    batch = batch_for(train_images)
    assert batch == 32 or train_images // batch >= 16


def test_a_final_training_is_ten_times_as_long_and_stops_early() -> None:
    search = search_recipe(6_000)
    recipe = final_recipe(6_000, search, seed=1)
    assert recipe.images == 10 * search.images
    assert recipe.patience == 30
    assert recipe.shift == 1 / 12 and search.shift == 0
    assert recipe.images_per_epoch == 6_000


def test_the_time_left_shortens_or_lengthens_a_final_training() -> None:
    search = search_recipe(6_000)
    timed = [
        final_recipe(6_000, search, seconds=seconds, images_per_second=3_000.0).epochs
        for seconds in (0.1, 50, 150, 10_000)
    ]
    assert timed == [3, 25, 60, 60]
    assert final_recipe(6_000, search, epochs=7, seconds=1, images_per_second=1.0).epochs == 7
    assert final_recipe(6_000, search, seconds=50, images_per_second=None).epochs == 60


WRONG = {
    "epochs": 0, "images_per_epoch": 0, "batch_size": -1, "learning_rate": 10.0, "shift": 0.6, "ema": 1.0,
    "label_smoothing": -0.1, "weight_decay": 1.0, "distill": 1.1, "temperature": 0.0, "patience": -1,
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_numbers_out_of_range_are_refused_by_name(name: str) -> None:
    with pytest.raises(ConfigError, match=f"{name}={WRONG[name]} was given; expected"):
        Recipe(**{"epochs": 1, "images_per_epoch": 100, name: WRONG[name]})


def test_a_recipe_is_a_plain_document() -> None:
    recipe = Recipe(epochs=3, images_per_epoch=100, seed=9, optimizer="adamw", ema=0.99, distill=0.5)
    assert Recipe.from_json(json.loads(json.dumps(recipe.to_json()))) == recipe


def test_a_recipe_of_the_first_version_means_what_it_meant() -> None:
    old = {
        "epochs": 3, "images_per_epoch": 100, "batch_size": 128, "learning_rate": 0.15, "warmup": 0.1,
        "patience": 0, "shift": 0.0, "seed": 4, "share": 1.0,
    }  # fmt: skip
    assert Recipe.from_json(old) == Recipe(3, 100, seed=4)
    with pytest.raises(ConfigError, match=r"a recipe with magic was given.*update edgenas"):
        Recipe.from_json({**old, "magic": 1})
    with pytest.raises(ConfigError, match="damaged recipe"):
        Recipe.from_json({"epochs": 3})


def test_each_optimizer_has_its_own_learning_rate_and_scaling() -> None:
    sgd, adamw = (Recipe(1, 64, 64, optimizer=name) for name in ("sgd", "adamw"))
    assert sgd.peak_learning_rate == pytest.approx(0.075)
    assert adamw.peak_learning_rate == pytest.approx(0.004 / 2**0.5)
    with pytest.raises(UnknownNameError, match="did you mean 'adamw'"):
        Recipe(1, 64, optimizer="adam")


def test_a_long_training_keeps_what_was_not_asked_for() -> None:
    recipe = long_recipe(6_000, 40, optimizer="adamw", shift=None, ema=0.0)
    assert (recipe.epochs, recipe.images_per_epoch, recipe.patience) == (40, 6_000, 20)
    assert (recipe.optimizer, recipe.shift, recipe.ema) == ("adamw", 1 / 12, 0.0)
