"""Batch normalizations folded into the operation before them, as every converter does.

Fine-tuning then trains exactly the weights that are deployed: their int8 scales a channel, their zeros
and their clusters are those of the file (Jacob et al. 2018, section 3.2).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from edgenas.arch.graph import Op, OpGraph
from edgenas.build.builder import EPSILON
from edgenas.errors import UnsupportedError

Weights = Mapping[str, list[np.ndarray]]


def folded(graph: OpGraph, weights: Weights) -> tuple[OpGraph, dict[str, list[np.ndarray]]]:
    """The same network without batch normalizations.

    Args:
        graph: The network.
        weights: Of each layer, as `edgenas.build.twin.named_weights` returns them.

    Raises:
        UnsupportedError: A batch normalization behind an operation without weights.
    """
    ops, out = [], {name: list(arrays) for name, arrays in weights.items()}
    for op in graph.ops:
        if op.batch_norm:
            out[op.name] = _folded(op, out.get(op.name, []), out.pop(f"{op.name}_bn"))
            op = replace(op, batch_norm=False, bias=True)
        ops.append(op)
    return OpGraph(graph.input_shape, tuple(ops)), out


def _folded(op: Op, arrays: list[np.ndarray], normalization: list[np.ndarray]) -> list[np.ndarray]:
    if not arrays:
        raise UnsupportedError(
            f"operation '{op.name}' ({op.kind}) has a batch normalization but no weights to fold it into; "
            "put it behind a convolution or dense layer"
        )
    gamma, beta, mean, variance = normalization
    factor = gamma / np.sqrt(variance + EPSILON)
    kernel, bias = arrays[0], arrays[1] if len(arrays) > 1 else np.zeros_like(mean)
    shaped = factor.reshape(kernel.shape[2:]) if op.kind == "depthwise_conv2d" else factor
    return [kernel * shaped, beta + (bias - mean) * factor]
