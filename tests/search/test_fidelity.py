"""What a lower fidelity means for a recipe and a network, and successive halving around searchers."""

from __future__ import annotations

import numpy as np
import pytest

from edgenas.arch.spec import ArchSpec
from edgenas.errors import ConfigError, UnknownNameError
from edgenas.search.fidelity import RUNGS, Ladder
from edgenas.search.halving import SuccessiveHalving
from edgenas.search.pareto import hypervolume
from edgenas.search.searcher import Observation, Searcher, SpaceExhaustedError
from edgenas.search.searchers import SEARCHERS
from edgenas.testing.searchers import TinySpace, ToySpace, toy_error, toy_problem
from edgenas.train.recipe import Recipe

RECIPE = Recipe(epochs=9, images_per_epoch=1800, batch_size=32)
SPEC = ToySpace((16, 16, 1), 4).sample(np.random.default_rng(0))
SHORT, LONG = 1 / 9, 1.0


@pytest.mark.parametrize("knob", sorted(RUNGS))
def test_the_last_rung_is_the_full_training(knob: str) -> None:
    assert Ladder(knob).rungs[-1] == 1.0
    assert Ladder(knob).training(SPEC, RECIPE, 1.0) == (SPEC, RECIPE)


@pytest.mark.parametrize("recipe", [RECIPE, Recipe(3, 9000), Recipe(1, 9000), Recipe(12, 1800)])
@pytest.mark.parametrize("knob", ["epochs", "images"])
def test_a_shorter_training_sees_its_share_of_the_images(knob: str, recipe: Recipe) -> None:
    for fidelity in Ladder(knob).rungs:
        spec, shorter = Ladder(knob).training(SPEC, recipe, fidelity)
        assert spec == SPEC
        assert shorter.images == pytest.approx(recipe.images * fidelity, rel=0.35)
        assert shorter.images_per_epoch <= recipe.images_per_epoch
        assert (shorter.share == fidelity) == (knob == "images" or fidelity == 1)


def test_a_lower_resolution_keeps_recipe_and_weights() -> None:
    spec, recipe = Ladder("resolution").training(SPEC, RECIPE, 0.5)
    assert recipe == RECIPE and spec.input_shape == (8, 8, 1)
    assert spec.graph().params == SPEC.graph().params
    assert spec.graph().macs < SPEC.graph().macs


def test_what_cannot_be_cut_is_refused() -> None:
    with pytest.raises(ConfigError, match="one batch of 32"):
        Ladder("epochs").check((16, 16, 1), Recipe(1, 64, 32))
    with pytest.raises(ConfigError, match="at least 16 pixels"):
        Ladder("resolution").check((8, 8, 1), RECIPE)
    with pytest.raises(UnknownNameError, match="epochs"):
        Ladder("epoch")


def halving(name: str = "random", seed: int = 0, space: object = None) -> SuccessiveHalving:
    problem = toy_problem(space=space)  # type: ignore[arg-type]
    return SuccessiveHalving(SEARCHERS.get(name)(problem, seed), (SHORT, 1 / 3, LONG))


def error_at(spec: ArchSpec, fidelity: float) -> float:
    """A short training is worse, and wrong by up to three points."""
    noise = np.random.default_rng(int(spec.arch_id[:8], 16)).uniform(-0.03, 0.03)
    return toy_error(spec) + (1 - fidelity) * (0.1 + float(noise))


def play(searcher: Searcher, trainings: int) -> list[Observation]:
    done = []
    for _ in range(trainings):
        candidate = searcher.ask()
        error = error_at(candidate.spec, candidate.fidelity)
        done.append(Observation(candidate, searcher.problem.point(candidate, error)))
        searcher.tell(done[-1])
    return done


def steps(observations: list[Observation]) -> list[tuple[str, float]]:
    return [(entry.candidate.spec.arch_id, entry.candidate.fidelity) for entry in observations]


@pytest.mark.parametrize("name", ["random", "nsga2", "front"])
class TestAroundSearchers:
    def test_one_in_three_of_a_rung_goes_on_and_none_twice(self, name: str) -> None:
        done = steps(play(halving(name), 60))
        assert len(set(done)) == len(done)
        counts = [sum(fidelity == rung for _, fidelity in done) for rung in (SHORT, 1 / 3, LONG)]
        assert counts[0] >= 3 * counts[1] >= 9 * counts[2] > 0
        assert counts[2] >= 2
        for position, (arch_id, fidelity) in enumerate(done):
            if fidelity > SHORT:
                assert any(earlier == arch_id for earlier, lower in done[:position] if lower < fidelity)

    def test_the_inner_searcher_sees_one_fidelity_only(self, name: str) -> None:
        searcher = halving(name)
        play(searcher, 40)
        assert {entry.candidate.fidelity for entry in searcher.inner.observations} == {SHORT}
        assert len(searcher.inner.observations) < len(searcher.observations)

    def test_a_replayed_search_goes_on_identically(self, name: str) -> None:
        whole = play(halving(name), 45)
        resumed = halving(name)
        for entry in whole[:25]:
            resumed.note_asked(entry.candidate.spec, entry.candidate.fidelity)
            resumed.tell(entry)
        assert steps(play(resumed, 20)) == steps(whole[25:])


def test_what_goes_on_is_better_than_what_does_not() -> None:
    done = play(halving("random"), 120)
    full = [toy_error(entry.candidate.spec) for entry in done if entry.candidate.fidelity == LONG]
    short = [toy_error(entry.candidate.spec) for entry in done if entry.candidate.fidelity == SHORT]
    assert np.mean(full) < np.mean(short)
    points = np.array([entry.point for entry in done if entry.candidate.fidelity == LONG])
    assert hypervolume(points, np.array([1.0, points[:, 1].max() + 1])) > 0
    assert len(points) >= 4


def test_when_the_space_is_used_up_the_worthy_still_go_on_and_then_it_ends() -> None:
    searcher = halving("random", space=TinySpace((16, 16, 1), 4))
    done = []
    with pytest.raises(SpaceExhaustedError):
        for _ in range(40):
            done += play(searcher, 1)
    fidelities = [entry.candidate.fidelity for entry in done]
    assert fidelities.count(SHORT) == 12
    assert fidelities.count(LONG) >= 3


@pytest.mark.parametrize("name", ["random", "front"])
def test_failed_trainings_are_never_promoted(name: str) -> None:
    searcher = halving(name)
    for number in range(36):
        candidate = searcher.ask()
        failed = candidate.fidelity == SHORT and number % 2 == 0
        error = None if failed else error_at(candidate.spec, candidate.fidelity)
        point = None if error is None else searcher.problem.point(candidate, error)
        searcher.tell(Observation(candidate, point))
    failures = {entry.candidate.spec.arch_id for entry in searcher.observations if entry.point is None}
    promoted = {
        entry.candidate.spec.arch_id for entry in searcher.observations if entry.candidate.fidelity > SHORT
    }
    assert promoted and not promoted & failures
