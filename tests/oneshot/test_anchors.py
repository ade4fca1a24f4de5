"""Anchors relate losses and sizes to accuracies, and say how far that holds."""

from __future__ import annotations

import math

import numpy as np
import pytest

from edgenas.oneshot.anchors import FEWEST, Anchor, Expectation, left_out, sureness, trust_in


def anchors_of(count: int, seed: int = 0) -> list[Anchor]:
    """Networks whose error falls with size and rises with loss, and a little luck."""
    rng = np.random.default_rng(seed)
    found = []
    for place in range(count):
        macs, params = int(10 ** rng.uniform(4.5, 6.5)), int(10 ** rng.uniform(3.3, 4.6))
        loss = float(rng.uniform(0.6, 1.2))
        error = 0.12 * (macs / 1e5) ** -0.15 * (params / 1e4) ** -0.1 * math.exp(0.5 * (loss - 0.9))
        error *= math.exp(0.02 * rng.standard_normal())
        found.append(Anchor(f"network{place}", loss, macs, params, 1.0 - error, 9.0))
    return found


def test_what_is_expected_follows_loss_and_size() -> None:
    found = Expectation.of(anchors_of(12))
    assert found is not None
    usual = found.accuracy(0.9, 100_000)
    assert usual == pytest.approx(0.88, abs=0.01)
    assert found.accuracy(1.1, 100_000) < usual < found.accuracy(0.9, 1_000_000)


def test_it_is_an_accuracy_however_far_a_network_is_from_the_anchors() -> None:
    found = Expectation.of(anchors_of(8))
    assert found is not None
    assert found.accuracy(1e3, 1) == pytest.approx(0.0, abs=0.01)
    assert found.accuracy(-1e3, 10**15) == 1.0


def test_few_anchors_promise_nothing() -> None:
    few = anchors_of(FEWEST - 1)
    assert Expectation.of(few) is None and Expectation.of([]) is None
    assert left_out(few) == [sureness(one.loss) for one in few]


def test_anchors_of_one_size_tell_by_their_loss() -> None:
    alike = [Anchor(one.arch, one.loss, 1000, 50, 1.0 - 0.1 * one.loss, 9.0) for one in anchors_of(8)]
    found = Expectation.of(alike)
    assert found is not None
    assert found.accuracy(0.7, 1000) > found.accuracy(1.0, 1000)


def test_each_anchor_is_judged_without_its_own_training() -> None:
    """One anchor with luck moves what is expected of it, but not its own score."""
    plain = anchors_of(10)
    lucky = [Anchor(**{**vars(plain[0]), "alone": 0.99}), *plain[1:]]
    assert left_out(lucky)[0] == left_out(plain)[0]
    assert left_out(lucky)[1] != left_out(plain)[1]


def test_trust_compares_scores_and_macs_with_trainings_alone() -> None:
    anchors = anchors_of(12)
    trust = trust_in(anchors, 1)
    assert [pair["trial"] for pair in trust["pairs"]] == [one.arch for one in anchors]
    assert trust["failed"] == 1 and trust["agreement"]["networks"] == 12
    assert trust["agreement"]["kendall"] > max(0.6, trust["agreement_of_macs"]["kendall"])
    assert trust_in([], 2)["agreement"] is None
