"""A supernet learns, goes on where it was cut off, and says where its loss was lost."""

from __future__ import annotations

import math
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgenas.arch.space import SPACES
from edgenas.arch.spec import ArchSpec
from edgenas.data.load import load_dataset
from edgenas.data.resize import prepare
from edgenas.errors import TrialError
from edgenas.oneshot.descent import Descent, rate_at
from edgenas.oneshot.elastic import Part, SharedWeights, extents_of, parts_of
from edgenas.oneshot.forward import Normalizer, forward, not_rewritten
from edgenas.oneshot.frames import Region, frame_of
from edgenas.oneshot.pool import covering
from edgenas.oneshot.score import SCORED_BY, ScoreJob
from edgenas.oneshot.supernet import DISTILL, Supernet, SupernetJob, parts_of_batch, sandwich
from edgenas.oneshot.trust import agreement, spread_over
from edgenas.search.covered import CoveredSpace
from edgenas.train.job import DataFor
from edgenas.train.recipe import Recipe

SPACE = SPACES.get("micro")((8, 8, 1), 10)
EPOCHS = 8


@pytest.fixture(scope="module")
def data_for() -> DataFor:
    digits = load_dataset("digits")

    def prepared(shape: tuple[int, ...]) -> object:
        return tuple(
            (prepare(s.x, digits.normalization, shape), s.y) for s in (digits.train, digits.validation)
        )

    return prepared  # type: ignore[return-value]


@pytest.fixture(scope="module")
def specs() -> tuple[ArchSpec, ...]:
    """Of one frame, as those of a search are."""
    rng = np.random.default_rng(0)
    space = CoveredSpace(SPACE)
    space.regions = [Region(frame_of(SPACE.sample(rng)), 0, 10**9)]
    found = sorted((space.sample(rng) for _ in range(60)), key=lambda spec: spec.graph().macs)
    return tuple(found[5:35])


def job_of(specs: tuple[ArchSpec, ...], path: Path | None = None, **changes: float) -> SupernetJob:
    """Two pools in turn; here they share tensors, as one space says what is shared."""
    recipe = replace(Recipe(EPOCHS, 640, 32, learning_rate=0.4), **changes)
    return SupernetJob(specs[-1], recipe, checkpoint_path=path, space=SPACE, pools=(specs[::2], specs[1::2]))


def nothing(entry: object) -> None:
    pass


def test_it_learns_scores_and_goes_on_bit_by_bit(
    specs: tuple[ArchSpec, ...], data_for: DataFor, tmp_path: Path
) -> None:
    standing, kept = tmp_path / "standing.npz", tmp_path / "kept.npz"
    whole = Supernet(job_of(specs, standing), data_for)
    before = accuracies(specs, whole.weights, data_for)

    def keep(entry: dict[str, float]) -> None:
        if entry["epoch"] == EPOCHS - 1:
            shutil.copyfile(standing, kept)

    whole.run(keep)
    losses = [entry["loss"] for entry in whole.history]
    assert losses[-1] < losses[0] - 0.2
    after = accuracies(specs, whole.weights, data_for)
    assert np.mean(after) > 2 * np.mean(before)

    again = Supernet(job_of(specs, kept), data_for)
    assert len(again.history) == EPOCHS - 1
    again.run(nothing)
    assert again.history == whole.history
    for name, array in whole.weights.arrays.items():
        np.testing.assert_array_equal(again.weights.arrays[name], array)
    other = job_of(specs[1:], standing)
    assert Supernet(other, data_for).history == []  # another pool's standing is of no use


def accuracies(specs: tuple[ArchSpec, ...], shared: SharedWeights, data_for: DataFor) -> list[float]:
    found = []
    for spec in specs[::10]:
        weights = tuple(shared.cut(parts_of(spec.graph(), SPACE.sharing(spec))))
        job = ScoreJob(spec, Recipe(1, 1), space=SPACE, weights=weights, images=256)
        result, arrays = job.perform(data_for, nothing)
        assert result.scored_by == SCORED_BY
        assert len(arrays) > len(weights)  # statistics of batch normalizations
        found.append(float(result.val_accuracy or 0.0))
    return found


def test_a_lost_loss_names_step_and_widest_path(specs: tuple[ArchSpec, ...], data_for: DataFor) -> None:
    course = Supernet(job_of(specs), data_for)
    course.weights.arrays["stem/stem_conv/kernel"][...] = np.nan
    with pytest.raises(TrialError, match=r"in step 1 \(epoch 1\); the widest path .* MACs: stem\(.*head\("):
        course.run(nothing)


def test_the_clock_ends_a_training_early(specs: tuple[ArchSpec, ...], data_for: DataFor) -> None:
    course = Supernet(replace(job_of(specs), seconds=1e-6), data_for)
    course.run(nothing)  # one step all the same, so that there is something to score with
    assert len(course.history) == 1 and course.result().stopped_early


