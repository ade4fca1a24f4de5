"""Weights in int8 and activations in int16: nearly float accuracy in twice the RAM, slower kernels.

TensorFlow Lite's 16x8 quantization (symmetric int16 activations, int64 biases); ONNX Runtime has no
kernels for it.
"""

from __future__ import annotations

from typing import Any

from edgenas.quantize.calibration import check_calibration
from edgenas.quantize.conversion import convert
from edgenas.quantize.full_int8 import calibrate
from edgenas.quantize.scheme import SCHEMES, Material, Network, Scheme


@SCHEMES.register("int16x8")
class Int16x8(Scheme):
    """Int8 weights, int16 activations and ends."""

    name = "int16x8"
    precision = "int16x8"

    def tflite(self, network: Network, material: Material) -> bytes:
        """A file with int16 input and output."""
        check_calibration(material.calibration, network.input_shape)

        def configure(converter: Any) -> None:
            import tensorflow as tf

            calibrate(converter, material.calibration)
            operations = tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
            converter.target_spec.supported_ops = [operations]
            converter.inference_input_type = converter.inference_output_type = tf.int16

        return convert(network.model, network.input_shape, "int16x8 TFLite conversion", configure)
