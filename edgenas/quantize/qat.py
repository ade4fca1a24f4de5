"""Quantization-aware training: fine-tuning with the rounding of the int8 file in the forward pass.

Jacob et al. 2018, with ranges of activations that start at those of the calibration images and are
trained (as the clipping of PACT, Choi et al. 2018). The first epoch thus starts where post-training
quantization ends, and the best epoch on validation images is kept.
"""

from __future__ import annotations

from edgenas.quantize.constrained import Constraints
from edgenas.quantize.scheme import SCHEMES, Material, Network, Scheme
from edgenas.quantize.training import folded_network, ranged_tflite, train_under


@SCHEMES.register("qat")
class QuantizationAware(Scheme):
    """An int8 network that learned to be one; its ranges go into both files."""

    name = "qat"
    trains = True
    same_cost = True
    ranges_from_tflite = True

    def prepare(self, network: Network, material: Material) -> Network:
        """Fine-tune with int8 weights and activations."""
        graph, weights = folded_network(network, self.name)
        return train_under(graph, weights, Constraints(), material, self.name, int8=True)

    def tflite(self, network: Network, material: Material) -> bytes:
        """See `edgenas.quantize.training.ranged_tflite`."""
        return ranged_tflite(network)
