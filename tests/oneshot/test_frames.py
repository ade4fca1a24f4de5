"""Frames: what networks that share weights have in common, and which frame is worth having."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from edgenas.arch.chooser import FixedChooser, RandomChooser, ReplayChooser
from edgenas.arch.space import SPACES
from edgenas.arch.spec import ArchSpec
from edgenas.cost.static import StaticSource
from edgenas.oneshot.frames import LIKELY, Frame, Pool, Region, best_frames, frame_of, is_in
from edgenas.profile.device import load_device
from edgenas.profile.vela import VelaSource
from edgenas.search.covered import CoveredSpace
from edgenas.search.framed import OF_FRAME, frames_for, in_frame, sized
from edgenas.search.objective import Constraint
from edgenas.search.problem import Problem

SPACE = SPACES.get("micro")((8, 8, 1), 10)
POOL = sized([SPACE.sample(np.random.default_rng([7, place])) for place in range(200)])


def no_more(frame: Frame) -> Pool:
    return []


@pytest.mark.parametrize("space", ["micro", "mobile"])
def test_a_frame_has_what_is_not_elastic(space: str) -> None:
    spec = SPACES.get(space)((32, 32, 3), 10).sample(np.random.default_rng(3))
    frame = frame_of(spec)
    assert {"stages", "stem_stride"} <= set(frame)
    assert {name.split("_")[-1] for name in frame} == {"stages", "stride"}


def test_the_frame_wins_whose_networks_have_most_parameters_for_their_macs() -> None:
    """Judged by the pool alone: each network's place in the range of MACs counts, not the largest alone."""
    frames = {repr(frame_of(spec)): frame_of(spec) for _, spec in POOL}
    best = best_frames(POOL, no_more, len(frames))
    assert len(best) == len(frames) > LIKELY

    def most_params_under(frame: Frame, macs: int) -> int:
        own = [spec.graph().params for count, spec in POOL if count <= macs and is_in(frame, spec)]
        return max(own, default=0)

    middle = POOL[len(POOL) // 2][0]
    reached = [most_params_under(frame, middle) for frame in best]
    assert np.mean(reached[:5]) > 1.5 * np.mean(reached[-5:])


def test_small_networks_count_as_well_as_large_ones() -> None:
    """A frame with the network of most parameters, at the upper end of MACs, against one with both."""
    tiny, middle, largest = POOL[0], POOL[60], POOL[-1]
    assert middle[1].graph().params > tiny[1].graph().params
    assert not is_in(frame_of(largest[1]), middle[1])
    pool = [tiny, middle, largest]
    assert best_frames(pool, no_more) == [frame_of(middle[1])]
    better = next(one for one in POOL[:60] if one[1].graph().params > middle[1].graph().params)
    found = best_frames(pool, lambda frame: [better] if is_in(frame, largest[1]) else [], 2)
    assert found == [frame_of(largest[1]), frame_of(middle[1])]
    assert best_frames([largest], no_more, 5) == [frame_of(largest[1])]


def test_frames_are_found_within_the_budgets_and_the_same_for_one_seed() -> None:
    budget = Constraint("flash_bytes", 20 * 1024)
    problem = Problem(CoveredSpace(SPACE), StaticSource(), (budget,))
    pool = [one for one in POOL if not problem.violated(problem.cost_of(one[1]))]
    assert 0 < len(pool) < len(POOL)
    frames = frames_for(problem, pool, 0, 3)
    assert len(frames) == 3 and frames == frames_for(problem, pool, 0, 3)
    assert frames[:1] == frames_for(problem, pool, 0)
    assert problem.space.regions == ()  # type: ignore[attr-defined]  # left as it was
    framed = in_frame(problem, frames[0])
    rng = np.random.default_rng(0)
    assert all(is_in(frames[0], framed.space.sample(rng)) for _ in range(20))


def test_frames_are_judged_by_their_own_networks_within_the_budgets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where each network must be compiled, no more are drawn."""
    seen: list[tuple[Frame, Pool]] = []

    def judged(pool: Pool, networks_of: Callable[[Frame], Pool], number: int) -> list[Frame]:
        frame = frame_of(pool[0][1])
        seen.append((frame, networks_of(frame)))
        return [frame]

    monkeypatch.setattr("edgenas.search.framed.best_frames", judged)
    problem = Problem(CoveredSpace(SPACE), StaticSource(), (Constraint("flash_bytes", 20 * 1024),))
    pool = [one for one in POOL if not problem.violated(problem.cost_of(one[1]))]
    frames_for(problem, pool, 0)
    ((frame, networks),) = seen
    assert 0 < len(networks) < OF_FRAME  # some are over the budget
    assert all(is_in(frame, spec) and not problem.violated(problem.cost_of(spec)) for _, spec in networks)
    assert [macs for macs, _ in networks] == [spec.graph().macs for _, spec in networks]
    compiled = replace(problem, cost_source=VelaSource(load_device("ethos-u55-128")))
    frames_for(compiled, pool, 0)
    assert seen[1] == (frame, [])


def test_a_region_is_a_frame_and_a_range_of_macs() -> None:
    spec = SPACE.sample(np.random.default_rng(0))
    macs = spec.graph().macs
    region = Region(frame_of(spec), macs, macs)
    assert region.has(spec)
    assert not replace(region, least_macs=macs + 1, most_macs=2 * macs).has(spec)
    assert not replace(region, frame={**frame_of(spec), "stem_stride": 7}).has(spec)


def test_decisions_that_only_one_of_two_was_asked_for_do_not_part_them() -> None:
    rng = np.random.default_rng(0)
    two = next(spec for spec in iter(lambda: SPACE.sample(rng), None) if spec.choices["stages"] == 2)
    assert is_in({**frame_of(two), "s3_stride": 2}, two)
    assert not is_in({**frame_of(two), "stages": 3}, two)


def test_a_chooser_is_not_asked_for_fixed_decisions_but_told() -> None:
    inner = RandomChooser(np.random.default_rng(0))
    chooser = FixedChooser(inner, {"stages": 3, "odd": 9})
    assert chooser.choice("stages", (2, 3, 4)) == 3 and "stages" not in inner.options
    assert chooser.choice("odd", (1, 2)) in (1, 2)  # what is no option is not taken
    assert chooser.int("free", 4, 6) in (4, 5, 6) and isinstance(chooser.flag("skip"), bool)
    assert chooser.values is inner.values and set(inner.values) == {"stages", "odd", "free", "skip"}
    assert FixedChooser(ReplayChooser({"stages": 2}), {"stages": 3}).choice("stages", (2, 3, 4)) == 3


def test_networks_are_sorted_by_macs() -> None:
    specs: list[ArchSpec] = [spec for _, spec in POOL[::-1]]
    assert sized(specs) == POOL
