"""Every registered scheme keeps the contract; and what is particular to some."""

from __future__ import annotations

import os
from dataclasses import replace

import numpy as np
import onnx
import pytest

from edgenas.arch.graph import GraphBuilder
from edgenas.build.read_tflite import float_operations, is_int8
from edgenas.build.twin import named_twin
from edgenas.errors import ConfigError, UnknownNameError, UnsupportedError
from edgenas.export.making import Made
from edgenas.export.parity import accuracy
from edgenas.export.running import load_onnx, load_tflite
from edgenas.quantize import SCHEMES, ChannelPruning, Scheme, scheme_names
from edgenas.quantize.full_int8 import full_int8, full_int8_qdq
from edgenas.quantize.sensitivity import Selective, sensitivities
from edgenas.quantize.training import folded_network
from edgenas.testing.schemes import SchemeContract, digits, material, result_of, small_graph, trained_network


@pytest.mark.parametrize("name", SCHEMES.names())
class TestRegistered(SchemeContract):
    @pytest.fixture(autouse=True)
    def chosen(self, name: str) -> None:
        self.name = name

    def make(self) -> Scheme:
        return SCHEMES.get(self.name)()


def made(name: str) -> Made:
    return result_of(SCHEMES.get(name)()).made


def weights_of(name: str) -> dict[str, list[np.ndarray]]:
    return result_of(SCHEMES.get(name)()).weights


@pytest.mark.parametrize("name", [n for n in SCHEMES.names() if SCHEMES.get(n).precision == "int8"])
def test_an_int8_scheme_is_int8_throughout_and_onnx_computes_the_same_bits(name: str) -> None:
    """Weights and ranges are carried over, so the runtimes may differ by a step of the output at most."""
    files = made(name)
    assert is_int8(files.tflite)
    tflite, carried = load_tflite(files.tflite), load_onnx(files.onnx)
    assert carried.input.dtype == "float32"
    images = digits()[1][0][:100]
    assert np.abs(tflite.run(images) - carried.run(images)).max() <= 2 * tflite.step


def test_full_int8_is_the_same_each_time() -> None:
    network, images = trained_network(), material().calibration
    assert full_int8(network.model, images) == full_int8(network.model, images)


def test_pruned_weights_are_zero_in_the_int8_file_too() -> None:
    """Half of each layer, and a two-of-four pattern where it was asked."""
    weights = weights_of("prune-qat")
    for layer in ("pw", "wide", "dense"):
        assert np.mean(weights[layer][0] == 0) >= 0.49
    assert np.mean(weights["dw"][0] == 0) < 0.2
    blocks = weights_of("pruning-2x4")["wide"][0]
    assert (np.count_nonzero(np.moveaxis(blocks, 2, 3).reshape(-1, 4), axis=1) <= 2).all()
    assert made("pruning").facts["sparsity"] == pytest.approx(0.5, abs=0.01)


def test_a_training_of_one_step_still_ends_with_every_zero() -> None:
    """The share of zeros grows with the steps that there are, and nothing is left in the environment."""
    images, labels = digits()[0]
    given = replace(material(1), train=(images[:40], labels[:40]))
    done = SCHEMES.get("pruning")().prepare(trained_network(), given)
    assert done.facts["sparsity"] == pytest.approx(0.5, abs=0.01)
    assert "TF_USE_LEGACY_KERAS" not in os.environ


def test_tfmot_qat_refuses_what_the_library_leaves_in_float() -> None:
    """A ReLU right after a convolution, fused or as a layer of its own; `qat` trains both."""
    fused = GraphBuilder((8, 8, 1))
    fused.window("conv2d", "bare", 0, filters=4, kernel=3, activation="relu6")
    apart = GraphBuilder((8, 8, 1))
    hidden = apart.window("conv2d", "bare", 0, filters=4, kernel=3)
    apart.simple("activation", "relu", hidden, activation="relu")
    for graph in (fused.finish(), apart.finish()):
        assert "'bare' (conv2d) is followed by a ReLU" in SCHEMES.get("tfmot-qat")().why_not(graph)
        assert SCHEMES.get("qat")().why_not(graph) is None


def test_tfmot_qat_begins_where_post_training_quantization_ends() -> None:
    """The library itself begins all ranges at -6 to 6, where this network is no better than chance."""
    images, labels = digits()[1]
    int8 = accuracy(load_tflite(made("full-int8").tflite).run(images), labels)
    assert made("tfmot-qat").facts["val_accuracy_before"] > int8 - 0.02


def test_clustered_layers_have_sixteen_weights() -> None:
    weights = weights_of("clustering")
    assert all(len(np.unique(weights[layer][0])) <= 16 for layer in ("pw", "wide", "dense"))
    assert len(np.unique(weights["dw"][0])) > 16


def test_channel_pruning_makes_a_smaller_network() -> None:
    files = made("channel-pruning")
    assert files.graph.macs < 0.75 * small_graph().macs
    assert [op.kind for op in files.graph.ops] == [op.kind for op in small_graph().ops]
    assert len(files.tflite) < len(made("full-int8").tflite)
    assert files.facts["channels_after"] < files.facts["channels_before"]
    with pytest.raises(ConfigError, match="share=1"):
        ChannelPruning(1)


def test_folding_changes_nothing() -> None:
    network = trained_network()
    graph, weights = folded_network(network, "test")
    images = digits()[1][0][:50]
    before = np.asarray(network.model(images))
    assert not any(op.batch_norm for op in graph.ops)
    assert np.asarray(named_twin(graph, weights)(images)) == pytest.approx(before, abs=1e-5)


def test_sensitivity_leaves_one_layer_at_a_time_in_float() -> None:
    network = trained_network()
    selective = Selective(network, material().calibration)
    left = selective.without([selective.operations[0][1]])
    assert [op.split(" ")[0] for op in float_operations(left) if "QUANTIZE" not in op] == ["CONV_2D"]
    ran = lambda file, images: load_tflite(file).run(images)  # noqa: E731
    found = [entry for entry, _ in sensitivities(selective, network.graph, digits()[1], ran)]
    assert {entry.layer for entry in found} == {"stem", "dw", "pw", "sum", "wide", "pool", "dense"}
    assert [entry.gain for entry in found] == sorted((entry.gain for entry in found), reverse=True)


def test_names_are_found_and_told_apart() -> None:
    assert scheme_names(["int8", "qat", "full-int8"]) == ("full-int8", "qat")
    with pytest.raises(UnknownNameError, match="did you mean 'pruning'"):
        scheme_names(["prunning"])


def test_what_is_no_onnx_network_of_one_image_is_refused_in_one_line() -> None:
    loop = onnx.helper.make_node("NonMaxSuppression", ["input", "input"], ["output"])
    ports = [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, 8, 8, 1])
        for name in ("input", "output")
    ]
    graph = onnx.helper.make_graph([loop], "broken", ports[:1], ports[1:])
    broken = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)])
    with pytest.raises(UnsupportedError, match="int8 ONNX quantization failed") as caught:
        full_int8_qdq(broken.SerializeToString(), material().calibration)
    assert "\n" not in str(caught.value)
