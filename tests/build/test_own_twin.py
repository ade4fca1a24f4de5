"""A user's own model rebuilt, and what of a model file is never loaded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgenas.build.load_keras import load_keras
from edgenas.build.own_twin import own_network
from edgenas.build.twin import named_twin
from edgenas.errors import UnsupportedError


def branched(layers: Any, image: Any) -> Any:
    """Batch normalizations of other kinds behind a branch, a nested activation, dropout in between."""
    left = layers.Conv2D(4, 3, padding="same", name="left")(image)
    left = layers.BatchNormalization(epsilon=1e-5, scale=False)(left)
    right = layers.DepthwiseConv2D(3, padding="same", use_bias=False, name="right")(
        layers.Conv2D(4, 1, activation="relu", name="before")(image)
    )
    right = layers.BatchNormalization(center=False)(layers.Dropout(0.2)(right))
    summed = layers.ReLU(6.0)(layers.Add()([layers.ReLU()(left), right]))
    return layers.Dense(3, activation="softmax")(layers.Flatten()(layers.AveragePooling2D(2)(summed)))


def model_of(keras: Any, body: Callable[[Any, Any], Any] = branched) -> Any:
    image = keras.Input((8, 8, 2))
    model = keras.Model(image, body(keras.layers, image))
    rng = np.random.default_rng(0)
    model.set_weights([rng.uniform(0.1, 0.6, weight.shape) for weight in model.get_weights()])
    return model


@pytest.mark.parametrize("name", ["keras", "tf_keras"])
def test_a_model_is_rebuilt_with_its_weights(name: str) -> None:
    model = model_of(__import__(name))
    images = np.random.default_rng(1).random((9, 8, 8, 2), dtype=np.float32)
    rebuilt = np.asarray(named_twin(*own_network(model))(images))
    assert rebuilt == pytest.approx(np.asarray(model(images)), abs=1e-5)


def test_what_cannot_be_rebuilt_is_told() -> None:
    import keras

    def over_rows(layers: Any, image: Any) -> Any:
        return layers.Dense(3)(layers.Flatten()(layers.Softmax(axis=1)(image)))

    with pytest.raises(UnsupportedError, match=r"differs from the model by .* schemes that only convert"):
        own_network(model_of(keras, over_rows))


def test_files_of_each_kind_are_loaded(tmp_path: Path) -> None:
    import keras
    import tf_keras

    image = np.ones((1, 8, 8, 2), np.float32)
    for path, module in (
        (tmp_path / "m.keras", keras),
        (tmp_path / "m.h5", keras),
        (tmp_path / "m", tf_keras),
    ):
        model = model_of(module)
        model.save(path)
        assert np.asarray(load_keras(path)(image)) == pytest.approx(np.asarray(model(image)), abs=1e-6)


def test_code_is_refused_before_anything_is_loaded(tmp_path: Path) -> None:
    import keras
    import tf_keras

    def with_code(layers: Any, image: Any) -> Any:
        return layers.Dense(3)(layers.Flatten()(layers.Lambda(lambda x: x * 2, name="twice")(image)))

    class Own(keras.layers.ReLU):
        """A class of the user's."""

    def with_class(layers: Any, image: Any) -> Any:
        return layers.Dense(3)(layers.Flatten()(Own(name="mine")(image)))

    for path, module in (
        (tmp_path / "l.keras", keras),
        (tmp_path / "l.h5", keras),
        (tmp_path / "l", tf_keras),
    ):
        model_of(module, with_code).save(path)
        with pytest.raises(
            UnsupportedError, match="layer 'twice' is a Lambda layer, which holds Python code"
        ):
            load_keras(path)
    model_of(keras, with_class).save(tmp_path / "c.keras")
    with pytest.raises(UnsupportedError, match="layer 'mine' is of your own class"):
        load_keras(tmp_path / "c.keras")


def test_what_is_no_model_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "bad.keras").write_bytes(b"PK not a zip")
    (tmp_path / "model.pt").write_bytes(b"x")
    (tmp_path / "folder").mkdir()
    for name, words in {
        "bad.keras": "is no Keras model that can be read",
        "none.keras": "there is no such file",
        "model.pt": "it has the ending '.pt'; expected .keras",
        "folder": "no keras_metadata.pb",
    }.items():
        with pytest.raises(UnsupportedError, match=words) as caught:
            load_keras(tmp_path / name)
        assert "\n" not in str(caught.value)
