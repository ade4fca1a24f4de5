"""Features of networks, the Gaussian process, and the expected gain of hypervolume."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from edgenas.arch.graph import GraphBuilder, OpGraph
from edgenas.arch.spaces.micro import MicroSpace
from edgenas.search.features import encoder_of, graph_features, kind_label
from edgenas.search.gain import Known, LogNormal, expected_gain
from edgenas.search.pareto import hypervolume
from edgenas.search.plan import Warp, learned_rows
from edgenas.search.surrogate import Posterior, fit_hyperparameters


def two_paths() -> OpGraph:
    """Three 3x3 convolutions on one path, one 1x1 on the other, added; then a dense layer."""
    graph = GraphBuilder((8, 8, 4))
    deep = 0
    for number in range(3):
        deep = graph.window("conv2d", f"deep{number}", deep, kernel=3)
    flat = graph.window("conv2d", "flat", 0, kernel=1)
    joined = graph.simple("add", "add", deep, flat)
    pooled = graph.simple("global_avg_pool", "pool", joined, out_shape=(4,))
    graph.dense("dense", pooled, 2)
    return graph.finish()


def test_graph_features_count_operations_along_paths() -> None:
    graph = two_paths()
    kinds = {label: position for position, label in enumerate(sorted({kind_label(op) for op in graph.ops}))}
    row = graph_features(graph, kinds)
    sizes, by_kind = row[:9], row[9:].reshape(6, len(kinds))
    assert sizes[:4] == pytest.approx(
        [np.log1p(graph.macs), np.log1p(graph.params), np.log1p(5 * 8 * 8 * 4 + 4 + 2), 7]
    )
    assert sizes[4:] == pytest.approx(
        [np.log(2), 4, 2, 3, 1]
    )  # paths; weights on them: most, least, mean, spread
    count, _, least, most, mean, walk = by_kind[:, kinds["conv2d 3x3"]]
    assert [count, least, most, mean, walk] == pytest.approx([3, 0, 3, 1.5, 1.5])


def test_the_mean_over_paths_and_on_a_walk_differ_where_branches_branch() -> None:
    """A branch of two paths counts twice over paths, once on a walk back from the output."""
    graph = GraphBuilder((8, 8, 4))
    left, right = (graph.window("conv2d", name, 0, kernel=3) for name in "lr")
    both = graph.simple("add", "both", left, right)
    alone = graph.window("max_pool2d", "alone", 0, kernel=3)
    graph.simple("add", "all", both, alone)
    row = graph_features(graph.finish(), {"conv2d 3x3": 0})
    assert row[-2:] == pytest.approx([2 / 3, 1 / 2])


def test_features_of_one_space_have_one_length_and_tell_networks_apart() -> None:
    space = MicroSpace((28, 28, 1), 10)
    encoder = encoder_of(space)
    assert encoder_of(space) is encoder
    specs = [space.sample(np.random.default_rng(seed)) for seed in range(1000, 1040)]
    rows = [np.concatenate(encoder.groups(spec)) for spec in specs]
    assert len({row.shape for row in rows}) == 1
    assert np.isfinite(rows).all()
    assert len({row.tobytes() for row in rows}) == len({spec.arch_id for spec in specs})


def test_the_graph_predicts_networks_better_than_the_decisions_alone() -> None:
    """Forty networks teach what depends on the largest depth of weights and the MACs."""
    space = MicroSpace((28, 28, 1), 10)
    specs = [space.sample(np.random.default_rng(seed)) for seed in range(2000, 2240)]
    graphs = [space.graph(spec) for spec in specs]
    truth = np.array([np.log(graph.macs) + 0.1 * len(graph.ops) for graph in graphs])
    groups = [
        np.array(group) for group in zip(*(encoder_of(space).groups(spec) for spec in specs), strict=True)
    ]

    def correlation(used: list[np.ndarray]) -> float:
        values = (truth[:40] - truth[:40].mean()) / truth[:40].std()
        seen = [group[:40] for group in used]
        posterior = Posterior(fit_hyperparameters(seen, values), seen, values, [group[40:] for group in used])
        return float(spearmanr(posterior.mean, truth[40:]).statistic)

    assert correlation(groups) > 0.95
    assert correlation(groups) > correlation(groups[:1]) + 0.1


def observed(seed: int) -> tuple[list[np.ndarray], np.ndarray]:
    rng = np.random.default_rng(seed)
    groups = [rng.random((40, 3)), rng.random((40, 5))]
    values = np.sin(4 * groups[0][:, 0]) + groups[1][:, 1] + 0.05 * rng.standard_normal(40)
    return groups, (values - values.mean()) / values.std()


def test_the_posterior_interpolates_and_is_unsure_far_away() -> None:
    groups, values = observed(0)
    far = [np.full((1, 3), 9.0), np.full((1, 5), 9.0)]
    queries = [np.vstack([group, point]) for group, point in zip(groups, far, strict=True)]
    posterior = Posterior(fit_hyperparameters(groups, values), groups, values, queries)
    assert posterior.mean[:-1] == pytest.approx(posterior.fitted)
    assert np.corrcoef(posterior.fitted, values)[0, 1] > 0.95
    assert posterior.variance[-1] > 5 * posterior.variance[:-1].max()
    assert posterior.mean[-1] == pytest.approx(0.0, abs=0.3)


@pytest.mark.parametrize("at_once", [1, 2])
def test_believing_points_equals_learning_their_expected_values(at_once: int) -> None:
    groups, values = observed(1)
    rng = np.random.default_rng(2)
    queries = [rng.random((6, 3)), rng.random((6, 5))]
    hyperparameters = fit_hyperparameters(groups, values)
    posterior = Posterior(hyperparameters, groups, values, queries)
    expected = posterior.mean[:2].copy()
    before = posterior.variance.copy()
    points = [[group[row : row + at_once] for group in queries] for row in range(0, 2, at_once)]
    believed = np.concatenate([posterior.believe(some) for some in points])
    assert believed == pytest.approx(expected)
    grown = [np.vstack([group, query[:2]]) for group, query in zip(groups, queries, strict=True)]
    learned = Posterior(hyperparameters, grown, np.append(values, believed), queries)
    assert posterior.variance == pytest.approx(learned.variance)
    assert learned.mean == pytest.approx(posterior.mean)
    assert (posterior.variance <= before).all() and posterior.variance[0] < 0.5 * before[0]


@pytest.mark.parametrize("objectives", [2, 3, 4])
def test_the_gain_of_known_points_is_that_of_the_hypervolume(objectives: int) -> None:
    rng = np.random.default_rng(objectives)
    front, reference = rng.random((12, objectives)), np.full(objectives, 0.9)
    candidates = rng.random((30, objectives))
    before = hypervolume(front, reference)
    gains = [hypervolume(np.vstack([front, point]), reference) - before for point in candidates]
    assert expected_gain([Known(column) for column in candidates.T], front, reference) == pytest.approx(gains)


def test_the_gain_of_a_single_objective_is_the_improvement() -> None:
    found = expected_gain([Known(np.array([0.2, 0.5, 0.8]))], np.array([[0.6], [0.7]]), np.ones(1))
    assert found == pytest.approx([0.4, 0.1, 0.0])


def test_the_expected_gain_is_the_mean_over_draws() -> None:
    rng = np.random.default_rng(5)
    front, reference = rng.random((8, 2)), np.ones(2)
    mean, deviation, shift = np.log([0.25, 0.6]), np.array([0.3, 0.5]), 0.1
    costs = np.array([0.15, 0.4])
    found = expected_gain([LogNormal(mean, deviation, shift), Known(costs)], front, reference)
    before = hypervolume(front, reference)
    for row in range(2):
        errors = np.exp(mean[row] + deviation[row] * rng.standard_normal(20_000)) - shift
        drawn = [hypervolume(np.vstack([front, [error, costs[row]]]), reference) - before for error in errors]
        assert found[row] == pytest.approx(np.mean(drawn), abs=4 * np.std(drawn) / np.sqrt(len(drawn)))
        assert found[row] > 0


def test_the_expected_gain_with_both_objectives_unknown() -> None:
    rng = np.random.default_rng(6)
    front, reference = rng.random((8, 2)), np.ones(2)
    beliefs = [
        LogNormal(np.log([0.3]), np.array([0.4]), 0.0),
        LogNormal(np.log([0.3]), np.array([0.6]), 0.05),
    ]
    before = hypervolume(front, reference)
    draws = [np.exp(b.mean[0] + b.deviation[0] * rng.standard_normal(20_000)) - b.shift for b in beliefs]
    drawn = [hypervolume(np.vstack([front, point]), reference) - before for point in np.array(draws).T]
    found = expected_gain(beliefs, front, reference)[0]
    assert found == pytest.approx(np.mean(drawn), abs=4 * np.std(drawn) / np.sqrt(len(drawn)))


def test_warping_goes_back_and_survives_zero_and_equal_values() -> None:
    for values in ([0.0, 0.1, 0.9], [0.3, 0.3, 0.3], [-0.2, 0.5, 3.0], [0.0, 0.0]):
        warp = Warp(np.array(values))
        assert np.isfinite(warp(np.array(values))).all()
        assert warp.back(warp(np.array(values))) == pytest.approx(values, abs=1e-9)


def test_results_to_learn_from_hold_the_front_and_are_bounded() -> None:
    points = np.random.default_rng(3).random((500, 2))
    rows = learned_rows(points, 100)
    assert len(rows) == len(set(rows.tolist())) == 100
    front = [row for row, point in enumerate(points) if not ((points < point).all(axis=1)).any()]
    assert set(front) <= set(rows.tolist())
