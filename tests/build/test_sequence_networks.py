"""Networks over time and features: both Keras, the converter and TFLite Micro agree, and costs are exact."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pytest

from edgenas.arch import ArchSpec, Block, OpGraph
from edgenas.build.builder import build_model
from edgenas.build.read_tflite import float_operations, graph_from_tflite
from edgenas.build.twin import twin
from edgenas.cost.static import StaticSource
from edgenas.export.compact import compact
from edgenas.export.making import make
from edgenas.export.micro import MicroRun, run_micro
from edgenas.export.onnx import float32_onnx
from edgenas.export.running import load_onnx, load_tflite
from edgenas.export.tflite import float32_for_onnx, float32_tflite
from edgenas.quantize import FullInt8, Material, Network
from edgenas.quantize.full_int8 import full_int8
from tests.converted import measured_arena

SERIES = (12, 3)
FIRST = ("tconv", {"filters": 6, "kernel": 3, "stride": 2})


def network(shape: tuple[int, ...], *blocks: tuple[str, dict[str, Any]], classes: int = 4) -> ArchSpec:
    return ArchSpec("by hand", shape, classes, tuple(Block(kind, args) for kind, args in blocks), {})


def series(*blocks: tuple[str, dict[str, Any]], pool: str = "avg", activation: str = "softmax") -> ArchSpec:
    head = {"classes": 4, "pool": pool, "activation": activation}
    return network(SERIES, ("series", {}), *blocks, ("series_head", head))


RESIDUAL = {"kernel": 3, "separable": False, "causal": True}
LAYER = {"activation": "relu", "batch_norm": True}
NETWORKS = {
    "convolutions": series(FIRST, ("tconv", {"filters": 8, "kernel": 5, "separable": True}), pool="max"),
    "tcn": series(
        FIRST, ("tcn", {**RESIDUAL, "dilation": 1}), ("tcn", {**RESIDUAL, "dilation": 2}),
        ("tcn", {"kernel": 3, "separable": True, "causal": False, "dilation": 2}), pool="last",
    ),
    "lstm": series(FIRST, ("lstm", {"units": 5}), pool="last"),
    "gru": series(("tconv", {"filters": 6, "kernel": 4, "stride": 4}), ("gru", {"units": 5})),
    "flat": series(FIRST, pool="flat", activation="linear"),
    "spectrogram": network(
        (16, 8, 1), ("spectrogram_stem", {"filters": 6, "frames": 5, "bands": 3, "stride": 2}),
        ("ds", {"filters": 6, "kernel": 3, "stride": 1, "skip": True}), ("head", {"classes": 4}),
    ),
    "dense": network(
        (20,), ("dense", {"units": 12, **LAYER}),
        ("dense", {"units": 8, "activation": "relu6", "batch_norm": False}),
        ("series_head", {"classes": 4}),
    ),
    "autoencoder": network(
        (5, 4), ("flat", {}), ("dense", {"units": 12, **LAYER}), ("dense", {"units": 2, **LAYER}),
        ("reconstruction", {"activation": "linear"}), classes=20,
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Made:
    graph: OpGraph
    images: np.ndarray
    keras_outputs: np.ndarray
    twin: Any
    twin_outputs: np.ndarray


@cache
def made(name: str) -> Made:
    """A network in both Keras with random weights, biases and statistics included."""
    import keras

    spec = NETWORKS[name]
    keras.utils.set_random_seed(1)
    rng = np.random.default_rng(1)
    images = rng.normal(size=(60, *spec.input_shape)).astype(np.float32)
    model = build_model(spec, keras)
    model.set_weights([weight + rng.uniform(0, 0.2, weight.shape) for weight in model.get_weights()])
    other = twin(spec, model.get_weights())
    return Made(spec.graph(), images, np.asarray(model(images)), other, np.asarray(other(images)))


@cache
def int8_file(name: str) -> bytes:
    return full_int8(made(name).twin, made(name).images)


@pytest.mark.parametrize("name", NETWORKS)
def test_both_keras_agree(name: str) -> None:
    one = made(name)
    assert one.keras_outputs.shape == (60, *one.graph.ops[-1].out_shape)
    np.testing.assert_allclose(one.twin_outputs, one.keras_outputs, atol=1e-5)
    assert sum(weight.size for weight in one.twin.get_weights()) == one.graph.params


@pytest.mark.parametrize("name", NETWORKS)
def test_the_int8_file_is_int8_throughout_and_needs_what_is_stated(name: str) -> None:
    converted = int8_file(name)
    assert float_operations(converted) == []
    model, cost = compact(converted), StaticSource().estimate(made(name).graph)
    assert cost.flash_bytes == len(model)
    assert (cost.peak_ram_bytes, cost.arena_head_bytes) == measured_arena(model)
    read = StaticSource().estimate(graph_from_tflite(model))
    assert (read.flash_bytes, read.peak_ram_bytes, read.macs) == (len(model), cost.peak_ram_bytes, cost.macs)
    assert compact(model) == model


@pytest.mark.parametrize("name", NETWORKS)
def test_int8_runs_as_keras_and_as_on_tflite_micro(name: str) -> None:
    one, program = made(name), load_tflite(compact(int8_file(name)))
    outputs = program.run(one.images)
    spread = float(one.keras_outputs.max() - one.keras_outputs.min())
    assert np.abs(outputs - one.keras_outputs).max() < 0.1 * spread
    micro = run_micro(compact(int8_file(name)), program, one.images)
    assert isinstance(micro, MicroRun) and micro.largest_step <= 2
    np.testing.assert_array_equal(program.run(one.images[::-1])[::-1], outputs)  # no state is left behind


@pytest.mark.parametrize("name", ["lstm", "gru"])
def test_recurrent_networks_become_onnx(name: str) -> None:
    one = made(name)
    tflite = float32_tflite(one.twin, SERIES)
    np.testing.assert_allclose(load_tflite(tflite).run(one.images), one.keras_outputs, atol=1e-5)
    onnx = float32_onnx(float32_for_onnx(one.twin, SERIES, tflite))
    np.testing.assert_allclose(load_onnx(onnx).run(one.images), one.keras_outputs, atol=1e-5)
    files = make(FullInt8(), Network(one.twin), Material(one.images), one.images)
    assert files.onnx is not None
    quantized = load_onnx(files.onnx).run(one.images)
    assert np.abs(quantized - one.keras_outputs).max() < 0.1


def test_the_gru_is_that_of_keras() -> None:
    import keras

    spec = network((7, 1, 3), ("gru", {"units": 4}), ("series_head", {"classes": 2, "activation": "linear"}))
    model = build_model(spec, keras)
    rng = np.random.default_rng(0)
    model.set_weights([weight + rng.uniform(-0.5, 0.5, weight.shape) for weight in model.get_weights()])
    images = rng.normal(size=(5, 7, 1, 3)).astype(np.float32)
    named = {layer.name: layer.get_weights() for layer in model.layers if layer.weights}
    kernel, bias = named["b0_gru_gates"]
    reset, update, candidate = np.split(kernel[0, 0], 3, axis=1)
    by_gate = [np.split(bias, 3)[place] for place in (1, 0, 2)]
    states = [named[f"b0_gru_1_{part}"][0] for part in ("z", "r", "c")]
    inputs = keras.Input((7, 3))
    layer = keras.layers.GRU(4, reset_after=False)
    reference = keras.Model(inputs, layer(inputs))
    layer.set_weights([np.hstack([update, reset, candidate]), np.hstack(states), np.concatenate(by_gate)])
    head, offset = named["b1_series_head_dense"]
    expected = np.asarray(reference(images[:, :, 0])) @ head + offset
    np.testing.assert_allclose(np.asarray(model(images)), expected, atol=1e-5)


def test_a_causal_network_sees_nothing_of_later_steps() -> None:
    import keras

    keras.utils.set_random_seed(0)
    blocks = [("tconv", {"filters": 4, "kernel": 3, "causal": True}), ("tcn", {**RESIDUAL, "dilation": 2})]
    spec = network((10, 1, 2), *blocks, ("tconv", {"filters": 8, "kernel": 1}))
    model = build_model(spec, keras)
    series = np.random.default_rng(0).normal(size=(1, 10, 1, 2)).astype(np.float32)
    changed = series.copy()
    changed[:, 6:] += 5
    before, after = np.asarray(model(series)), np.asarray(model(changed))
    np.testing.assert_allclose(before[:, :6], after[:, :6], atol=1e-6)
    assert np.abs(before[:, 6:] - after[:, 6:]).max() > 1e-3


@pytest.mark.parametrize("kind", ["GRU", "LSTM"])
def test_users_recurrent_layers_are_written_out_the_same_each_time(kind: str) -> None:
    """Of splits the converter left some in float, in one file of ten of an LSTM, six of ten of a GRU."""
    import keras

    keras.utils.set_random_seed(0)
    inputs = keras.Input((4, 2))
    layer = getattr(keras.layers, kind)(4, **({"reset_after": False} if kind == "GRU" else {}))
    model = keras.Model(inputs, keras.layers.Dense(3)(layer(inputs)))
    images = np.random.default_rng(0).normal(size=(40, 4, 2)).astype(np.float32)
    float32 = load_tflite(float32_tflite(model, (4, 2))).run(images)
    np.testing.assert_allclose(float32, np.asarray(model(images)), atol=1e-5)
    files = {full_int8(model, images) for _ in range(6)}
    assert [float_operations(file) for file in files] == [[]]
