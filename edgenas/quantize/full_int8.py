"""Full-int8 post-training quantization: weights per channel, activations per tensor, no retraining.

The scheme is that of Jacob et al. 2018 with symmetric weights a channel (Krishnamoorthi 2018), as
TFLite's specification of int8 quantization writes it down.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from edgenas.captured import conversion_errors
from edgenas.quantize.calibration import check_calibration
from edgenas.quantize.conversion import convert
from edgenas.quantize.scheme import SCHEMES, STANDARD, Material, Network, Scheme
from edgenas.store import storage_errors


@SCHEMES.register(STANDARD)
class FullInt8(Scheme):
    """Every operation in int8, ranges of activations from calibration images."""

    name = STANDARD
    same_cost = True
    ranges_from_tflite = True

    def tflite(self, network: Network, material: Material) -> bytes:
        """See `full_int8`."""
        return full_int8(network.model, material.calibration)

    def onnx(self, float32: bytes, material: Material) -> bytes:
        """See `full_int8_qdq`; for networks whose ``.tflite`` file tf2onnx cannot convert in int8."""
        return full_int8_qdq(float32, material.calibration)


def full_int8(model: Any, calibration: np.ndarray) -> bytes:
    """An int8 ``.tflite`` file with int8 input and output, batch 1.

    Args:
        model: A trained tf_keras model, or a Keras 3 model on TensorFlow.
        calibration: float32 images (n, height, width, channels), some 200 of the training split.

    Raises:
        DataError: Calibration images that `check_calibration` refuses.
        UnsupportedError: The converter cannot handle an operation of the model.
    """
    input_shape = tuple(int(size) for size in model.input_shape[1:])
    check_calibration(calibration, input_shape)

    def configure(converter: Any) -> None:
        import tensorflow as tf

        calibrate(converter, calibration)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8

    return convert(model, input_shape, "int8 TFLite conversion", configure)


def calibrate(converter: Any, calibration: np.ndarray) -> None:
    """Let a converter quantize, with ranges from these images."""
    import tensorflow as tf

    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([image[None]] for image in calibration)


def full_int8_qdq(model: bytes, calibration: np.ndarray) -> bytes:
    """An int8 ``.onnx`` file in QDQ form: int8 weights and pairs of QuantizeLinear and DequantizeLinear.

    Input and output stay float32, as is usual with QDQ; the runtime fuses the pairs into int8 kernels.

    Args:
        model: The float32 ``.onnx`` file, with batch 1 and every batch normalization folded.
        calibration: The same images as for `full_int8`.

    Raises:
        DataError: Calibration images that `check_calibration` refuses.
        UnsupportedError: onnxruntime's quantizer cannot handle the model.
        StoreError: The folder for temporary files is full.
    """
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    graph_input = onnx.load_from_string(model).graph.input[0]
    shape = tuple(axis.dim_value for axis in graph_input.type.tensor_type.shape.dim)
    check_calibration(calibration, shape[1:])

    class Images(CalibrationDataReader):
        def __init__(self) -> None:
            self.images: Iterator[np.ndarray] = iter(calibration)

        def get_next(self) -> dict[str, np.ndarray] | None:
            image = next(self.images, None)
            return None if image is None else {graph_input.name: image[None]}

    with storage_errors(Path(tempfile.gettempdir())), tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "float32.onnx"), Path(folder, "int8.onnx")
        source.write_bytes(model)
        with conversion_errors("int8 ONNX quantization", "leave out or replace the operation it names"):
            quantize_static(
                source,
                target,
                Images(),
                quant_format=QuantFormat.QDQ,
                per_channel=True,
                # In int8, ONNX Runtime on x86-64 leaves convolutions beside residual additions in float.
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
            )
        return target.read_bytes()