def test_a_sandwich_has_the_largest_first_and_the_smallest_last(specs: tuple[ArchSpec, ...]) -> None:
    for seed in range(50):
        places = [specs.index(spec) for spec in sandwich(specs, np.random.default_rng(seed))]
        assert places[0] >= len(specs) - 3
        assert places[-1] < 3
        assert len(set(places)) == len(places) <= 4
        assert places[1:-1] == sorted(places[1:-1], reverse=True)
        early = sandwich(specs, np.random.default_rng(seed), 0.1)
        assert min(map(specs.index, early)) >= 2 * (len(specs) // 3)


def test_a_large_network_learns_its_batch_in_parts(specs: tuple[ArchSpec, ...]) -> None:
    assert parts_of_batch(specs[-1].graph(), 128) == 1
    mobile = SPACES.get("mobile")((96, 96, 3), 10)
    graphs = [mobile.graph(mobile.sample(np.random.default_rng(seed))) for seed in range(30)]
    parts = [parts_of_batch(graph, 128) for graph in graphs]
    assert 1 == min(parts) < max(parts) <= 8


def test_gradients_are_those_of_the_loss_in_one_part_or_several(
    specs: tuple[ArchSpec, ...], data_for: DataFor
) -> None:
    """Class weights and another network's answers, as a batch of operations one after the other has them."""
    import tensorflow as tf

    spec, weights_of_classes = specs[0], tuple(np.linspace(0.5, 1.5, 10).tolist())
    job = job_of(specs, class_weights=weights_of_classes)
    course, positions = Supernet(job, data_for), np.arange(64)
    member = course._member(spec)
    images, labels = (part[positions] for part in data_for(spec.input_shape)[0])
    soft = np.random.default_rng(0).dirichlet(np.ones(10), 64).astype(np.float32)
    arrays = course.weights.cut(member.parts)
    weights = [tf.constant(array) for array in arrays]
    with tf.GradientTape() as tape:
        tape.watch(weights)
        logits = forward(member.graph, member.parts, weights, tf.constant(images), Normalizer())
        hard = tf.nn.sparse_softmax_cross_entropy_with_logits(labels.astype(np.int64), logits)
        hard = tf.reduce_mean(hard * np.array(weights_of_classes, np.float32)[labels])
        taught = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(soft, logits))
        expected = (1 - DISTILL) * hard + DISTILL * taught
    slopes = tape.gradient(expected, weights)
    loss, gradients, answers = course._learn(member, positions, soft)
    assert loss == pytest.approx(float(expected), rel=1e-5)
    for found, slope in zip(gradients, slopes, strict=True):
        np.testing.assert_allclose(found, slope.numpy(), rtol=2e-3, atol=1e-5)
    np.testing.assert_allclose(answers, tf.nn.softmax(logits).numpy(), rtol=1e-4, atol=1e-6)
    half, _, _ = course._learn_some(member, arrays, positions[:16], soft[:16])
    assert math.isfinite(half) and half != loss


def test_the_networks_that_are_trained_use_all_of_every_tensor(specs: tuple[ArchSpec, ...]) -> None:
    whole, _ = extents_of(SPACE, specs)
    for number in (1, 12, 20):
        some = covering(SPACE, specs, number)
        assert extents_of(SPACE, some)[0] == whole
        assert len(some) >= number and some == sorted(some, key=specs.index)
    assert len(covering(SPACE, specs, 1)) < len(specs)
    assert covering(SPACE, specs, len(specs)) == list(specs)


def test_tensorflow_rewrites_graphs_again_after_a_training_that_failed() -> None:
    import tensorflow as tf

    def is_off() -> bool:
        return bool(tf.config.optimizer.get_experimental_options().get("disable_meta_optimizer", False))

    before = is_off()
    with pytest.raises(TrialError), not_rewritten():
        assert is_off()
        raise TrialError("as a lost loss does")
    assert is_off() == before


def test_a_step_moves_only_what_its_networks_use() -> None:
    shared = SharedWeights(
        {"a/x/kernel": np.ones((2, 4), np.float32), "b/x/kernel": np.ones((2,), np.float32)}
    )
    descent = Descent(shared)
    descent.add([Part(0, "kernel", "a/x/kernel", (2, 2))], [np.ones((2, 2), np.float32)])
    descent.add([Part(0, "kernel", "a/x/kernel", (2, 3))], [np.ones((2, 3), np.float32)])
    descent.step(0.1)
    moved = 1.0 - shared.arrays["a/x/kernel"][0]
    np.testing.assert_allclose(moved, [0.19, 0.19, 0.095, 0.0], atol=1e-6)  # (1 + momentum) * rate * mean
    np.testing.assert_array_equal(shared.arrays["b/x/kernel"], 1.0)


def test_the_learning_rate_rises_then_falls_to_zero() -> None:
    assert rate_at(0.05, 1.0, 0.1) == pytest.approx(0.55)
    assert rate_at(0.1, 1.0, 0.1) == pytest.approx(1.0)
    assert rate_at(1.0, 1.0, 0.1) == pytest.approx(0.0)
    assert rate_at(0.0, 1.0, 0.1) == pytest.approx(0.1)


def test_trust_covers_the_range_and_is_honest_about_few_networks() -> None:
    scores = [0.1, 0.8, 0.81, 0.82, 0.83, 0.84, 0.85, 0.5]
    assert spread_over(scores, 3) == [0, 7, 6]
    assert spread_over(scores[:3], 8) == [0, 1, 2]
    found = agreement([1, 2, 3, 4, 5, 6, 7, 8], [1, 2, 3, 4, 5, 6, 8, 7])
    assert found is not None
    assert found["kendall"] == pytest.approx(26 / 28)
    assert found["low"] < 0.8 < found["kendall"] < found["high"] <= 1
    perfect = agreement(range(8), range(8))
    assert perfect is not None and perfect["low"] < 0.95 and perfect["high"] == pytest.approx(1.0)
    few = agreement([1, 2, 3], [1, 3, 2])
    assert few is not None and few["low"] is None
    assert agreement([1, 2], [1, 2]) is None
    assert agreement([1, 1, 1], [1, 2, 3]) is None
