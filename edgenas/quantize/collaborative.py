"""Combinations: quantization-aware training that keeps zeros (PQAT) or clusters (CQAT).

After the collaborative optimization of tensorflow-model-optimization (Arm, 2021): it prunes or clusters in
the first half of the training, and what it made holds while the second half trains the int8 steps.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgenas.build.twin import named_weights
from edgenas.quantize.clustering import clustered
from edgenas.quantize.constrained import Constraints
from edgenas.quantize.pruning import LEARNING_RATE, pruned
from edgenas.quantize.scheme import SCHEMES, Material, Network, Scheme
from edgenas.quantize.training import folded_network, ranged_tflite, train_under
from edgenas.quantize.tuning import halved


@SCHEMES.register("prune-qat")
class PruningPreserving(Scheme):
    """Half of the weights are zero, and the rest learned to be int8."""

    name = "prune-qat"
    trains = True
    ranges_from_tflite = True

    def prepare(self, network: Network, material: Material) -> Network:
        """Prune, then train quantization-aware with the zeros kept."""
        graph, weights = folded_network(network, self.name)
        half = halved(material)
        first = pruned(graph, weights, half, self.name)
        weights = named_weights(first.model)
        masks = {name: (weights[name][0] != 0).astype(np.float32) for name in first.facts["layers"]}
        done = train_under(
            graph, weights, Constraints(masks=masks), half, self.name, int8=True, learning_rate=LEARNING_RATE
        )
        return replace(done, facts={**first.facts, **done.facts})

    def tflite(self, network: Network, material: Material) -> bytes:
        """See `edgenas.quantize.training.ranged_tflite`."""
        return ranged_tflite(network)


@SCHEMES.register("cluster-qat")
class ClusterPreserving(Scheme):
    """Sixteen different weights a layer that learned to be int8."""

    name = "cluster-qat"
    trains = True
    ranges_from_tflite = True

    def prepare(self, network: Network, material: Material) -> Network:
        """Cluster, then train the means quantization-aware."""
        graph, weights = folded_network(network, self.name)
        half = halved(material)
        first = clustered(graph, weights, half, self.name)
        weights = named_weights(first.model)
        clusters = {name: _numbers(weights[name][0]) for name in first.facts["layers"]}
        done = train_under(graph, weights, Constraints(clusters=clusters), half, self.name, int8=True)
        return replace(done, facts={**first.facts, **done.facts})

    def tflite(self, network: Network, material: Material) -> bytes:
        """See `edgenas.quantize.training.ranged_tflite`."""
        return ranged_tflite(network)


def _numbers(kernel: np.ndarray) -> np.ndarray:
    """The cluster of each weight of a clustered kernel."""
    return np.unique(kernel, return_inverse=True)[1].reshape(kernel.shape).astype(np.int32)
