"""What is cut from shared weights is a real network: Keras computes with it what the supernet does."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from edgenas.arch.space import SPACES, SearchSpace
from edgenas.arch.spec import ArchSpec
from edgenas.build.builder import build_model
from edgenas.errors import ConfigError, TrialError, UnsupportedError
from edgenas.oneshot.elastic import SharedWeights, cut_of, parts_of
from edgenas.oneshot.forward import Normalizer, forward
from edgenas.oneshot.score import calibrated, in_keras_order
from edgenas.testing.searchers import ToySpace

SHAPES = {"micro": (16, 16, 1), "mobile": (16, 16, 3)}


def space_of(name: str) -> SearchSpace:
    return SPACES.get(name)(SHAPES[name], 5)


def specs_of(space: SearchSpace, count: int, seed: int = 0) -> list[ArchSpec]:
    rng = np.random.default_rng(seed)
    return [space.sample(rng) for _ in range(count)]


@pytest.mark.parametrize(("name", "seeds"), [("micro", range(5)), ("mobile", range(3))])
def test_keras_gives_the_supernets_own_outputs(name: str, seeds: range) -> None:
    space = space_of(name)
    specs = [specs_of(space, 1, seed)[0] for seed in seeds]
    shared = SharedWeights.fresh(space, [*specs, *specs_of(space, 40, 99)], 1)
    assert len({spec.input_shape for spec in specs}) > 1
    rng = np.random.default_rng(2)
    for spec in specs:
        graph = space.graph(spec)
        parts = parts_of(graph, space.sharing(spec))
        cut = shared.cut(parts)
        images = rng.standard_normal((24, *spec.input_shape)).astype(np.float32)
        statistics = calibrated(graph, parts, cut, images)
        logits = forward(graph, parts, cut, images, Normalizer(statistics))
        model = build_model(spec, keras)
        weights = in_keras_order(parts, cut, statistics)
        assert [tuple(v.shape) for v in model.weights] == [array.shape for array in weights]
        model.set_weights(weights)
        expected = np.asarray(model(images, training=False))
        np.testing.assert_allclose(tf.nn.softmax(logits), expected, atol=2e-5)
        assert expected.std() > 1e-3  # equal outputs of dead networks would prove nothing


def test_two_networks_of_one_space_use_one_tensor_in_part() -> None:
    space = space_of("micro")
    small, large = specs_of(space, 1, 0)[0], specs_of(space, 1, 0)[0]
    small = space.from_choices({**small.choices, "stem_filters": 4, "stem_kernel": 3})
    large = space.from_choices({**large.choices, "stem_filters": 16, "stem_kernel": 5})
    shared = SharedWeights.fresh(space, [small, large], 0)
    kernels = [shared.cut(parts_of(space.graph(spec), space.sharing(spec)))[0] for spec in (small, large)]
    np.testing.assert_array_equal(kernels[0], kernels[1][1:4, 1:4, :, :4])


def test_a_part_is_the_centre_of_the_window_and_the_first_channels() -> None:
    assert cut_of((7, 7, 96, 1), (3, 3, 24, 1)) == (slice(2, 5), slice(2, 5), slice(0, 24), slice(0, 1))
    assert cut_of((96, 10), (24, 10)) == (slice(0, 24), slice(0, 10))
    assert cut_of((64,), (24,)) == (slice(0, 24),)


def test_every_block_has_a_name_of_its_own() -> None:
    for name in SHAPES:
        space = space_of(name)
        for spec in specs_of(space, 60):
            names = space.sharing(spec)
            assert len(names) == len(set(names)) == len(spec.blocks)


def test_blocks_of_other_kinds_share_nothing() -> None:
    space = space_of("micro")
    rng = np.random.default_rng(0)
    spec = space.sample(rng)
    found = {}
    for expansion in (1, 2):
        changed = space.from_choices({**spec.choices, "s1_expansion": expansion})
        parts = parts_of(space.graph(changed), space.sharing(changed))
        found[expansion] = {part.name for part in parts if part.name.startswith("s1.")}
    assert found[1] and found[2] and not found[1] & found[2]


def test_a_network_larger_than_the_supernet_is_refused_by_its_tensor() -> None:
    space = space_of("micro")
    spec = specs_of(space, 1)[0]
    smaller = space.from_choices({**spec.choices, "stem_filters": 4})
    wider = space.from_choices({**spec.choices, "stem_filters": 24})
    shared = SharedWeights.fresh(space, [smaller], 0)
    with pytest.raises(TrialError, match=r"stem/stem_conv/kernel is \(.*24\), the supernet has"):
        shared.cut(parts_of(space.graph(wider), space.sharing(wider)))


@pytest.mark.parametrize(
    ("space", "words"),
    [
        (SPACES.get("cell")((16, 16, 3), 4), "edge_0_1"),
        (SPACES.get("sequence")((20, 3), 4), "choice form"),
        (SPACES.get("dense")((20,), 4), "choices depth"),
        (ToySpace((16, 16, 1), 4), "does not say which blocks"),
    ],
)
def test_a_space_that_cannot_be_elastic_names_the_choice(space: SearchSpace, words: str) -> None:
    with pytest.raises(UnsupportedError, match=words):
        space.sharing(specs_of(space, 1)[0])


def test_a_spec_written_by_hand_has_no_stages_to_share() -> None:
    space = space_of("micro")
    spec = specs_of(space, 1)[0]
    with pytest.raises(ConfigError, match="no decisions"):
        space.sharing(ArchSpec(spec.space, spec.input_shape, spec.classes, spec.blocks, {}))
