"""From a trained network to one that was trained further under constraints: what `qat`, `prune-qat` and
`cluster-qat` share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from edgenas.arch.graph import OpGraph
from edgenas.build.twin import named_weights
from edgenas.errors import UnsupportedError
from edgenas.quantize.calibration import check_calibration
from edgenas.quantize.constrained import (
    Constraints,
    constrained_model,
    found_ranges,
    plain_model,
    ranged_layers,
    released,
)
from edgenas.quantize.conversion import convert
from edgenas.quantize.folding import folded
from edgenas.quantize.scheme import Material, Network
from edgenas.quantize.tuning import fine_tune

Weights = Mapping[str, list[np.ndarray]]


def graph_of(network: Network, scheme: str) -> OpGraph:
    """The graph of a network that is to be trained.

    Raises:
        UnsupportedError: It is not known.
    """
    if network.graph is None:
        raise UnsupportedError(
            f"scheme '{scheme}' was given a network without its graph; it cannot be trained"
        )
    return network.graph


def folded_network(network: Network, scheme: str) -> tuple[OpGraph, dict[str, list[np.ndarray]]]:
    """Graph and weights with every batch normalization folded."""
    return folded(graph_of(network, scheme), named_weights(network.model))


def kernels(graph: OpGraph, weights: Weights, kinds: tuple[str, ...]) -> dict[str, np.ndarray]:
    """The kernels of operations of some kinds, by layer."""
    return {op.name: weights[op.name][0] for op in graph.ops if op.kind in kinds}


def train_under(
    graph: OpGraph,
    weights: Weights,
    constraints: Constraints,
    material: Material,
    scheme: str,
    *,
    int8: bool = False,
    **options: Any,
) -> Network:
    """Train a network whose batch normalizations are folded, and give it back with plain layers.

    Args:
        constraints: Masks and clusters.
        int8: Whether weights and activations are rounded as in an int8 file; the network that comes
            back then holds the ranges for the converter.
        options: Of `edgenas.quantize.tuning.fine_tune`.
    """
    if int8:
        check_calibration(material.calibration, graph.input_shape)
        start = constrained_model(graph, weights, replace(constraints, ranges=None, int8_weights=False))
        ranges = found_ranges(start, ranged_layers(graph), material.calibration)
        constraints = replace(constraints, ranges=ranges, int8_weights=True)
    model = constrained_model(graph, weights, constraints)
    facts = fine_tune(model, material, scheme, **options)
    trained, trained_ranges = released(model)
    return Network(plain_model(graph, trained, trained_ranges if int8 else None), graph, facts)


def ranged_tflite(network: Network) -> bytes:
    """The int8 ``.tflite`` file of a network that holds its ranges; nothing is calibrated."""

    def configure(converter: Any) -> None:
        import tensorflow as tf

        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.inference_input_type = converter.inference_output_type = tf.int8

    return convert(network.model, network.input_shape, "int8 TFLite conversion", configure)
