"""What a training sees, and in which order: a function of seed, epoch and step."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgenas.train.averaging import StepCount
from edgenas.train.batches import Walk
from edgenas.train.loss import softened
from edgenas.train.recipe import Recipe

RECIPE = Recipe(epochs=6, images_per_epoch=32, batch_size=16)
IMAGES = np.arange(96.0, dtype=np.float32).reshape(96, 1, 1, 1)
LABELS = np.arange(96) % 3


def test_an_epoch_walks_on_through_one_order_of_all_images() -> None:
    """Small epochs see fresh images until all were seen, then a new order begins."""
    walk, seen = Walk(IMAGES, LABELS, RECIPE, steps=2), []
    for epoch in range(6):
        for step in range(2):
            images, labels = walk.batch(epoch, step)
            assert (images[:, 0, 0, 0].astype(int) % 3 == labels).all()
            seen += images[:, 0, 0, 0].tolist()
    assert sorted(seen[:96]) == sorted(seen[96:]) == list(range(96))
    assert seen[:96] != seen[96:]


def test_a_step_is_the_same_whatever_came_before_it() -> None:
    images = np.random.default_rng(0).random((64, 8, 8, 1), np.float32)
    recipe = Recipe(epochs=9, images_per_epoch=64, batch_size=16, shift=0.2)
    whole, late = (Walk(images, np.zeros(64, int), recipe, 4) for _ in range(2))
    seen = [whole.batch(epoch, step)[0] for epoch in range(3) for step in range(4)]
    assert np.array_equal(late.batch(2, 1)[0], seen[9])
    assert not np.array_equal(seen[8], whole.batch(0, 0)[0])


def test_softened_targets_hold_labels_and_the_teachers_answers() -> None:
    recipe = replace(RECIPE, label_smoothing=0.3, distill=0.5, temperature=4.0)
    taught = np.tile(np.float32([0.7, 0.2, 0.1]), (16, 1))
    walk = Walk(IMAGES, LABELS, recipe, 2, answers=lambda positions, images: taught, classes=3)
    _, targets = walk.batch(0, 0)
    assert targets.shape == (16, 6)
    assert np.allclose(targets[:, :3].max(axis=1), 0.8) and np.allclose(targets[:, :3].sum(axis=1), 1)
    logits = np.log(taught) / 4
    assert np.allclose(targets[:, 3:], np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True), atol=1e-5)


def test_softening_keeps_the_order_and_evens_out() -> None:
    sharp = np.float32([[0.9, 0.09, 0.01]])
    soft = softened(sharp, 3.0)
    assert soft.sum() == pytest.approx(1)
    assert sharp[0, 0] > soft[0, 0] > soft[0, 1] > soft[0, 2] > sharp[0, 2]
    assert np.allclose(softened(sharp, 1.0), sharp)


@pytest.mark.parametrize(("steps", "at_once"), [(5, 1), (5, 2), (33, 16), (3, 16), (32, 16)])
def test_steps_are_counted_whether_they_come_alone_or_together(steps: int, at_once: int) -> None:
    """Keras gives the number of the last step of each call, also where the epoch ended before it."""
    count = StepCount()
    for _ in range(2):
        taken = [count.taken(first + at_once - 1, steps) for first in range(0, steps, at_once)]
        assert sum(taken) == steps and all(0 < number <= at_once for number in taken)
