"""Channels of one network as channels of another: which is which, how copies share, what values they take."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgenas.arch.graph import Op, OpGraph

SIGMAS = 8.0
"""A normalized value further than this from its mean is not expected."""

_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(41)
CEILING = 6.0
"""Of a ReLU6."""


@dataclass(frozen=True)
class Values:
    """What the values of a tensor are expected to be, from the batch normalization before it.

    Attributes:
        mean: Of each channel, shape (c,).
        variance: Of each channel, shape (c,).
        low: Below all values.
        high: Above all values.
    """

    mean: np.ndarray
    variance: np.ndarray
    low: float
    high: float

    @property
    def rectified(self) -> bool:
        """Whether a ReLU6 would leave them as they are."""
        return self.low >= 0 and self.high <= CEILING

    def of(self, source: np.ndarray) -> Values:
        """Those of some of the channels."""
        return Values(self.mean[source], self.variance[source], self.low, self.high)


@dataclass(frozen=True)
class Carried:
    """A tensor of the child as channels of a tensor of the parent.

    Attributes:
        of: Number of the parent's tensor.
        source: The parent's channel of each channel, int (c,).
        width: Channels of the parent's tensor.
        exact: Whether its values are the parent's.
        values: What they are expected to be, where that is known.
    """

    of: int
    source: np.ndarray
    width: int
    exact: bool
    values: Values | None = None

    @property
    def covers(self) -> bool:
        """Whether every channel of the parent is there."""
        return len(np.unique(self.source)) == self.width


def around(width: int, parent_width: int) -> np.ndarray:
    """The parent's channels in turn until all channels have one; the first ones if there are fewer."""
    return np.arange(width) % parent_width


def shares(source: np.ndarray, outputs: int, rng: np.random.Generator) -> np.ndarray:
    """How copies of an input channel share its weights: random parts that add up to 1.

    Equal parts would give copies equal gradients for ever (Chen et al. 2016 add noise, which changes what
    the network computes; unequal parts do not).

    Args:
        source: The parent's channel of each input channel, int (inputs,).
        outputs: Channels of the output.

    Returns:
        float32 of shape (inputs, outputs).
    """
    drawn = rng.uniform(0.5, 1.5, (len(source), outputs))
    totals = np.zeros((int(source.max()) + 1, outputs))
    np.add.at(totals, source, drawn)
    parts: np.ndarray = (drawn / totals[source]).astype(np.float32)
    return parts


def window(kernel: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A kernel of shape (h, w, ...) in another size: zeros around it, or its centre.

    A window of even size has its spare row and column at the end, as the padding ``same`` has it.
    """
    fitted = np.zeros((*size, *kernel.shape[2:]), kernel.dtype)
    here, there = [], []
    for new, old in zip(size, kernel.shape[:2], strict=True):
        overlap = min(new, old)
        here.append(slice((new - overlap) // 2, (new - overlap) // 2 + overlap))
        there.append(slice((old - overlap) // 2, (old - overlap) // 2 + overlap))
    fitted[tuple(here)] = kernel[tuple(there)]
    return fitted


def strongest(kernel: np.ndarray, scale: np.ndarray, width: int) -> np.ndarray:
    """The output channels of the largest norm, in their order.

    Args:
        kernel: Shape (..., outputs).
        scale: What a batch normalization multiplies each with.
        width: How many.
    """
    norms = np.abs(kernel).reshape(-1, kernel.shape[-1]).sum(axis=0) * np.abs(scale)
    return np.sort(np.argsort(-norms, kind="stable")[:width])


def tied_tensors(graph: OpGraph) -> set[int]:
    """Tensors that are added to others, so that their channels cannot be chosen freely."""
    tied: set[int] = set()
    for position in reversed(range(len(graph.ops))):
        op = graph.ops[position]
        if op.kind == "add" and len(op.inputs) > 1:
            tied.update(op.inputs)
        elif position + 1 in tied and op.kind not in ("conv2d", "dense", "lstm"):
            tied.update(op.inputs[:1])
    return tied


def normalized_values(op: Op, gamma: np.ndarray, beta: np.ndarray) -> Values | None:
    """What a batch-normalized operation puts out, taking a Gaussian before its activation."""
    reach = float(np.max(np.abs(beta) + SIGMAS * np.abs(gamma)))
    if op.activation == "linear":
        return Values(beta, gamma**2, -reach, reach)
    if op.activation not in ("relu", "relu6"):
        return None
    top = CEILING if op.activation == "relu6" else reach
    drawn = np.clip(beta[:, None] + gamma[:, None] * _NODES, 0.0, top)
    weights = _WEIGHTS / _WEIGHTS.sum()
    mean = drawn @ weights
    return Values(mean, (drawn - mean[:, None]) ** 2 @ weights, 0.0, top)


def summed(first: Values | None, second: Values | None) -> Values | None:
    """What the sum of two tensors is expected to be."""
    if first is None or second is None:
        return None
    return Values(
        first.mean + second.mean, first.variance + second.variance,
        first.low + second.low, first.high + second.high,
    )  # fmt: skip
