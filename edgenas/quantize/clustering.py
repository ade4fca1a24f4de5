"""Weight clustering: each layer has few different weights, so that a file compresses better.

k-means on the weights of each layer, then fine-tuning of the means (deep compression, Han et al.
2016). The file is full int8; it is not smaller by itself and not faster, only its compressed size is.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgenas.quantize.constrained import Constraints
from edgenas.quantize.full_int8 import full_int8
from edgenas.quantize.scheme import SCHEMES, Material, Network, Scheme
from edgenas.quantize.training import folded_network, kernels, train_under

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
        """Cluster, then fine-tune the means."""
        graph, weights = folded_network(network, self.name)
        clusters = clusters_of(kernels(graph, weights, CLUSTERED_KINDS), material.seed)
        done = train_under(graph, weights, Constraints(clusters=clusters), material, self.name)
        return replace(done, facts={**done.facts, "clusters": CLUSTERS, "layers": sorted(clusters)})

    def tflite(self, network: Network, material: Material) -> bytes:
        """See `edgenas.quantize.full_int8.full_int8`."""
        return full_int8(network.model, material.calibration)


def clusters_of(found: dict[str, np.ndarray], seed: int) -> dict[str, np.ndarray]:
    """The cluster of each weight, of every layer that is large enough."""
    return {name: _cluster(kernel, seed) for name, kernel in found.items() if kernel.size >= FEWEST_WEIGHTS}


def _cluster(kernel: np.ndarray, seed: int) -> np.ndarray:
    """k-means of the weights, begun at values spread evenly from the smallest to the largest."""
    from sklearn.cluster import KMeans

    values = kernel.reshape(-1, 1).astype(np.float64)
    begin = np.linspace(values.min(), values.max(), CLUSTERS).reshape(-1, 1)
    numbers = KMeans(CLUSTERS, init=begin, n_init=1, random_state=seed % 2**32).fit(values).labels_
    return np.unique(numbers, return_inverse=True)[1].reshape(kernel.shape).astype(np.int32)
