"""Pruning: weights set to zero and the rest fine-tuned, so that a file compresses better.

``pruning`` takes the smallest half of each layer's weights (magnitude pruning, Han et al. 2015), gradually
over the first half of the training (Zhu and Gupta 2017). ``pruning-2x4`` takes the two smallest of each
four neighbouring input channels at once (Mishra et al. 2021), the pattern of sparse tensor cores. Both are
tensorflow-model-optimization's `prune_low_magnitude`. Depthwise convolutions are left alone: they hold few
weights and lose most. The files are full int8.

No runtime that edgenas exports for skips zeros in int8, so neither is faster; the compressed size is
what gains.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from math import ceil

import numpy as np

from edgenas.arch.graph import OpGraph
from edgenas.quantize.full_int8 import full_int8
from edgenas.quantize.scheme import SCHEMES, Material, Network, Scheme
from edgenas.quantize.training import Weights, folded_network
from edgenas.quantize.tuning import epochs_of, steps_of
from edgenas.quantize.wrapping import tfmot, train_wrapped

SPARSITY = 0.5
UPDATES = 10
"""Times that more weights become zero, over the first half of the training."""

LEARNING_RATE = 1e-2
"""Larger than of the other schemes: what is left has to make up for half of the weights."""

PRUNED_KINDS = ("conv2d", "dense")


@SCHEMES.register("pruning")
class MagnitudePruning(Scheme):
    """Half of the weights of convolutions and dense layers are zero."""

    name = "pruning"
    trains = True
    ranges_from_tflite = True

    def prepare(self, network: Network, material: Material) -> Network:
        """Prune gradually, then fine-tune what is left."""
        return pruned(*folded_network(network, self.name), material, self.name)

    def tflite(self, network: Network, material: Material) -> bytes:
        """See `edgenas.quantize.full_int8.full_int8`."""
        return full_int8(network.model, material.calibration)


@SCHEMES.register("pruning-2x4")
class BlockPruning(Scheme):
    """Of each four neighbouring input channels, two weights are zero."""

    name = "pruning-2x4"
    trains = True
    ranges_from_tflite = True

    def why_not(self, graph: OpGraph | None, runtime: str | None = None) -> str | None:
        """Also where no layer has a multiple of four input channels."""
        if (reason := super().why_not(graph, runtime)) or graph is None:
            return reason
        fits = prunable(graph, blocks=True)
        return None if fits else "no convolution or dense layer has a multiple of four input channels"

    def prepare(self, network: Network, material: Material) -> Network:
        """Prune at once, fine-tune what is left."""
        return pruned(*folded_network(network, self.name), material, self.name, blocks=True)

    def tflite(self, network: Network, material: Material) -> bytes:
        """See `edgenas.quantize.full_int8.full_int8`."""
        return full_int8(network.model, material.calibration)


def prunable(graph: OpGraph, *, blocks: bool = False) -> list[str]:
    """Layers that are pruned; for blocks, those with a multiple of four input channels."""
    return sorted(
        op.name for op in graph.ops if op.kind in PRUNED_KINDS and not (blocks and op.in_shape[-1] % 4)
    )


def pruned(
    graph: OpGraph, weights: Weights, material: Material, scheme: str, *, blocks: bool = False
) -> Network:
    """Prune with tensorflow-model-optimization; weights count as the best only once all zeros are there.

    Args:
        graph: The network, batch normalizations folded.
        weights: By layer.
        scheme: Who asks, for messages.
        blocks: Whether two of four neighbouring input channels become zero, in the first step, rather than
            half of a layer.
    """
    material.splits(scheme)
    library, names = tfmot().sparsity.keras, prunable(graph, blocks=blocks)
    epoch = steps_of(material)
    half = max(1, epoch * epochs_of(material) // 2)
    updates = min(UPDATES, half)
    every = half // updates
    if blocks:
        options, end = {"sparsity_m_by_n": (2, 4)}, 1
    else:
        end = updates * every
        options = {"pruning_schedule": library.PolynomialDecay(0.0, SPARSITY, 0, end, frequency=every)}
    done = train_wrapped(
        graph, weights, names, lambda layer: library.prune_low_magnitude(layer, **options),
        library.strip_pruning, material, scheme, learning_rate=LEARNING_RATE,
        callbacks=[library.UpdatePruningStep()], counts_from=ceil(end / epoch),
    )  # fmt: skip
    return replace(done, facts={**done.facts, "sparsity": zeros(done, names), "layers": names})


def zeros(network: Network, names: Collection[str]) -> float:
    """Share of zeros in the kernels of some layers; 0 of none."""
    kernels = [network.model.get_layer(name).get_weights()[0] for name in names]
    total = sum(kernel.size for kernel in kernels)
    return float(sum(np.sum(kernel == 0) for kernel in kernels) / total) if total else 0.0
