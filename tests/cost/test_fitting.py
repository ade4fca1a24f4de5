"""Kernels are found again from whole networks of made-up boards, with intervals that hold."""

from __future__ import annotations

import numpy as np
import pytest

from edgenas.arch import MicroSpace, OpGraph
from edgenas.cost.fitting import NOISE, HierarchicalFit, KernelCycles, Reading, Target, conditioned
from edgenas.cost.kernel_features import NAMES, Floats, network_features, prior

BOARDS = {
    "slow": Target("rt", "1", "cortex-m4", "slow"), "slower": Target("rt", "1", "cortex-m4", "slower"),
    "fast": Target("rt", "1", "cortex-m7", "fast"),
}  # fmt: skip
UNSEEN = Target("rt", "1", "cortex-m4", "unseen")


def graphs(count: int, seed: int = 0) -> list[OpGraph]:
    spaces = [MicroSpace((28, 28, 1), 10), MicroSpace((96, 96, 3), 4)]
    return [spaces[k % 2].sample(np.random.default_rng((seed, k))).graph() for k in range(count)]


def truth(target: Target) -> Floats:
    """Log cycles that the fit does not know: the prior shifted by what all, the core and the board share."""
    mean, spread = prior()
    common = spread * np.random.default_rng(1).normal(size=len(mean)) * 0.7
    core = 0.4 if target.core == "cortex-m4" else -0.2
    board = {"slow": 0.0, "slower": 0.08, "fast": 0.03, "unseen": -0.07}[target.board]
    return np.asarray(mean + common + core + board)


def measured(target: Target, network: OpGraph, name: str) -> Reading:
    counts = network_features(network)
    wobble = 0.02 * np.random.default_rng(abs(hash_of(name + target.board))).normal()
    return Reading(name, counts, float(np.exp(truth(target) + wobble) @ counts), target)


def hash_of(text: str) -> int:
    return sum(ord(letter) * 31**place for place, letter in enumerate(text)) % 2**31


@pytest.fixture(scope="module")
def fit() -> HierarchicalFit:
    found = graphs(8)
    return HierarchicalFit(
        [measured(target, graph, f"n{k}") for target in BOARDS.values() for k, graph in enumerate(found)]
    )


def judged(kernels: KernelCycles, target: Target) -> tuple[Floats, Floats]:
    """Relative errors on unseen networks, and the same in standard deviations."""
    networks = [measured(target, graph, f"u{k}") for k, graph in enumerate(graphs(20, seed=9))]
    log_cycles, spread = kernels.predict(np.array([one.counts for one in networks]))
    residual = log_cycles - np.log([one.cycles for one in networks])
    return np.expm1(residual), residual / np.hypot(spread, NOISE)


def test_unseen_networks_on_known_boards_are_predicted(fit: HierarchicalFit) -> None:
    for target in BOARDS.values():
        errors, deviations = judged(fit.kernels(target), target)
        assert np.abs(errors).mean() < 0.06 and np.mean(np.abs(deviations) < 1.645) >= 0.9


def test_an_unseen_board_is_predicted_from_its_core_and_knows_that_it_is_unseen(fit: HierarchicalFit) -> None:
    errors, deviations = judged(fit.kernels(UNSEEN), UNSEEN)
    assert np.abs(errors).mean() < 0.2 and np.mean(np.abs(deviations) < 1.645) >= 0.9
    counts = network_features(graphs(1)[0])
    known, unseen = (fit.kernels(target).predict(counts)[1][0] for target in (BOARDS["slow"], UNSEEN))
    assert unseen > 1.5 * known
    stranger = Target("another", "1", "another", "another")
    assert fit.kernels(stranger).predict(counts)[1][0] > 5 * unseen


def test_a_few_measurements_correct_an_unseen_board_and_narrow_its_interval(fit: HierarchicalFit) -> None:
    before = fit.kernels(UNSEEN)
    three = [measured(UNSEEN, graph, f"m{k}") for k, graph in enumerate(graphs(3, seed=4))]
    counts, cycles = np.array([one.counts for one in three]), np.array([one.cycles for one in three])
    after = conditioned(before, counts, cycles, NOISE)
    assert np.abs(judged(after, UNSEEN)[0]).mean() < np.abs(judged(before, UNSEEN)[0]).mean()
    new = np.array([network_features(graph) for graph in graphs(10, seed=5)])
    assert (after.predict(new)[1] < before.predict(new)[1]).all()
    assert np.all(np.linalg.eigvalsh(after.covariance) > -1e-9)


def test_kernels_never_measured_keep_their_prior(fit: HierarchicalFit) -> None:
    place = NAMES.index("moved")  # no network of the space pads or concatenates
    mean, spread = prior()
    found = fit.kernels(BOARDS["fast"])
    assert found.covariance[place, place] > 0.8 * spread[place] ** 2
    assert abs(found.log_cycles[place] - mean[place]) < 1.0


def test_the_order_of_readings_does_not_matter(fit: HierarchicalFit) -> None:
    other = HierarchicalFit(fit.readings[::-1])
    for target in (BOARDS["slow"], UNSEEN):
        assert np.allclose(other.kernels(target).log_cycles, fit.kernels(target).log_cycles, atol=0.02)
