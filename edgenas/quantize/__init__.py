"""Quantization: from a trained Keras model and calibration images to int8 files. One scheme a file."""

from edgenas.quantize.post_training import FullInt8
from edgenas.quantize.scheme import SCHEMES, Scheme

__all__ = ["SCHEMES", "FullInt8", "Scheme"]
