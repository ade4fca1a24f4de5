"""Kernel sets: what a predictor counts of a network, by the kind of processor that runs it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from edgenas.arch.graph import Op, OpGraph
from edgenas.cost import kernel_features, transfer_kernels
from edgenas.cost.kernel_features import Floats
from edgenas.registry import unknown_name

MICROCONTROLLER, APPLICATION = "microcontroller", "application"
"""Cores that run one kernel after the other from their own memory; cores with SIMD, caches and threads."""


@dataclass(frozen=True)
class KernelSet:
    """What is counted.

    Attributes:
        names: Of the features, in order.
        of_op: (place, count) of one operation.
        of_network: Counts of a whole network.
    """

    names: tuple[str, ...]
    of_op: Callable[[Op], tuple[tuple[int, float], ...]]
    of_network: Callable[[OpGraph], Floats]

    def of_networks(self, graphs: list[OpGraph]) -> Floats:
        """Counts of networks, one a row."""
        return np.array([self.of_network(graph) for graph in graphs])


def kernel_set(name: str, precision: str) -> KernelSet:
    """The kernel set of that name.

    Args:
        name: `MICROCONTROLLER` or `APPLICATION`.
        precision: ``int8`` or ``float32``.

    Raises:
        UnknownNameError: There is none.
    """
    if name == MICROCONTROLLER:
        return KernelSet(kernel_features.NAMES, kernel_features.op_features, kernel_features.network_features)
    if name != APPLICATION:
        raise unknown_name("kernel set", name, (MICROCONTROLLER, APPLICATION))
    return KernelSet(
        transfer_kernels.CORE_NAMES,
        lambda op: transfer_kernels.core_op_features(op, precision),
        lambda graph: transfer_kernels.core_network_features(graph, precision),
    )
