"""Frames: one network of each is raced, and the frame whose network learns fastest wins."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from edgenas.arch.chooser import FixedChooser, RandomChooser, ReplayChooser
from edgenas.arch.space import SPACES
from edgenas.data.dataset import Dataset
from edgenas.data.resize import prepare
from edgenas.errors import ConfigError, TrialError
from edgenas.oneshot.frames import RACERS, RaceJob, frame_of, race_images, racers_of, winner_of
from edgenas.train.job import DataFor
from edgenas.train.recipe import Recipe
from edgenas.train.weights import save_weights

SPACE = SPACES.get("micro")((8, 8, 1), 10)


@pytest.fixture(scope="module")
def data_for(digits: Dataset) -> DataFor:
    def prepared(shape: tuple[int, ...]) -> object:
        return tuple(
            (prepare(split.x, digits.normalization, shape), split.y)
            for split in (digits.train, digits.validation)
        )

    return prepared  # type: ignore[return-value]


@pytest.mark.parametrize("space", ["micro", "mobile"])
def test_a_frame_has_what_is_not_elastic(space: str) -> None:
    spec = SPACES.get(space)((32, 32, 3), 10).sample(np.random.default_rng(3))
    frame = frame_of(spec)
    assert {"stages", "stem_stride"} <= set(frame)
    elastic = {"depth", "filters", "kernel", "expansion", "squeeze", "resolution", "width"}
    assert not [name for name in frame if name.split("_")[-1] in elastic and not name.startswith("stem")]


def test_one_network_of_each_frame_races_the_one_with_most_parameters() -> None:
    rng = np.random.default_rng(0)
    specs = [SPACE.sample(rng) for _ in range(60)]
    racers = racers_of(specs)
    frames = [tuple(frame_of(spec).items()) for spec in racers]
    assert len(set(frames)) == len(frames) == RACERS
    params = [spec.graph().params for spec in racers]
    assert params == sorted(params, reverse=True)
    for spec in specs:
        if (frame := tuple(frame_of(spec).items())) in frames:
            assert spec.graph().params <= params[frames.index(frame)]


def test_the_network_that_learns_wins(data_for: DataFor, tmp_path: Path) -> None:
    """Two stages of 96 filters against two that hand on one place of the image."""
    wide = dict.fromkeys(("s1_depth", "s2_depth", "s1_expansion", "s2_expansion"), 1)
    wide |= {"resolution": 8, "stem_filters": 24, "stem_kernel": 3, "stem_stride": 1, "stages": 2}
    wide |= {"s1_filters": 96, "s2_filters": 96, "s1_kernel": 3, "s2_kernel": 3}
    good = {**wide, "s1_stride": 1, "s2_stride": 2, "s1_skip": False, "s2_skip": False}
    poor = {**good, "stem_filters": 4, "stem_stride": 2, "s1_stride": 2, "s1_filters": 8, "s2_filters": 8}
    rng = np.random.default_rng(0)
    specs = tuple(SPACE.decide(ReplayChooser(choices, rng)) for choices in (poor, good))
    job = RaceJob(specs[0], Recipe(1, 1), space=SPACE, specs=specs)
    result, (losses,) = job.perform(data_for, lambda entry: None)
    assert losses[1] < losses[0] and result.val_loss == losses[1]
    save_weights(tmp_path / "race.npz", [losses])
    assert winner_of(tmp_path / "race.npz", specs) is specs[1]

    late = RaceJob(specs[0], Recipe(1, 1), space=SPACE, specs=specs, images=64, seconds=1e-9)
    _, (losses,) = late.perform(data_for, lambda entry: None)  # one runs, however late it is
    assert math.isfinite(losses[0]) and losses[1] == math.inf


def test_a_race_takes_a_tenth_of_the_supernet_within_bounds() -> None:
    assert race_images(Recipe(12, 6_000, 32), 8) == 3_600
    assert race_images(Recipe(100, 6_000, 32), 8) == 4_096
    assert race_images(Recipe(3, 1_000, 32), 8) == 512


def test_a_race_that_nobody_survives_says_so(data_for: DataFor) -> None:
    spec = SPACE.sample(np.random.default_rng(0))
    job = RaceJob(spec, Recipe(1, 1), space=SPACE, specs=(spec,))

    def lost(shape: tuple[int, ...]) -> object:
        (images, labels), validation = data_for(shape)
        return (np.full_like(images, np.nan), labels), validation

    with pytest.raises(TrialError, match="every frame's network became NaN"):
        job.perform(lost, lambda entry: None)  # type: ignore[arg-type]


def test_fixed_decisions_are_the_only_option_that_a_chooser_sees() -> None:
    inner = RandomChooser(np.random.default_rng(0))
    chooser = FixedChooser(inner, {"stages": 3, "odd": 9})
    assert chooser.choice("stages", (2, 3, 4)) == 3 and inner.options["stages"] == (3,)
    assert chooser.choice("odd", (1, 2)) in (1, 2)  # what is no option is not taken
    assert chooser.int("free", 4, 6) in (4, 5, 6) and isinstance(chooser.flag("skip"), bool)
    assert chooser.values is inner.values and set(inner.values) == {"stages", "odd", "free", "skip"}
    with pytest.raises(ConfigError, match="expected one of"):
        FixedChooser(ReplayChooser({"stages": 2}), {"stages": 3}).choice("stages", (2, 3, 4))
