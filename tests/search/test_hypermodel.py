"""keras-tuner's hyperparameters and edgenas' choosers, both ways."""

from __future__ import annotations

import json
from typing import Any

import keras_tuner
import numpy as np
import pytest

from edgenas.errors import ConfigError, UnsupportedError, UsageError
from edgenas.search.hypermodel import BUILDS, HyperModelSpace, SpaceHyperModel, options_of
from edgenas.search.tuner import as_space
from edgenas.testing.searchers import TinySpace
from edgenas.testing.spaces import SpaceContract


def build(hp: keras_tuner.HyperParameters) -> Any:
    """A choice of each kind; ``filters`` is only asked of networks with a hidden layer."""
    import keras

    inputs = keras.Input((8, 8, 1))
    x = keras.layers.Conv2D(hp.Int("stem", 4, 16, step=4), hp.Choice("kernel", [1, 3]))(inputs)
    if hp.Boolean("hidden"):
        with hp.conditional_scope("hidden", [True]):
            x = keras.layers.Conv2D(hp.Int("filters", 2, 4), 1, activation="relu")(x)
    x = keras.layers.Dropout(hp.Float("dropout", 0.0, 0.5))(keras.layers.GlobalAveragePooling2D()(x))
    model = keras.Model(inputs, keras.layers.Dense(10, "softmax")(x))
    model.compile(hp.Choice("optimizer", ["sgd", "adam"]), "sparse_categorical_crossentropy")
    return model


class TestBuildFunctionAsASpace(SpaceContract):
    """A user's function keeps the contract of every space, as far as a few models can tell."""

    samples = 5
    test_encoding_has_one_length_and_tells_choices_apart = None  # type: ignore[assignment]  # 500 models
    test_enumeration_repeats_nothing = None  # type: ignore[assignment]  # 200 models

    def make(self) -> HyperModelSpace:
        return HyperModelSpace(build, (8, 8, 1), 10)

    def test_the_costs_are_those_of_the_built_model(self) -> None:
        space = self.make()
        for spec in self.specs()[:5]:
            hp = keras_tuner.HyperParameters()
            hp.values = dict(spec.choices)
            model = build(hp)
            assert space.graph(spec).params == model.count_params()
            assert ("filters" in spec.choices) == spec.choices["hidden"] == (len(model.layers) == 6)

    def test_choices_are_plain_json(self) -> None:
        for spec in self.specs():
            assert json.loads(json.dumps(spec.choices)) == spec.choices

    def test_a_model_of_other_images_is_refused(self) -> None:
        space = HyperModelSpace(build, (16, 16, 1), 10)
        with pytest.raises(ConfigError, match=r"reads \(8, 8, 1\), the data have \(16, 16, 1\)"):
            space.sample(np.random.default_rng(0))


@pytest.mark.parametrize(
    ("hyperparameter", "options"),
    [
        (lambda hp: hp.Int("x", 2, 8, step=2), (2, 4, 6, 8)),
        (lambda hp: hp.Int("x", 2, 4), (2, 3, 4)),
        (lambda hp: hp.Int("x", 4, 32, step=2, sampling="log"), (4, 8, 16, 32)),
        (lambda hp: hp.Choice("x", ["a", "b"]), ("a", "b")),
        (lambda hp: hp.Boolean("x"), (False, True)),
        (lambda hp: hp.Fixed("x", 7), (7,)),
        (lambda hp: hp.Float("x", 0.0, 1.0, step=0.25), (0.0, 0.25, 0.5, 0.75, 1.0)),
        (lambda hp: hp.Float("x", 0.0, 1.0), (0.05, 0.15, 0.25, 0.35, 0.45, 0.55, 0.65, 0.75, 0.85, 0.95)),
    ],
)  # fmt: skip
def test_a_hyperparameter_has_the_values_that_keras_tuner_gives_it(
    hyperparameter: Any, options: tuple[Any, ...]
) -> None:
    hp = keras_tuner.HyperParameters()
    hyperparameter(hp)
    found = options_of(hp.space[0])
    assert found == (pytest.approx(options) if isinstance(options[0], float) else options)


def test_a_space_works_as_a_hypermodel_of_any_keras_tuner_tuner() -> None:
    """Its decisions become hyperparameters, and the model is that of the space."""
    space, hp = TinySpace((8, 8, 1), 10), keras_tuner.HyperParameters()
    SpaceHyperModel(space).build(hp)
    assert {p.name: type(p).__name__ for p in hp.space} == {
        "filters": "Choice", "kernel": "Choice", "deep": "Boolean",
    }  # fmt: skip
    hp.values.update(filters=16, deep=True)
    model = SpaceHyperModel(space).build(hp)
    spec = space.from_choices({"filters": 16, "kernel": 3, "deep": True})
    assert model.count_params() == spec.graph().params


def test_a_build_function_says_itself_what_it_reads_and_how_many_classes_it_tells_apart() -> None:
    space = as_space(build)
    assert (space.name, space.input_shape, space.classes) == ("hypermodel", (8, 8, 1), 10)


def test_choices_that_make_no_model_are_passed_over() -> None:
    def choosy(hp: keras_tuner.HyperParameters) -> Any:
        if hp.Int("size", 1, 4) > 1:
            raise ValueError("too large")
        return build(hp)

    space, rng = HyperModelSpace(choosy, (8, 8, 1), 10), np.random.default_rng(0)
    first, second = space.sample(rng), space.sample(rng)
    changed = space.crossover(space.mutate(first, rng), second, rng)
    assert [spec.choices["size"] for spec in (first, second, changed)] == [1, 1, 1]


def test_a_function_that_never_makes_a_model_is_refused_with_its_error() -> None:
    calls = []

    def broken(hp: keras_tuner.HyperParameters) -> Any:
        calls.append(hp.Int("size", 1, 4))
        raise ValueError("no such layer")

    with pytest.raises(UsageError, match=f"failed for {BUILDS} choices in a row, .* ValueError: no such"):
        HyperModelSpace(broken, (8, 8, 1), 10).sample(np.random.default_rng(0))
    assert len(calls) == BUILDS and len(set(calls)) > 1


def test_a_layer_without_a_cost_is_refused_by_name_at_once() -> None:
    def exotic(hp: keras_tuner.HyperParameters) -> Any:
        import keras

        layers = [keras.layers.Input((8, 8, 1)), keras.layers.UnitNormalization(name="odd"),
                  keras.layers.Flatten(), keras.layers.Dense(10)]  # fmt: skip
        return keras.Sequential(layers)

    with pytest.raises(UnsupportedError, match=r"layer 'odd' \(UnitNormalization\) has no cost"):
        HyperModelSpace(exotic, (8, 8, 1), 10).sample(np.random.default_rng(0))
