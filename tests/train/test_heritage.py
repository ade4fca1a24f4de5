"""Weights handed to other networks: what keeps the outputs, how much is taken, and what is left fresh."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgenas.arch.space import SPACES
from edgenas.arch.spec import ArchSpec, Value
from edgenas.build.builder import build_model
from edgenas.errors import TrialError
from edgenas.train.channels import around, shares, strongest, window
from edgenas.train.heritage import Heritage, Inherited
from edgenas.train.pairing import block_keys
from edgenas.train.weights import save_weights

keras: Any = pytest.importorskip("keras")

MICRO = SPACES.get("micro")((8, 8, 1), 4)
MOBILE = SPACES.get("mobile")((8, 8, 1), 4)
PLAIN: dict[str, Value] = {
    "resolution": 8, "stem_filters": 8, "stem_kernel": 3, "stem_stride": 1, "stages": 2,
    "s1_depth": 1, "s1_filters": 8, "s1_kernel": 3, "s1_expansion": 1, "s1_stride": 1, "s1_skip": True,
    "s2_depth": 2, "s2_filters": 16, "s2_kernel": 5, "s2_expansion": 2, "s2_stride": 2, "s2_skip": True,
}  # fmt: skip
PHONE: dict[str, Value] = {
    "resolution": 8, "width": 0.25, "stem_stride": 1, "stages": 3, "stem_activation": "relu6",
    "last_expansion": 3, "last_activation": "hard_swish",
    **{f"s{stage}_{name}": value for stage in (1, 2, 3) for name, value in {
        "depth": 1, "kernel": 3, "expansion": 3, "squeeze": False, "activation": "relu6"}.items()},
}  # fmt: skip


def trained(spec: ArchSpec, seed: int = 0) -> Any:
    """A model with weights that a training could have left: no batch normalization is plain."""
    model = build_model(spec, keras)
    rng = np.random.default_rng(seed)
    for variable in model.weights:
        shape = variable.shape
        if variable.name in ("gamma", "moving_variance"):
            variable.assign(rng.uniform(0.6, 1.4, shape))
        elif variable.name in ("beta", "moving_mean", "bias"):
            variable.assign(variable + rng.normal(0, 0.3, shape))
        elif len(shape) == 2:
            variable.assign(rng.normal(0, 1, shape))
    return model


def handed(parent: ArchSpec, child: ArchSpec, folder: Path) -> tuple[Any, Any, Inherited]:
    """A trained parent, the child with what it took, and what that was."""
    model, other = trained(parent), build_model(child, keras)
    save_weights(folder / "weights.npz", model.get_weights())
    return model, other, Heritage(parent, folder / "weights.npz").hand_to(other, child)


def answers(model: Any, training: bool = False) -> np.ndarray:
    """The logarithms of the probabilities that a model gives some images."""
    images = np.random.default_rng(1).standard_normal((16, *model.input_shape[1:])).astype(np.float32)
    return np.log(np.asarray(model(images, training=training)))


GROWTHS: dict[str, tuple[dict[str, Value], dict[str, Value]]] = {
    "a wider stem": ({}, {"stem_filters": 16, "s1_skip": False}),
    "a wider stage": ({}, {"s2_filters": 48}),
    "a wider stage before others": ({"s1_skip": False}, {"s1_skip": False, "s1_filters": 24}),
    "a larger kernel": ({}, {"s1_kernel": 7}),
    "a larger kernel with a stride": ({}, {"s2_kernel": 7}),
    "a larger expansion": ({}, {"s2_expansion": 4}),
    "an expansion where there was none": ({}, {"s1_expansion": 4}),
    "one more block with a skip": ({}, {"s2_depth": 3}),
    "two more blocks without a skip": (
        {"s2_skip": False, "s2_depth": 1, "s2_expansion": 1},
        {"s2_skip": False, "s2_depth": 3, "s2_expansion": 1},
    ),
    "one more bottleneck without a skip": (
        {"s2_skip": False}, {"s2_skip": False, "s2_depth": 3},
    ),
    "all at once": ({}, {"s2_filters": 24, "s2_kernel": 7, "s2_depth": 3, "s2_expansion": 4, "s1_kernel": 5}),
}  # fmt: skip


@pytest.mark.parametrize("name", GROWTHS)
def test_growing_keeps_what_a_micro_network_computes(name: str, tmp_path: Path) -> None:
    before, after = GROWTHS[name]
    if name == "a wider stem":
        before = {"s1_skip": False}
    parent, child = (MICRO.from_choices({**PLAIN, **changes}) for changes in (before, after))
    model, other, found = handed(parent, child, tmp_path)
    assert found.preserved
    assert 0.1 < found.share <= 1
    assert np.ptp(answers(model), axis=0).max() > 0.05  # the images are told apart at all
    assert answers(other) == pytest.approx(answers(model), abs=2e-3)


@pytest.mark.parametrize(
    "changes",
    [
        {"s2_depth": 2, "s2_kernel": 5},
        {"s3_expansion": 6, "s3_squeeze": True},
        {"width": 0.5},
    ],
)
def test_growing_keeps_what_a_mobile_network_computes(changes: dict[str, Value], tmp_path: Path) -> None:
    model, other, found = handed(
        MOBILE.from_choices(PHONE), MOBILE.from_choices({**PHONE, **changes}), tmp_path
    )
    assert found.preserved
    assert answers(other) == pytest.approx(answers(model), abs=2e-3)


def test_a_new_identity_changes_little_while_batches_are_normalized(tmp_path: Path) -> None:
    """In training a batch normalization uses the batch's moments; the expected ones are near them."""
    changes: dict[str, Value] = {"s2_skip": False, "s2_depth": 1, "s2_expansion": 1}
    parent = MICRO.from_choices({**PLAIN, **changes})
    child = MICRO.from_choices({**PLAIN, **changes, "s2_depth": 2})
    model, other, _ = handed(parent, child, tmp_path)
    correlation = np.corrcoef(answers(model, True).ravel(), answers(other, True).ravel())[0, 1]
    assert correlation > 0.9


