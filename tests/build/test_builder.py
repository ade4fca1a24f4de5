"""The graph and both Keras agree on every network: parameters, MACs, shapes, outputs."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tf_keras

from edgenas.arch import MicroSpace, OpGraph
from edgenas.arch.graph import Op
from edgenas.arch.spec import ArchSpec
from edgenas.build.builder import build_model
from edgenas.build.read_keras import graph_from_keras
from edgenas.build.twin import twin
from edgenas.errors import UnsupportedError

SHAPES = ((8, 8, 1), (28, 28, 1), (32, 32, 3))
SPECS = [MicroSpace(SHAPES[k % 3], 10).sample(np.random.default_rng(k)) for k in range(500)]


def forms(spec: ArchSpec) -> set[object]:
    """Operations of a network without their channels, and which of them follow each other."""

    def form(op: Op) -> object:
        side = op.in_shape[0] if len(op.in_shape) == 3 else 0
        return op.kind, op.kernel, op.stride, op.activation, len(op.inputs), side % 2, side == 1

    found = [form(op) for op in spec.graph().ops]
    return {(spec.input_shape[-1], one) for one in found} | set(zip(found, found[1:], strict=False))


def telling(specs: list[ArchSpec]) -> list[ArchSpec]:
    """Those in which something is that none before them has; the others repeat."""
    known: set[object] = set()
    chosen = []
    for spec in specs:
        if not forms(spec) <= known:
            known |= forms(spec)
            chosen.append(spec)
    return chosen


TELLING = telling(SPECS)


def keras_macs(model: object) -> int:
    """Multiply-accumulates counted from the layers themselves, independent of OpGraph."""
    total = 0
    for layer in model.layers:
        kind = type(layer).__name__
        if kind in ("Conv2D", "DepthwiseConv2D"):
            height, width, channels = layer.output.shape[1:]
            kernel = layer.get_weights()[0].shape
            per_output = kernel[0] * kernel[1] * (kernel[2] if kind == "Conv2D" else 1)
            total += height * width * channels * per_output
        elif kind == "Dense":
            total += int(np.prod(layer.get_weights()[0].shape))
    return total


def output_of(model: object, op: Op) -> tuple[int, ...]:
    names = {layer.name for layer in model.layers}
    suffixes = ("_relu6", "_relu", "_bn", "")
    last = next(op.name + suffix for suffix in suffixes if op.name + suffix in names)
    return tuple(model.get_layer(last).output.shape[1:])


@pytest.mark.parametrize("part", range(4))
def test_every_form_of_operation_in_500_random_specs_agrees_with_keras(part: int) -> None:
    assert set().union(*map(forms, TELLING)) == set().union(*map(forms, SPECS))
    for spec in TELLING[part::4]:
        graph = spec.graph()
        model = build_model(graph, keras)
        assert model.count_params() == graph.params
        assert keras_macs(model) == graph.macs
        for op in graph.ops:
            assert output_of(model, op) == op.out_shape, op.name
        assert graph_from_keras(model) == graph
        keras.backend.clear_session(free_memory=False)  # collecting garbage took half of the time


@pytest.mark.parametrize("index", range(0, 500, 100))
def test_the_twin_computes_the_same(index: int) -> None:
    spec = SPECS[index]
    model = build_model(spec, keras)
    rng = np.random.default_rng(index)
    model.set_weights([weight + 0.1 * rng.random(weight.shape) for weight in model.get_weights()])
    images = rng.random((4, *spec.input_shape), dtype=np.float32)
    expected = np.asarray(model(images, training=False))
    given = np.asarray(twin(spec, model.get_weights())(images, training=False))
    assert np.abs(given - expected).max() <= 1e-5
    assert expected.sum(axis=-1) == pytest.approx(1, abs=1e-5)


def test_weights_of_another_network_are_refused() -> None:
    weights = build_model(SPECS[0], keras).get_weights()
    with pytest.raises(UnsupportedError, match="same spec"):
        twin(SPECS[1], weights)


def test_an_operation_without_a_layer_is_named() -> None:
    graph = OpGraph((8, 8, 1), (Op("tile", "t", (0,), (8, 8, 1), (16, 8, 1)),))
    with pytest.raises(UnsupportedError, match="'tile'"):
        build_model(graph, tf_keras)


def read(*layers: object, shape: tuple[int, ...] = (8, 8, 1)) -> OpGraph:
    return graph_from_keras(keras.Sequential([keras.Input(shape), *layers]))


def test_a_users_own_model_is_read_with_activations_fused() -> None:
    graph = read(
        keras.layers.Conv2D(4, 3, activation="relu"),
        keras.layers.MaxPooling2D(),
        keras.layers.Dropout(0.5),
        keras.layers.Flatten(),
        keras.layers.Dense(8),
        keras.layers.BatchNormalization(),
        keras.layers.ReLU(6.0),
        keras.layers.Dense(3, activation="softmax"),
    )
    kinds = [(op.kind, op.activation) for op in graph.ops]
    assert kinds == [
        ("conv2d", "relu"),
        ("max_pool2d", "linear"),
        ("reshape", "linear"),
        ("dense", "relu6"),
        ("dense", "linear"),
        ("softmax", "linear"),
    ]
    assert graph.ops[0].out_shape == (6, 6, 4)
    assert graph.ops[3].macs == 36 * 8


def test_a_model_that_grew_layer_by_layer_is_read_like_one_made_at_once() -> None:
    def layers() -> list[object]:
        found: list[object] = [keras.Input((8, 8, 1))]
        for block in range(3):
            found += [keras.layers.Conv2D(4 + block, 3, padding="same", name=f"conv{block}")]
            found += [keras.layers.BatchNormalization(), keras.layers.ReLU()]
        return [*found, keras.layers.GlobalAveragePooling2D(name="pool")]

    grown = keras.Sequential()
    for layer in layers():
        grown.add(layer)
    assert graph_from_keras(grown) == graph_from_keras(keras.Sequential(layers()))


def test_a_layer_used_in_two_models_is_refused_by_name() -> None:
    shared = keras.layers.Conv2D(2, 3, padding="same", name="shared")
    first, second = keras.Input((8, 8, 2)), keras.Input((8, 8, 2))
    shared(first)
    with pytest.raises(UnsupportedError, match="'shared' is used in more than one place"):
        graph_from_keras(keras.Model(second, shared(second)))


def test_skip_connections_of_a_functional_model_are_followed() -> None:
    inputs = keras.Input((8, 8, 2))
    hidden = keras.layers.Conv2D(2, 3, padding="same")(inputs)
    graph = graph_from_keras(keras.Model(inputs, keras.layers.Add()([inputs, hidden])))
    assert graph.ops[1].inputs == (0, 1)


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (keras.layers.ConvLSTM1D(2, 3, name="both"), "'both' .ConvLSTM1D. has no cost; supported: Act"),
        (keras.layers.Conv2D(2, 3, activation="glu", name="g"), "activation 'glu' of layer 'g'"),
        (keras.layers.Conv2D(2, 1, data_format="channels_first", name="f"), "'f' has channels first"),
        (keras.layers.ReLU(2.0, name="r2"), "'r2' is a ReLU other than"),
    ],
)
def test_a_layer_without_a_cost_is_named(layer: object, message: str) -> None:
    with pytest.raises(UnsupportedError, match=message):
        read(layer)


def test_a_batch_normalization_of_its_own_is_a_factor_and_a_summand() -> None:
    graph = read(keras.layers.BatchNormalization(name="first"), keras.layers.ReLU(), shape=(8, 8, 3))
    assert [(op.kind, op.constants, op.activation) for op in graph.ops] == [
        ("mul", 3, "linear"),
        ("add", 3, "relu"),
    ]
    assert (graph.params, graph.stored_params) == (4 * 3, 2 * 3)


def test_an_activation_that_others_bypass_is_not_fused() -> None:
    inputs = keras.Input((8, 8, 2))
    hidden = keras.layers.Conv2D(2, 3, padding="same")(inputs)
    joined = keras.layers.Add()([hidden, keras.layers.ReLU()(hidden)])
    graph = graph_from_keras(keras.Model(inputs, joined))
    assert [(op.kind, op.activation, op.inputs) for op in graph.ops] == [
        ("conv2d", "linear", (0,)), ("activation", "relu", (1,)), ("add", "linear", (1, 2)),
    ]  # fmt: skip


def test_models_within_a_model_are_read_layer_by_layer() -> None:
    inner_input = keras.Input((8, 8, 4))
    inner = keras.Model(inner_input, keras.layers.DepthwiseConv2D(3, name="deep")(inner_input))
    block = keras.Sequential([keras.layers.Conv2D(4, 3, name="deep"), keras.layers.ReLU()])
    inputs = keras.Input((10, 10, 2))
    graph = graph_from_keras(keras.Model(inputs, inner(block(inputs))))
    assert [(op.kind, op.name, op.activation) for op in graph.ops] == [
        ("conv2d", "deep", "relu"), ("depthwise_conv2d", "deep_", "linear"),
    ]  # fmt: skip


def test_convolutions_over_time_are_fused_through_their_shapes() -> None:
    layers = keras.layers
    graph = read(
        layers.Conv1D(4, 3, padding="same"), layers.BatchNormalization(), layers.ReLU(),
        layers.LSTM(5), shape=(20, 3),
    )  # fmt: skip
    assert [(op.kind, op.out_shape, op.activation) for op in graph.ops] == [
        ("reshape", (1, 20, 3), "linear"), ("conv2d", (1, 20, 4), "relu"), ("reshape", (20, 4), "linear"),
        ("lstm", (20, 5), "linear"), ("slice", (5,), "linear"),
    ]  # fmt: skip
    assert graph.params == (9 * 4 + 4 + 16) + 4 * (5 * (4 + 5) + 5)


def test_an_input_of_no_fixed_size_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="fixed size"):
        read(keras.layers.Conv2D(2, 3), shape=(None, None, 1))
