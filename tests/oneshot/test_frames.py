"""Frames: one network of each is raced, and the frame whose network learns fastest wins."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from edgenas.arch.chooser import FixedChooser, RandomChooser, ReplayChooser
from edgenas.arch.space import SPACES
from edgenas.arch.spec import ArchSpec
from edgenas.data.dataset import Dataset
from edgenas.data.resize import prepare
from edgenas.errors import TrialError
from edgenas.oneshot.frames import (
    FEWEST_IN_REGION,
    RACERS,
    REGIONS,
    Frame,
    Pool,
    RaceJob,
    Racer,
    Region,
    frame_of,
    in_turns,
    is_in,
    parted,
    race_images,
    racers_of,
    winners_of,
)
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


def test_frames_race_that_reach_over_their_region() -> None:
    rng = np.random.default_rng(0)
    part = sorted(((spec.graph().macs, spec) for spec in (SPACE.sample(rng) for _ in range(80))), key=macs_of)
    middle = np.sqrt(part[0][0] * part[-1][0])

    def networks_of(frame: Frame) -> Pool:
        return [one for one in part if is_in(frame, one[1])]

    racers = racers_of(part, networks_of)
    frames = [tuple(sorted(racer.frame.items())) for racer in racers]
    assert len(set(frames)) == len(frames) == RACERS
    for racer in racers:
        assert is_in(racer.frame, racer.spec)
        assert racer.spec.graph().macs <= middle or len(networks_of(racer.frame)) == 1
    # a frame whose networks are all at the upper end is worth less than one with small ones too
    large, small = part[-1], part[10]
    both = {tuple(frame_of(large[1]).items()): [large], tuple(frame_of(small[1]).items()): [small, large]}
    found = racers_of([small, large], lambda frame: both[tuple(frame.items())])
    assert [racer.spec for racer in found] == [small[1], large[1]]
    (known,) = racers_of([small, large], lambda frame: [])  # nothing is found again
    assert known == Racer(frame_of(large[1]), large[1])


def test_a_frame_keeps_decisions_that_its_racer_was_not_asked_for() -> None:
    """A skip is asked for where there is more than one block, or no stride."""
    rng = np.random.default_rng(0)
    deep = next(spec for spec in iter(lambda: SPACE.sample(rng), None) if "s1_skip" in spec.choices)
    plain = {**deep.choices, "s1_depth": 1, "s1_stride": 2}
    shallow = SPACE.decide(ReplayChooser(plain, rng))
    assert "s1_skip" not in shallow.choices
    pool = sorted(((spec.graph().macs, spec) for spec in (deep, shallow)), key=macs_of)
    for racer in racers_of(pool, lambda frame: [one for one in pool if one[1] == shallow]):
        if racer.frame.get("s1_skip") is not None:
            break
    else:
        pytest.fail("the skip of the frame was lost")


def test_races_take_turns_and_the_best_of_each_wins(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    one, two, three = (Racer({"stages": place}, SPACE.sample(rng)) for place in range(3))
    races = [[one, two], [three]]
    racers = in_turns(races)
    assert racers == (one.spec, three.spec, two.spec)
    save_weights(tmp_path / "race.npz", [np.array([2.0, math.inf, 1.0])])
    assert winners_of(tmp_path / "race.npz", racers, races) == [two, three]
    save_weights(tmp_path / "race.npz", [np.array([2.0, math.inf, math.inf])])
    assert winners_of(tmp_path / "race.npz", racers, races) == [one, three]


def macs_of(one: tuple[int, ArchSpec]) -> int:
    return one[0]


def test_the_network_that_learns_wins(data_for: DataFor) -> None:
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
    late = RaceJob(specs[0], Recipe(1, 1), space=SPACE, specs=specs, images=64, seconds=1e-9)
    _, (losses,) = late.perform(data_for, lambda entry: None)  # one runs, however late it is
    assert math.isfinite(losses[0]) and losses[1] == math.inf


def test_a_pool_is_parted_where_its_networks_differ_much_in_macs() -> None:
    spec = SPACE.sample(np.random.default_rng(0))

    def pool_of(*macs: float) -> list[tuple[int, ArchSpec]]:
        return [(round(one), spec) for one in macs]

    wide = pool_of(*np.geomspace(10_000, 3_000_000, 90))
    parts = parted(wide)
    assert len(parts) == REGIONS and [one for part in parts for one in part] == wide
    spans = [np.log(part[-1][0] / part[0][0]) for part in parts]
    assert max(spans) < 1.2 * min(spans)
    assert len(parted(pool_of(*np.geomspace(10_000, 300_000, 90)))) == 2
    assert len(parted(pool_of(*np.geomspace(10_000, 100_000, 90)))) == 1
    assert len(parted(pool_of(10_000, *np.geomspace(1_000_000, 3_000_000, 90)))) == 1  # one small one
    assert len(parted(wide[: FEWEST_IN_REGION + 1])) == 1


def test_a_region_is_a_frame_and_a_range_of_macs() -> None:
    spec = SPACE.sample(np.random.default_rng(0))
    macs = spec.graph().macs
    assert Region(frame_of(spec), macs, macs).has(spec)
    assert not Region(frame_of(spec), macs + 1, 2 * macs).has(spec)
    assert not Region({**frame_of(spec), "stem_stride": 7}, 0, 2 * macs).has(spec)


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


def test_a_chooser_is_not_asked_for_fixed_decisions_but_told() -> None:
    inner = RandomChooser(np.random.default_rng(0))
    chooser = FixedChooser(inner, {"stages": 3, "odd": 9})
    assert chooser.choice("stages", (2, 3, 4)) == 3 and "stages" not in inner.options
    assert chooser.choice("odd", (1, 2)) in (1, 2)  # what is no option is not taken
    assert chooser.int("free", 4, 6) in (4, 5, 6) and isinstance(chooser.flag("skip"), bool)
    assert chooser.values is inner.values and set(inner.values) == {"stages", "odd", "free", "skip"}
    assert FixedChooser(ReplayChooser({"stages": 2}), {"stages": 3}).choice("stages", (2, 3, 4)) == 3