def test_what_is_claimed_to_be_kept_is_kept_over_random_pairs(tmp_path: Path) -> None:
    """Mutated networks of both spaces take what fits; `preserved` is never claimed wrongly."""
    rng = np.random.default_rng(3)
    for space, plain in ((MICRO, PLAIN), (MOBILE, PHONE)) * 3:
        parent = space.from_choices(plain)
        child = space.mutate(space.mutate(parent, rng), rng)
        model, other, found = handed(parent, child, tmp_path)
        assert 0 <= found.share <= 1
        if found.preserved:
            assert answers(other) == pytest.approx(answers(model), abs=2e-3)


def test_shrinking_takes_what_is_strongest_and_says_that_it_computes_something_else(tmp_path: Path) -> None:
    parent = MICRO.from_choices({**PLAIN, "s1_skip": False, "s2_skip": False, "s1_kernel": 5})
    child = MICRO.from_choices(
        {**PLAIN, "s1_skip": False, "s2_skip": False, "s1_kernel": 3, "stem_filters": 4}
    )
    model, other, found = handed(parent, child, tmp_path)
    assert not found.preserved
    assert found.share > 0.9
    stem, less = (one.get_layer("b0_stem_conv").get_weights()[0] for one in (model, other))
    assert less.shape[-1] == 4
    assert all(any(np.array_equal(column, kept) for column in stem.T) for kept in less.T)
    kernel, centre = (one.get_layer("b1_ds_dw").get_weights()[0] for one in (model, other))
    assert all(
        any(np.array_equal(whole[1:4, 1:4], kept) for whole in kernel.transpose(2, 0, 1, 3))
        for kept in centre.transpose(2, 0, 1, 3)
    )


def test_the_same_network_takes_everything(tmp_path: Path) -> None:
    spec = MICRO.from_choices(PLAIN)
    model, other, found = handed(spec, spec, tmp_path)
    assert found == Inherited(1.0, True)
    assert np.array_equal(answers(model), answers(other))


def test_a_network_of_another_kind_keeps_its_fresh_weights(tmp_path: Path) -> None:
    """Nothing of a convolutional network fits into a dense one."""
    dense = SPACES.get("dense")((12,), 4)
    child = dense.sample(np.random.default_rng(0))
    parent = MICRO.from_choices(PLAIN)
    keras.utils.set_random_seed(5)
    fresh = build_model(child, keras).get_weights()
    save_weights(tmp_path / "weights.npz", trained(parent).get_weights())
    keras.utils.set_random_seed(5)
    other = build_model(child, keras)
    found = Heritage(parent, tmp_path / "weights.npz").hand_to(other, child)
    assert found == Inherited(0.0, False)
    assert all(np.array_equal(one, two) for one, two in zip(fresh, other.get_weights(), strict=True))


def test_weights_of_something_else_are_refused(tmp_path: Path) -> None:
    parent, child = MICRO.from_choices(PLAIN), MICRO.from_choices({**PLAIN, "s2_kernel": 7})
    save_weights(tmp_path / "weights.npz", [np.zeros(3, np.float32)])
    with pytest.raises(TrialError, match="cannot be taken over"):
        Heritage(parent, tmp_path / "weights.npz").hand_to(build_model(child, keras), child)
    with pytest.raises(TrialError, match="cannot be taken over"):
        Heritage(parent, tmp_path / "gone.npz").hand_to(build_model(child, keras), child)


def test_blocks_are_named_by_stage_and_place() -> None:
    """A deeper network has the names of the shallower one, and more."""
    shallow = block_keys(MICRO.from_choices(PLAIN))
    deep = block_keys(MICRO.from_choices({**PLAIN, "s1_depth": 3}))
    assert shallow == ["stem", "1.0", "2.0", "2.1", "head"]
    assert deep == ["stem", "1.0", "1.1", "1.2", "2.0", "2.1", "head"]
    assert block_keys(MOBILE.from_choices(PHONE))[-2:] == ["tail.0", "head"]


def test_copies_share_and_their_shares_add_up() -> None:
    source = around(7, 3)
    parts = shares(source, 5, np.random.default_rng(0))
    for channel in range(3):
        assert parts[source == channel].sum(axis=0) == pytest.approx(np.ones(5), abs=1e-6)
    assert len(np.unique(parts[source == 0])) > 5  # unequal, or copies would stay copies


def test_windows_grow_around_their_centre_and_keep_it() -> None:
    kernel = np.arange(9.0).reshape(3, 3, 1)
    assert np.array_equal(window(window(kernel, (7, 7)), (3, 3)), kernel)
    assert window(kernel, (5, 5)).sum() == kernel.sum()
    assert window(kernel, (1, 1)).ravel() == [4.0]
    assert list(strongest(np.array([[1.0, -5.0, 2.0]]), np.ones(3), 2)) == [1, 2]
