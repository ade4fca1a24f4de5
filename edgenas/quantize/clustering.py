"""Weight clustering: each layer has few different weights, so that a file compresses better.

k-means on the weights of each layer, then fine-tuning of weights and means together (deep compression, Han
et al. 2016), with tensorflow-model-optimization's `cluster_weights`. The file is full int8; it is not smaller
by itself and not faster, only its compressed size is.
"""

from __future__ import annotations

from dataclasses import replace

from edgenas.arch.graph import OpGraph
from edgenas.quantize.full_int8 import full_int8
from edgenas.quantize.scheme import SCHEMES, Material, Network, Scheme
from edgenas.quantize.training import Weights, folded_network, kernels
from edgenas.quantize.wrapping import tfmot, train_wrapped

CLUSTERS = 16
"""Different weights of a layer: four bits of information each."""

FEWEST_WEIGHTS = 4 * CLUSTERS
"""A smaller layer would lose more than it saves."""

CLUSTERED_KINDS = ("conv2d", "dense")


@SCHEMES.register("clustering")
class Clustering(Scheme):
    """Sixteen different weights in each convolution and dense layer."""

    name = "clustering"
    trains = True
    ranges_from_tflite = True

    def prepare(self, network: Network, material: Material) -> Network:
        """Cluster, then fine-tune."""
        return clustered(*folded_network(network, self.name), material, self.name)

    def tflite(self, network: Network, material: Material) -> bytes:
        """See `edgenas.quantize.full_int8.full_int8`."""
        return full_int8(network.model, material.calibration)


def clustered(graph: OpGraph, weights: Weights, material: Material, scheme: str) -> Network:
    """Cluster with tensorflow-model-optimization.

    The means begin evenly spread from the smallest to the largest weight: on four digits networks that was
    as accurate as its other beginnings, and the file compressed best.

    Args:
        graph: The network, batch normalizations folded.
        weights: By layer.
        scheme: Who asks, for messages.
    """
    library = tfmot().clustering.keras
    found = kernels(graph, weights, CLUSTERED_KINDS)
    names = sorted(name for name, kernel in found.items() if kernel.size >= FEWEST_WEIGHTS)
    done = train_wrapped(
        graph, weights, names,
        lambda layer: library.cluster_weights(layer, CLUSTERS, library.CentroidInitialization.LINEAR),
        library.strip_clustering, material, scheme,
    )  # fmt: skip
    return replace(done, facts={**done.facts, "clusters": CLUSTERS, "layers": names})
