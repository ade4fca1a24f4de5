"""The super-network with one-hot gates is the network of that selection; gates have the right way back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgenas.arch.space import SPACES
from edgenas.build.builder import build_model
from edgenas.oneshot.gradient_gates import Gates, chosen, drawn
from edgenas.oneshot.gradient_net import SuperNetwork
from edgenas.oneshot.gradient_space import Skeleton, skeleton_of

PARTS = {"dw": "depthwise", "pw": "project"}


@pytest.mark.parametrize(("space", "shape", "seed"), [("micro", (9, 8, 1), 1), ("mobile", (12, 12, 3), 7)])
def test_one_hot_gates_are_the_network_itself(space: str, shape: tuple[int, ...], seed: int) -> None:
    import keras

    made = SPACES.get(space)(shape, 4)
    spec = made.sample(np.random.default_rng(seed))
    skeleton = skeleton_of(made, spec)
    selection = skeleton.selection(spec)
    assert selection is not None
    net, rng = SuperNetwork(skeleton, 4), np.random.default_rng(0)
    flat = net.parameters.first()
    flat += 0.1 * rng.normal(size=flat.shape).astype(np.float32)
    images = rng.normal(size=(16, *spec.input_shape)).astype(np.float32)
    model = build_model(spec, keras)
    hand_over(model, net.parameters.named(flat), skeleton, spec.choices)
    expected = np.asarray(model(images, training=True))
    gates = chosen([np.zeros(len(decision.options)) for decision in skeleton.decisions], selection)
    everything = Gates(gates.values, [np.ones_like(used) for used in gates.used], gates.shares)
    for used in (gates, everything):  # what is cut off, and what is only masked
        logits = np.asarray(net.outputs_of(images, flat, used.flat, net.cuts(used)))
        shares = np.exp(logits - logits.max(axis=1, keepdims=True))
        assert shares / shares.sum(axis=1, keepdims=True) == pytest.approx(expected, abs=1e-5)


def hand_over(model: Any, weights: dict[str, np.ndarray], skeleton: Skeleton, choices: Any) -> None:
    """Give a Keras model its part of the shared weights."""
    names = {0: "stem"}
    for stage in range(len(skeleton.strides)):
        for block in range(int(choices[f"s{stage + 1}_depth"])):
            names[len(names)] = f"s{stage}b{block}"
    for layer in model.layers:
        own = layer.get_weights()
        if not own:
            continue
        number, part = int(layer.name.split("_")[0][1:]), layer.name.removesuffix("_bn").split("_")[-1]
        behind = "head/kernel" if part == "dense" else "last"
        name = names.get(number, behind)
        if number in names and number > 0:
            name = f"{name}/{PARTS.get(part, part)}"
        if layer.name.endswith("_bn"):
            own[0], own[1] = (weights[f"{name}/{which}"][: len(own[0])] for which in ("factor", "summand"))
        else:
            own[0] = middle(weights[name], own[0].shape)
            if len(own) > 1:
                own[1] = weights[f"{name.removesuffix('/kernel')}/summand"][: len(own[1])]
        layer.set_weights(own)


def middle(kernel: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    if kernel.ndim < len(shape):
        kernel = kernel[None, None]
    if kernel.ndim == 4:
        edge = (kernel.shape[0] - shape[0]) // 2
        kernel = kernel[edge : edge + shape[0], edge : edge + shape[1]]
    return kernel[tuple(slice(0, size) for size in shape)]


def test_gumbel_gates_lead_back_to_their_logits() -> None:
    logits, target = (
        [np.array([0.3, -0.2, 0.5]), np.array([0.0, 1.0])],
        [np.array([1.0, -2, 3]), np.array([2.0, 1])],
    )

    def value(parts: list[np.ndarray]) -> float:
        gates = drawn("gumbel", parts, 2.0, np.random.default_rng(4), pairs=True)
        return float(sum(part @ other for part, other in zip(gates.values, target, strict=True)))

    gates = drawn("gumbel", logits, 2.0, np.random.default_rng(4), pairs=True)
    assert [float(part.sum()) for part in gates.values] == pytest.approx([1, 1])
    for at, slopes in enumerate(gates.back(target)):
        for option, slope in enumerate(slopes):
            moved = [np.array(part) for part in logits]
            moved[at][option] += 1e-5
            assert slope == pytest.approx((value(moved) - value(logits)) / 1e-5, abs=1e-3)


def test_binary_gates_compute_two_options_at_most_and_teach_only_those() -> None:
    logits = [np.array([0.3, -0.2, 0.5, 0.0])]
    single = drawn("binary", logits, 1.0, np.random.default_rng(0), pairs=False)
    assert [int(used.sum()) for used in single.used] == [1]
    pair = drawn("binary", logits, 1.0, np.random.default_rng(1), pairs=True)
    assert int(pair.used[0].sum()) == 2
    assert sorted(pair.values[0]) == [0, 0, 0, 1]
    slopes = pair.back([np.array([1.0, 2.0, 3.0, 4.0])])[0]
    assert (slopes != 0).tolist() == pair.used[0].tolist()
    assert slopes.sum() == pytest.approx(0)
    assert slopes[pair.used[0]][1] > 0  # the option of the larger derivative becomes less likely


def test_weights_are_taken_over_where_two_super_networks_meet() -> None:
    made = SPACES.get("micro")((8, 8, 1), 4)
    skeleton = skeleton_of(made, made.sample(np.random.default_rng(0)))
    smaller = skeleton.with_options([decision.options[:2] for decision in skeleton.decisions])
    large, small = SuperNetwork(skeleton, 4, 1).parameters, SuperNetwork(smaller, 4, 2).parameters
    theirs = large.named(large.first())
    taken = small.named(small.grafted(theirs))
    kernel, other = taken["s0b0/depthwise"], theirs["s0b0/depthwise"]
    edge = (other.shape[0] - kernel.shape[0]) // 2
    assert edge > 0
    assert np.array_equal(kernel, other[edge:-edge, edge:-edge, : kernel.shape[2]])
    assert np.array_equal(
        taken["s0b0/project"], theirs["s0b0/project"][tuple(map(slice, taken["s0b0/project"].shape))]
    )
