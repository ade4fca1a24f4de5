"""Contract of a training-free proxy: what every registered proxy, and any of yours, must keep.

A third party writes one class and inherits the suite::

    class TestMyProxy(ProxyContract):
        def make(self) -> Proxy:
            return MyProxy()
"""

from __future__ import annotations

from dataclasses import replace
from math import isfinite

import numpy as np
import pytest

from edgenas.arch.spec import ArchSpec, Block, Value
from edgenas.oneshot.proxies import Probe, Proxy
from edgenas.task import CLASSIFICATION, Task
from edgenas.task.regression import Regression

IMAGES = 8
CLASSES = 3


def network(filters: int = 8, side: int = 8, depth: int = 1) -> ArchSpec:
    """A small network: stem, blocks with a skip, head."""
    stem: dict[str, Value] = {"filters": filters, "kernel": 3, "stride": 1}
    block: dict[str, Value] = {"filters": filters, "kernel": 3, "stride": 1, "skip": True}
    blocks = [Block("stem", stem), *([Block("ds", block)] * depth), Block("head", {"classes": CLASSES})]
    return ArchSpec("made-up", (side, side, 1), CLASSES, tuple(blocks), {})


def flat_network(classes: int = CLASSES) -> ArchSpec:
    """A network without any rectified unit, for numbers instead of classes."""
    head: dict[str, Value] = {"classes": classes, "activation": "linear"}
    return ArchSpec("made-up", (8, 8, 1), classes, (Block("head", head),), {})


def probe(spec: ArchSpec, seed: int = 0, data: int = 0, task: Task = CLASSIFICATION) -> Probe:
    """A network with one batch of made-up images."""
    rng = np.random.default_rng([data, 1])
    images = rng.standard_normal((IMAGES, *spec.input_shape)).astype(np.float32)
    labels = rng.integers(CLASSES, size=IMAGES)
    if task != CLASSIFICATION:
        labels = rng.standard_normal((IMAGES, spec.classes)).astype(np.float32)
    return Probe(spec, images, labels, seed, task)


class ProxyContract:
    """Inherit, fill `make`, and pytest runs the suite."""

    def make(self) -> Proxy:
        """A proxy to test."""
        raise NotImplementedError

    @pytest.mark.parametrize("spec", [network(), network(depth=3), network(4, 12), flat_network()])
    def test_scores_are_finite(self, spec: ArchSpec) -> None:
        """Whatever the network: deep, small, or without a rectified unit."""
        assert isfinite(self.make().score(probe(spec)))

    def test_one_seed_gives_one_score(self) -> None:
        """Also after other networks and other proxies were looked at."""
        proxy, once = self.make(), probe(network())
        first = proxy.score(once)
        proxy.score(probe(network(4)))
        assert proxy.score(once) == first
        assert proxy.score(probe(network())) == first

    def test_weights_are_drawn_by_the_seed(self) -> None:
        """Another seed gives other weights, and so another score, where there are weights."""
        proxy = self.make()
        same = proxy.score(probe(network())) == proxy.score(probe(network(), seed=1))
        assert same is not proxy.needs_model

    def test_data_count_where_they_are_said_to(self) -> None:
        """Other images change the score of a proxy that sees them, and of no other one."""
        proxy = self.make()
        same = proxy.score(probe(network())) == proxy.score(probe(network(), data=1))
        assert same is not proxy.sees_data

    def test_the_order_of_the_batch_does_not_count(self) -> None:
        """A batch is a set."""
        proxy, whole = self.make(), probe(network())
        order = np.random.default_rng(2).permutation(IMAGES)
        turned = replace(whole, images=whole.images[order], labels=whole.labels[order])
        assert proxy.score(turned) == pytest.approx(proxy.score(whole), rel=1e-4)

    def test_the_network_is_left_as_it_was(self) -> None:
        """Scoring by one proxy does not change what the next one sees."""
        looked_at = probe(network())
        before = [array.copy() for array in looked_at.model.get_weights() if array.ndim > 1]
        self.make().score(looked_at)
        after = [array for array in looked_at.model.get_weights() if array.ndim > 1]
        assert all(np.array_equal(one, two) for one, two in zip(before, after, strict=True))

    def test_numbers_can_be_learned_instead_of_classes(self) -> None:
        """A network of another task has a score too."""
        regression = Regression(scale=(1.0, 1.0), offset=(0.0, 0.0), names=("a", "b"))
        assert isfinite(self.make().score(probe(flat_network(2), task=regression)))
