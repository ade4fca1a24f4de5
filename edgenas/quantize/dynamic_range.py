"""Weights in int8, activations in float32 that are quantized on the fly; needs no calibration.

TensorFlow Lite's dynamic-range quantization, run by hybrid kernels; ONNX files have no counterpart here.
"""

from __future__ import annotations

from typing import Any

from edgenas.quantize.conversion import convert
from edgenas.quantize.scheme import SCHEMES, Material, Network, Scheme


@SCHEMES.register("dynamic-range")
class DynamicRange(Scheme):
    """Int8 weights without calibration; for phones and boards, not for microcontrollers."""

    name = "dynamic-range"
    precision = "dynamic-range"

    def tflite(self, network: Network, material: Material) -> bytes:
        """A file with int8 weights and float32 ends."""

        def configure(converter: Any) -> None:
            import tensorflow as tf

            converter.optimizations = [tf.lite.Optimize.DEFAULT]

        return convert(network.model, network.input_shape, "dynamic-range TFLite conversion", configure)
