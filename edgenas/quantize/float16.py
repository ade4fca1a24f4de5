"""Weights in float16: half the file, next to no loss; computed in float32 where a processor has no float16.

TensorFlow Lite's float16 quantization; in ONNX all inner tensors are float16 and the ends stay float32.
"""

from __future__ import annotations

from typing import Any

from edgenas.captured import conversion_errors
from edgenas.quantize.conversion import convert
from edgenas.quantize.scheme import SCHEMES, Material, Network, Scheme


@SCHEMES.register("float16")
class Float16(Scheme):
    """Float16 weights; for GPUs and for processors with float16 arithmetic."""

    name = "float16"
    precision = "float16"

    def tflite(self, network: Network, material: Material) -> bytes:
        """A file with float16 weights and float32 ends."""

        def configure(converter: Any) -> None:
            import tensorflow as tf

            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.target_spec.supported_types = [tf.float16]

        return convert(network.model, network.input_shape, "float16 TFLite conversion", configure)

    def onnx(self, float32: bytes, material: Material) -> bytes:
        """A file that computes in float16 between float32 ends."""
        import onnx

        with conversion_errors("float16 ONNX conversion", "leave out or replace the operation it names"):
            from onnxruntime.transformers.float16 import convert_float_to_float16

            model = convert_float_to_float16(onnx.load_from_string(float32), keep_io_types=True)
            return bytes(model.SerializeToString())
