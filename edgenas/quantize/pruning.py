"""Pruning: weights set to zero and the rest fine-tuned, so that a file compresses better.

``pruning`` takes the smallest half of each layer's weights in two steps (magnitude pruning, Han et
al. 2015; gradually, Zhu and Gupta 2017). ``pruning-2x4`` takes the two smallest of each four
neighbouring input channels in one step (Mishra et al. 2021), the pattern of sparse tensor cores.
Depthwise convolutions are left alone: they hold few weights and lose most. The files are full int8.

No runtime that edgenas exports for skips zeros in int8, so neither is faster; the compressed size is
what gains.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgenas.arch.graph import OpGraph
from edgenas.quantize.constrained import Constraints
from edgenas.quantize.full_int8 import full_int8
from edgenas.quantize.scheme import SCHEMES, Material, Network, Scheme
from edgenas.quantize.training import folded_network, kernels, train_under

SPARSITY = 0.5
STEPS = (0.3, SPARSITY)
"""Share of zeros in each round; every round gets the same share of the training."""

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
        """Prune in rounds, fine-tune in each."""
        graph, weights = folded_network(network, self.name)
        return pruned(graph, weights, material, self.name)

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
        fits = any(op.kind in PRUNED_KINDS and op.in_shape[-1] % 4 == 0 for op in graph.ops)
        return None if fits else "no convolution or dense layer has a multiple of four input channels"

    def prepare(self, network: Network, material: Material) -> Network:
        """Prune at once, fine-tune what is left."""
        graph, weights = folded_network(network, self.name)
        found = {name: block_mask(kernel) for name, kernel in kernels(graph, weights, PRUNED_KINDS).items()}
        masks = {name: mask for name, mask in found.items() if mask is not None}
        done = train_under(
            graph, weights, Constraints(masks=masks), material, self.name, learning_rate=LEARNING_RATE
        )
        return replace(done, facts={**done.facts, **sparsity(masks), "layers": sorted(masks)})

    def tflite(self, network: Network, material: Material) -> bytes:
        """See `edgenas.quantize.full_int8.full_int8`."""
        return full_int8(network.model, material.calibration)


def pruned(
    graph: OpGraph,
    weights: dict[str, list[np.ndarray]],
    material: Material,
    scheme: str,
    *,
    int8: bool = False,
) -> Network:
    """Prune by magnitude in rounds.

    Args:
        int8: Whether the last round is a quantization-aware training with the zeros kept.
    """
    part = replace(material, images=max(1, material.images // len(STEPS)))
    done: Network | None = None
    masks: dict[str, np.ndarray] = {}
    for share in STEPS:
        last = share == STEPS[-1]
        found = kernels(graph, weights, PRUNED_KINDS)
        masks = {name: magnitude_mask(kernel, share) for name, kernel in found.items()}
        done = train_under(
            graph, weights, Constraints(masks=masks), part, scheme,
            int8=int8 and last, keep_best=last, learning_rate=LEARNING_RATE,
        )  # fmt: skip
        weights = {layer.name: layer.get_weights() for layer in done.model.layers if layer.weights}
    assert done is not None
    return replace(done, facts={**done.facts, **sparsity(masks)})


def magnitude_mask(kernel: np.ndarray, share: float) -> np.ndarray:
    """0 for so large a share of the smallest weights of a layer, else 1."""
    order = np.argsort(np.abs(kernel), axis=None, kind="stable")
    mask = np.ones(kernel.size, np.float32)
    mask[order[: round(share * kernel.size)]] = 0
    return mask.reshape(kernel.shape)


def block_mask(kernel: np.ndarray) -> np.ndarray | None:
    """0 for the two smallest of four neighbouring input channels; None if they are no multiple of four."""
    if kernel.shape[-2] % 4:
        return None
    groups = np.moveaxis(np.abs(kernel), -2, -1).reshape(-1, 4)
    mask = np.ones(groups.shape, np.float32)
    np.put_along_axis(mask, np.argsort(groups, axis=1, kind="stable")[:, :2], 0, axis=1)
    shape = (*kernel.shape[:-2], kernel.shape[-1], kernel.shape[-2])
    return np.moveaxis(mask.reshape(shape), -1, -2)


def sparsity(masks: dict[str, np.ndarray]) -> dict[str, float]:
    """Share of zeros in the layers that were pruned."""
    total = sum(mask.size for mask in masks.values())
    return {"sparsity": 1 - float(sum(mask.sum() for mask in masks.values())) / total if total else 0.0}
