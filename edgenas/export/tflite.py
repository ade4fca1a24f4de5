"""TFLite files of a trained network: the float32 one, and the check that an int8 one is int8."""

from __future__ import annotations

from typing import Any

from edgenas.arch.graph import Shape
from edgenas.build.read_tflite import float_operations
from edgenas.errors import ParityError
from edgenas.export.compact import compact
from edgenas.quantize.conversion import convert
from edgenas.quantize.recurrent import has_fused_lstm, written_out


def float32_tflite(model: Any, input_shape: Shape) -> bytes:
    """A compact float32 ``.tflite`` file with batch 1.

    Args:
        model: A trained tf_keras model, or a Keras 3 model on TensorFlow.
        input_shape: What it reads, batch axis left out.

    Raises:
        UnsupportedError: The converter cannot handle an operation of the model.
    """
    return compact(convert(model, input_shape, "float32 TFLite conversion"))


def float32_for_onnx(model: Any, input_shape: Shape, tflite: bytes) -> bytes:
    """The float32 ``.tflite`` file that ONNX is made from: the network's own, if it holds no LSTM.

    The way to ONNX knows no LSTM of TFLite, and ONNX Runtime quantizes none; written out, step after step,
    an LSTM is dense layers and functions that both know.

    Args:
        model: What `float32_tflite` was called with.
        input_shape: What it reads, batch axis left out.
        tflite: What `float32_tflite` returned.
    """
    if not has_fused_lstm(model):
        return tflite
    return compact(convert(written_out(model), input_shape, "float32 TFLite conversion for ONNX"))


def int8_throughout(model: bytes, file: str = "model.int8.tflite") -> bytes:
    """A ``.tflite`` file that computes in int8 throughout, as it is.

    Raises:
        ParityError: The converter left an operation in float.
    """
    if left := _without_their_conversions(float_operations(model)):
        raise ParityError(
            f"{file}: {len(left)} operation(s) stayed in float ({', '.join(left)}), expected 0; "
            "replace them by operations that TFLite has in int8, for example relu"
        )
    return model


def _without_their_conversions(operations: list[str]) -> list[str]:
    """Float operations without the conversions to float and back around them, unless nothing else is left."""
    others = [name for name in operations if not name.startswith(("QUANTIZE ", "DEQUANTIZE "))]
    return others or operations
