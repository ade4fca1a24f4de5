"""Full int8 but for the layers that lose the accuracy, which stay in float.

For runtimes with float kernels beside the int8 ones: LiteRT, TFLite-Micro on a core with an FPU. ONNX
files are not made: their operations have other names.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgenas.errors import DataError
from edgenas.quantize.scheme import SCHEMES, Material, Network, Scheme
from edgenas.quantize.sensitivity import MOST_IMAGES, Selective, sensitivities

MOST_FLOAT = 3
"""Layers that may stay in float."""

ENOUGH = 0.001
"""A loss of accuracy against the float network that needs no further layer."""


@SCHEMES.register("mixed-int8")
class MixedInt8(Scheme):
    """Up to three layers in float, where that helps on validation images."""

    name = "mixed-int8"
    precision = "mixed-int8"
    needs_classes = True

    def prepare(self, network: Network, material: Material) -> Network:
        """Choose the fewest layers that bring the accuracy back; the network stays as it is.

        Raises:
            DataError: No validation images with labels.
        """
        if material.validation is None:
            raise DataError(f"scheme '{self.name}' needs validation images with labels to choose layers by")
        images, labels = (part[:MOST_IMAGES] for part in material.validation)
        selective = Selective(network, material.calibration)

        def accuracy(names: list[str]) -> float:
            return float(np.mean(run_litert(selective.without(names), images).argmax(-1) == labels))

        goal = float(np.mean(np.asarray(network.model(images, training=False)).argmax(-1) == labels))
        tried = sensitivities(selective, network.graph, (images, labels), run_litert)
        best, reached = 0, accuracy([])
        for count in range(1, min(MOST_FLOAT, len(tried)) + 1):
            if reached >= goal - ENOUGH:
                break
            if (now := accuracy([name for _, name in tried[:count]])) > reached:
                best, reached = count, now
        facts = {
            "float_layers": [entry.layer for entry, _ in tried[:best]],
            "float_tensors": [name for _, name in tried[:best]],
        }
        return replace(network, facts=facts)

    def tflite(self, network: Network, material: Material) -> bytes:
        """The file with the chosen layers in float."""
        selective = Selective(network, material.calibration)
        return selective.without(network.facts["float_tensors"])


def run_litert(model: bytes, images: np.ndarray) -> np.ndarray:
    """Outputs of a ``.tflite`` file in LiteRT, float32 (n, classes)."""
    from edgenas.export.running import load_tflite

    return load_tflite(model).run(images)
