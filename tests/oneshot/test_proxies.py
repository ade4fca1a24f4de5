"""Every registered proxy keeps its contract and what holds for it by definition."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgenas.arch.spec import ArchSpec
from edgenas.data.dataset import Dataset
from edgenas.data.load import load_dataset
from edgenas.errors import UnknownNameError
from edgenas.oneshot.proxies import PROXIES, Probe, Proxy, ProxyJob, read_scores
from edgenas.oneshot.proxies.synflow import flow, linear
from edgenas.testing.proxies import IMAGES, ProxyContract, flat_network, network, probe
from edgenas.train.process import TrainingProcess
from edgenas.train.recipe import Recipe


@pytest.fixture(params=PROXIES.names())
def registered(request: pytest.FixtureRequest) -> Proxy:
    found = PROXIES.get(request.param)
    request.instance.proxy = found
    return found


@pytest.mark.usefixtures("registered")
class TestRegisteredProxies(ProxyContract):
    proxy: Proxy

    def make(self) -> Proxy:
        return self.proxy


def score(name: str, spec: ArchSpec, **settings: int) -> float:
    return PROXIES.get(name).score(probe(spec, **settings))


@pytest.mark.parametrize("name", ["macs", "params", "synflow", "zen"])
def test_deeper_networks_score_higher(name: str) -> None:
    assert score(name, network(depth=3)) > score(name, network(depth=1))


def test_counts_are_those_of_the_graph() -> None:
    spec = network(depth=2)
    assert (score("macs", spec), score("params", spec)) == (spec.graph().macs, spec.graph().params)


def test_synflow_of_one_dense_layer_is_the_sum_of_its_absolute_weights() -> None:
    """A mean of ones, then a matrix: the flow through each weight is the weight."""
    looked_at = probe(flat_network())
    model = looked_at.build(linear(looked_at.graph))
    model.set_weights([np.array([[1.0, -2.0, 3.0]]), np.zeros(3)])
    assert flow(model) == pytest.approx(6.0)


def test_naswot_of_equal_images_is_below_that_of_different_ones() -> None:
    whole = probe(network())
    equal = Probe(whole.spec, np.repeat(whole.images[:1], IMAGES, axis=0), whole.labels)
    naswot = PROXIES.get("naswot")
    assert naswot.score(equal) < naswot.score(whole) - 1


def test_naswot_counts_units_that_agree() -> None:
    """Against the definition, the slow way."""
    from edgenas.oneshot.proxies.naswot import _agreements

    on = (np.random.default_rng(0).random((5, 40)) > 0.5).astype(np.float32)
    slow = [[float((first == second).sum()) for second in on] for first in on]
    assert np.array_equal(_agreements(on), slow)


def test_gradients_of_a_batch_twice_over_have_the_same_norm() -> None:
    """The loss is a mean, and so are the moments of the batch normalizations."""
    whole = probe(network())
    twice = Probe(whole.spec, np.tile(whole.images, (2, 1, 1, 1)), np.tile(whole.labels, 2))
    grad_norm = PROXIES.get("grad_norm")
    assert grad_norm.score(twice) == pytest.approx(grad_norm.score(whole), rel=1e-3)


def test_an_unknown_proxy_says_what_was_meant() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'synflow'"):
        PROXIES.get("synflo")


class Endless(Proxy):
    def score(self, looked_at: Probe) -> float:
        return float("inf")


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load_dataset("digits")


def test_a_list_of_networks_is_scored_in_the_training_process(digits: Dataset, tmp_path: Path) -> None:
    """Twice the same, networks of other sizes included, and as in this process."""
    specs = (network(4), network(4, side=6))
    recipe = Recipe(1, 32, 32, seed=4)
    found = []
    with TrainingProcess(digits, tmp_path / "log", threads=1) as process:
        for number in range(2):
            path = tmp_path / f"{number}.npz"
            process.run(ProxyJob(specs[0], recipe, path, specs=specs, proxies=("synflow", "macs"), batch=16))
            found.append(read_scores(path))
    assert found[0].shape == (2, 2)
    assert np.array_equal(found[0], found[1])
    assert list(found[0][:, 1]) == [spec.graph().macs for spec in specs]
    here = Probe(specs[0], np.zeros((1, 8, 8, 1), np.float32), np.zeros(1, int), seed=4)
    assert found[0][0, 0] == pytest.approx(PROXIES.get("synflow").score(here), rel=1e-6)


def test_a_score_that_is_not_finite_ranks_last(digits: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PROXIES._entries, "endless", Endless())
    job = ProxyJob(network(4), Recipe(1, 32, 32), specs=(network(4),), proxies=("endless", "params"))
    images = np.zeros((40, 8, 8, 1), np.float32), np.zeros(40, int)
    _, (scores,) = job.perform(lambda shape: (images, images), lambda entry: None)
    assert np.isfinite(scores).all() and scores[0, 0] < 0 < scores[0, 1]
