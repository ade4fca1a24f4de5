"""The files of one scheme: prepared, converted, made compact, and what Keras says of the same images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgenas.arch.graph import OpGraph
from edgenas.errors import ParityError, UnsupportedError
from edgenas.export.compact import compact
from edgenas.export.onnx import carried_onnx, float32_onnx
from edgenas.export.onnx import int8_throughout as int8_onnx
from edgenas.export.tflite import float32_for_onnx, float32_tflite
from edgenas.export.tflite import int8_throughout as int8_tflite
from edgenas.quantize.scheme import STANDARD, Material, Network, Scheme


@dataclass(frozen=True)
class Made:
    """What a scheme made of a network.

    Attributes:
        scheme: Its name.
        precision: In what the ``.tflite`` file computes.
        tflite: The file.
        onnx: The file, or None where the scheme has none.
        reference: Outputs of the scheme's Keras model on held-back images, float32 (n, classes).
        graph: The network's operations where they are known; smaller after channels were removed.
        facts: What was done to it.
    """

    scheme: str
    precision: str
    tflite: bytes
    onnx: bytes | None
    reference: np.ndarray
    graph: OpGraph | None
    facts: Mapping[str, Any]


def make(
    scheme: Scheme, network: Network, material: Material, images: np.ndarray, float32: bytes | None = None
) -> Made:
    """The files of a scheme.

    Args:
        scheme: What to do.
        network: The trained network.
        material: What the scheme may use.
        images: Held-back images, float32 (n, height, width, channels).
        float32: The network's float32 ``.tflite`` file, if it is there already.

    Raises:
        DataError: Calibration or training images that do not serve.
        UnsupportedError: The network cannot be converted.
        ParityError: A file that should be int8 throughout is not.
        TrialError: A training failed.
    """
    prepared = scheme.prepare(network, material)
    return files_of(scheme, prepared, material, images, float32 if prepared is network else None)


def files_of(
    scheme: Scheme, prepared: Network, material: Material, images: np.ndarray, float32: bytes | None = None
) -> Made:
    """The files of a prepared network; arguments and errors are those of `make`."""
    tflite = compact(scheme.tflite(prepared, material))
    if scheme.precision == "int8":
        int8_tflite(tflite, usual_name(scheme.name, "tflite"))
    return Made(
        scheme=scheme.name,
        precision=scheme.precision,
        tflite=tflite,
        onnx=_onnx(scheme, prepared, material, tflite, float32),
        reference=keras_outputs(prepared.model, images),
        graph=prepared.graph,
        facts=prepared.facts,
    )


def _onnx(
    scheme: Scheme, prepared: Network, material: Material, tflite: bytes, float32: bytes | None
) -> bytes | None:
    refusal: Exception | None = None
    if scheme.ranges_from_tflite:
        try:
            return carried_onnx(tflite)
        except (UnsupportedError, ParityError) as error:
            refusal = error
    if type(scheme).onnx is Scheme.onnx:
        if refusal:
            raise refusal
        return None
    model, shape = prepared.model, prepared.input_shape
    source = float32_for_onnx(model, shape, float32 or float32_tflite(model, shape))
    made = scheme.onnx(float32_onnx(source), material)
    if made is not None and scheme.precision == "int8":
        int8_onnx(made, usual_name(scheme.name, "onnx"))
    return made


def file_name(scheme: str, ending: str) -> str:
    """Name of a scheme's file that stands beside the standard ones."""
    return f"model.{scheme}.{ending}"


def usual_name(scheme: str, ending: str) -> str:
    """Name that people look for in a message, before it is known what is adopted."""
    return file_name("int8" if scheme == STANDARD else scheme, ending)


def keras_outputs(model: Any, images: np.ndarray, batch: int = 250) -> np.ndarray:
    """Outputs of the Keras model, float32 (n, classes)."""
    batches = [images[start : start + batch] for start in range(0, len(images), batch)]
    return np.concatenate([np.asarray(model(one, training=False)) for one in batches])
