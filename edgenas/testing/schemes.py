"""Contract of a compression scheme: what every registered scheme, and any of yours, must keep.

A third party writes one class and inherits the suite::

    class TestMyScheme(SchemeContract):
        def make(self) -> Scheme:
            return MyScheme()

The suite trains one small network on scikit-learn's digits and puts each scheme to it once.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pytest

from edgenas.arch.graph import GraphBuilder, OpGraph
from edgenas.build.twin import named_twin, named_weights
from edgenas.data import load_dataset, prepare
from edgenas.errors import DataError
from edgenas.export.making import Made, files_of
from edgenas.export.parity import accuracy
from edgenas.export.running import load_onnx, load_tflite
from edgenas.quantize.scheme import SCHEMES, LabelledImages, Material, Network, Scheme

SHAPE = (8, 8, 1)
IMAGES = 4_400
"""Budget of a training: four passes over the digits."""

MOST_LOST = 0.12
"""Accuracy that a scheme may lose against the float network, after so short a training."""

DISAGREEMENT = 0.03
"""Share of images on which a file may choose another class than the scheme's Keras model."""


def small_graph() -> OpGraph:
    """A residual network of all operations that most networks are made of."""
    graph = GraphBuilder(SHAPE)
    stem = graph.window("conv2d", "stem", 0, filters=12, kernel=3, batch_norm=True, activation="relu6")
    hidden = graph.window("depthwise_conv2d", "dw", stem, kernel=3, batch_norm=True, activation="relu6")
    hidden = graph.window("conv2d", "pw", hidden, filters=12, batch_norm=True)
    hidden = graph.simple("add", "sum", stem, hidden)
    hidden = graph.window(
        "conv2d", "wide", hidden, filters=24, kernel=3, stride=2, batch_norm=True, activation="relu"
    )
    pooled = graph.simple("global_avg_pool", "pool", hidden, out_shape=(24,))
    graph.simple("softmax", "softmax", graph.dense("dense", pooled, 10))
    return graph.finish()


@lru_cache(maxsize=1)
def digits() -> tuple[LabelledImages, LabelledImages]:
    """Training and validation images as the network reads them."""
    data = load_dataset("digits")
    train, validation = (
        (prepare(split.x, data.normalization, SHAPE), split.y) for split in (data.train, data.validation)
    )
    return train, validation


@lru_cache(maxsize=1)
def trained_weights() -> dict[str, list[np.ndarray]]:
    """Weights of the network after a short training."""
    import tf_keras

    from edgenas.build.builder import build_model

    tf_keras.utils.set_random_seed(0)
    train, _ = digits()
    model = build_model(small_graph(), tf_keras)
    model.compile(tf_keras.optimizers.SGD(0.1, momentum=0.9), "sparse_categorical_crossentropy")
    model.fit(*train, batch_size=64, epochs=6, verbose=0)
    return named_weights(model)


def trained_network() -> Network:
    """The network, built anew."""
    return Network(named_twin(small_graph(), trained_weights()), small_graph())


def material(images: int = IMAGES) -> Material:
    """What a scheme may use."""
    train, validation = digits()
    return Material(train[0][:100], train, validation, images=images)


@dataclass(frozen=True)
class Result:
    """What a scheme made, and the weights of its network."""

    made: Made
    weights: dict[str, list[np.ndarray]]


_RESULTS: dict[str, Result] = {}


def bare_material() -> Material:
    """Calibration images without labels, which is all that a scheme without a training may ask for."""
    return Material(digits()[0][0][:100])


@lru_cache(maxsize=1)
def float_outputs() -> np.ndarray:
    """What the small network says of the validation images."""
    return np.asarray(trained_network().model(digits()[1][0], training=False))


def result_of(scheme: Scheme) -> Result:
    """What a scheme makes of the small network; made once, without labels unless it has a use for them."""
    if scheme.name not in _RESULTS:
        labels = scheme.trains or scheme.precision == "mixed-int8"
        given = material() if labels else bare_material()
        prepared = scheme.prepare(trained_network(), given)
        made = files_of(scheme, prepared, given, digits()[1][0])
        _RESULTS[scheme.name] = Result(made, named_weights(prepared.model))
    return _RESULTS[scheme.name]


class SchemeContract:
    """Inherit, fill `make`, and pytest runs the suite."""

    def make(self) -> Scheme:
        """A scheme to test."""
        raise NotImplementedError

    def made(self) -> Made:
        """What it makes of the small network."""
        return result_of(self.make()).made

    def test_it_is_registered_under_its_name(self) -> None:
        """The register and the scheme agree."""
        assert SCHEMES.get(self.make().name) is type(self.make())

    def test_its_files_do_what_its_keras_model_does(self) -> None:
        """Both files read one image of the network's shape and choose the same classes."""
        made = self.made()
        images, labels = digits()[1]
        programs = [load_tflite(made.tflite), *([load_onnx(made.onnx)] if made.onnx is not None else [])]
        for program in programs:
            assert program.input.shape == (1, *SHAPE)
            outputs = program.run(images)
            assert np.mean(outputs.argmax(-1) != made.reference.argmax(-1)) <= DISAGREEMENT
            assert abs(accuracy(outputs, labels) - accuracy(made.reference, labels)) <= DISAGREEMENT

    def test_it_does_not_lose_the_network(self) -> None:
        """It stays near the float network, even after so short a training."""
        _, labels = digits()[1]
        reference = float_outputs()
        assert accuracy(reference, labels) > 0.8
        assert accuracy(self.made().reference, labels) > accuracy(reference, labels) - MOST_LOST

    def test_what_it_did_is_plain_data(self) -> None:
        """Its facts go into the manifest."""
        assert json.loads(json.dumps(dict(self.made().facts))) == dict(self.made().facts)

    def test_it_knows_beforehand_what_it_cannot_do(self) -> None:
        """No objection to the small network; one line where a runtime or a layer does not fit."""
        scheme = self.make()
        assert scheme.why_not(small_graph()) is None
        recurrent = GraphBuilder((4, 8))
        recurrent.simple("lstm", "memory", 0, out_shape=(16,))
        reason = scheme.why_not(recurrent.finish())
        assert (reason is not None and "'memory' (lstm)" in reason) == scheme.trains
        refused = scheme.why_not(small_graph(), "tinyengine")
        assert (refused is None) == (scheme.precision == "int8")
        assert refused is None or "\n" not in refused

    def test_a_training_without_images_is_refused(self) -> None:
        """A scheme that trains names what it lacks; one that converts needs no labels."""
        scheme = self.make()
        if scheme.trains:
            with pytest.raises(DataError, match=f"scheme '{scheme.name}' trains"):
                scheme.prepare(trained_network(), bare_material())
        elif scheme.precision != "mixed-int8":
            assert self.made().tflite  # `result_of` gave no labels

    def test_too_few_calibration_images_are_refused(self) -> None:
        """Where ranges come from images, two do not tell them."""
        scheme, few = self.make(), Material(digits()[0][0][:2])
        if not scheme.trains and scheme.precision in ("int8", "int16x8"):
            with pytest.raises(DataError, match="2 calibration images"):
                scheme.tflite(trained_network(), few)
