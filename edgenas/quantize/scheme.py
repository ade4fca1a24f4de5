"""What a quantization scheme does, and the register of schemes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from edgenas.registry import Registry


class Scheme(ABC):
    """Turns a float network into a quantized file of each format.

    A new scheme (other bit widths, quantization-aware training, another quantizer) is one file in
    this folder with ``@SCHEMES.register("name")``, imported in ``__init__.py``.
    """

    @abstractmethod
    def tflite(self, model: Any, calibration: np.ndarray) -> bytes:
        """A quantized ``.tflite`` file, batch 1.

        Args:
            model: A trained tf_keras model, or a Keras 3 model on TensorFlow.
            calibration: float32 images (n, height, width, channels) of the training split, prepared
                as the network reads them.

        Raises:
            DataError: Calibration images that `check_calibration` refuses.
            UnsupportedError: The converter cannot handle the model.
        """

    @abstractmethod
    def onnx(self, model: bytes, calibration: np.ndarray) -> bytes:
        """A quantized ``.onnx`` file, batch 1.

        Args:
            model: The float32 ``.onnx`` file of the network.
            calibration: The same images as for `tflite`.

        Raises:
            DataError: Calibration images that `check_calibration` refuses.
            UnsupportedError: The quantizer cannot handle the model.
        """


SCHEMES: Registry[type[Scheme]] = Registry("quantization scheme")
"""Every quantization scheme by name."""
