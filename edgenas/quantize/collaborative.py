"""Combinations: quantization-aware training that keeps zeros (PQAT) or clusters (CQAT).

After the collaborative optimization of tensorflow-model-optimization (Arm, 2021): the constraint of
the first stage holds while the second trains the int8 steps.
"""

from __future__ import annotations

from dataclasses import replace

from edgenas.quantize.clustering import CLUSTERED_KINDS, CLUSTERS, clusters_of
from edgenas.quantize.constrained import Constraints
from edgenas.quantize.pruning import pruned
from edgenas.quantize.scheme import SCHEMES, Material, Network, Scheme
from edgenas.quantize.training import folded_network, kernels, ranged_tflite, train_under


@SCHEMES.register("prune-qat")
class PruningPreserving(Scheme):
    """Half of the weights are zero, and the rest learned to be int8."""

    name = "prune-qat"
    trains = True
    ranges_from_tflite = True

    def prepare(self, network: Network, material: Material) -> Network:
        """Prune in rounds, the last one quantization-aware."""
        graph, weights = folded_network(network, self.name)
        return pruned(graph, weights, material, self.name, int8=True)

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
        clusters = clusters_of(kernels(graph, weights, CLUSTERED_KINDS), material.seed)
        done = train_under(graph, weights, Constraints(clusters=clusters), material, self.name, int8=True)
        return replace(done, facts={**done.facts, "clusters": CLUSTERS, "layers": sorted(clusters)})

    def tflite(self, network: Network, material: Material) -> bytes:
        """See `edgenas.quantize.training.ranged_tflite`."""
        return ranged_tflite(network)
