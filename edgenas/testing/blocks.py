"""Contract of a block or layer: what a network that contains it must keep, from costs to the int8 file.

A third party writes one class and inherits the suite::

    class TestMyBlock(BlockContract):
        def make(self) -> ArchSpec:
            blocks = (Block("my_block", {"filters": 8}), Block("head", {"classes": 4}))
            return ArchSpec("by hand", (8, 8, 1), 4, blocks, {})

It builds the network with random weights, converts it, and compares what was predicted with what came out.
Needs TensorFlow; the arena is compared where ``tflite-micro`` is installed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from edgenas.arch.spec import ArchSpec
from edgenas.build.builder import build_model
from edgenas.build.read_tflite import float_operations
from edgenas.build.twin import twin
from edgenas.cost.static import StaticSource
from edgenas.export.compact import compact
from edgenas.export.micro import measured_arena
from edgenas.export.onnx import float32_onnx
from edgenas.export.running import load_onnx, load_tflite
from edgenas.export.tflite import float32_for_onnx, float32_tflite
from edgenas.quantize import FullInt8, Material, Network

IMAGES = 40
"""Random inputs that the network is run and calibrated on."""


@dataclass(frozen=True)
class Built:
    """A network in both Keras with the same random weights, and what they answer.

    Attributes:
        spec: The network.
        inputs: float32 (n, *input_shape), standard normal.
        outputs: Of Keras 3.
        twin: The tf_keras model.
    """

    spec: ArchSpec
    inputs: np.ndarray
    outputs: np.ndarray
    twin: Any


class BlockContract:
    """Inherit, fill `make`, and pytest runs the suite.

    Attributes:
        ram_tolerance_bytes: How far the predicted arena may be off; of kinds of operations that no space of
            edgenas uses, sizes of structures are known to 16 bytes (`edgenas.cost.arena`).
    """

    ram_tolerance_bytes = 0

    def make(self) -> ArchSpec:
        """A small network that contains the block."""
        raise NotImplementedError

    @pytest.fixture(scope="class")
    @classmethod
    def built(cls) -> Built:
        """The network of `make`, built once for all tests of the class."""
        import keras

        spec = cls().make()
        keras.utils.set_random_seed(1)
        rng = np.random.default_rng(1)
        inputs = rng.normal(size=(IMAGES, *spec.input_shape)).astype(np.float32)
        model = build_model(spec, keras)
        model.set_weights([weight + rng.uniform(0, 0.2, weight.shape) for weight in model.get_weights()])
        return Built(spec, inputs, np.asarray(model(inputs)), twin(spec, model.get_weights()))

    @pytest.fixture(scope="class")
    @classmethod
    def int8_file(cls, built: Built) -> bytes:
        """The int8 file of the network, as the exporter writes it."""
        converted = FullInt8().tflite(Network(built.twin), Material(built.inputs))
        assert float_operations(converted) == [], "these operations stayed in float"
        return compact(converted)

    def test_the_spec_comes_back_from_json(self) -> None:
        """A run and a manifest read again what they wrote."""
        spec = self.make()
        assert ArchSpec.from_json(spec.to_json()) == spec

    def test_shapes_and_parameters_are_those_of_keras(self, built: Built) -> None:
        """Costs are counted on the graph: it must describe what Keras builds."""
        graph = built.spec.graph()
        assert built.outputs.shape == (IMAGES, *graph.ops[-1].out_shape)
        assert sum(weight.size for weight in built.twin.get_weights()) == graph.params

    def test_both_keras_answer_the_same(self, built: Built) -> None:
        """Training is Keras 3, conversion tf_keras."""
        np.testing.assert_allclose(np.asarray(built.twin(built.inputs)), built.outputs, atol=1e-5)

    def test_flash_is_that_of_the_file(self, built: Built, int8_file: bytes) -> None:
        """Predicted size against the converted file, to the byte."""
        assert StaticSource().estimate(built.spec.graph()).flash_bytes == len(int8_file)

    def test_ram_is_that_of_tflite_micro(self, built: Built, int8_file: bytes) -> None:
        """Predicted arena against that of TFLite-Micro's own interpreter."""
        measured = measured_arena(int8_file)
        if measured is None:
            pytest.skip("tflite-micro is not installed")
        cost = StaticSource().estimate(built.spec.graph())
        assert cost.arena_head_bytes == measured[1]
        assert abs(cost.peak_ram_bytes - measured[0]) <= self.ram_tolerance_bytes

    def test_int8_answers_like_keras(self, built: Built, int8_file: bytes) -> None:
        """Within a tenth of the spread of the outputs."""
        difference = np.abs(load_tflite(int8_file).run(built.inputs) - built.outputs).max()
        assert difference < 0.1 * float(np.ptp(built.outputs))

    def test_onnx_answers_like_keras(self, built: Built) -> None:
        """The float file for ONNX Runtime."""
        shape = built.spec.input_shape
        tflite = float32_tflite(built.twin, shape)
        program = load_onnx(float32_onnx(float32_for_onnx(built.twin, shape, tflite)))
        np.testing.assert_allclose(program.run(built.inputs), built.outputs, atol=1e-4)
