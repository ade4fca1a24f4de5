"""Elastic weights: one set of tensors that every network of a space is cut from.

A network's operation takes the first channels and the centre of the kernel of a tensor that is as large as
the largest of all networks in play (Yu et al. 2020, "BigNAS"; Cai et al. 2020, "Once-for-All"). Which
operations are the same in two networks, the space says (`SearchSpace.sharing`). Plain NumPy: the tensors are
small, a cut is a view, and a standing on disk is the arrays themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from zlib import crc32

import numpy as np

from edgenas.arch.graph import Op, OpGraph, Shape
from edgenas.arch.space import SearchSpace
from edgenas.arch.spec import ArchSpec
from edgenas.errors import TrialError, UnsupportedError

Array = np.ndarray
Cut = tuple[slice, ...]

ELASTIC_KINDS = frozenset(
    {"conv2d", "depthwise_conv2d", "dense", "add", "mul", "global_avg_pool", "softmax", "activation"}
)
"""Operations that a supernet's networks may consist of."""

ACTIVATIONS = frozenset({"linear", "relu", "relu6", "hard_swish"})
"""Functions that may stand behind them."""


@dataclass(frozen=True, slots=True)
class Part:
    """A tensor of one operation of one network.

    Attributes:
        op: Position of the operation in its graph.
        role: ``kernel``, ``bias``, ``gamma`` or ``beta``.
        name: The shared tensor that it is cut from.
        shape: Shape in Keras's order: (height, width, channels in, channels out) of a convolution.
    """

    op: int
    role: str
    name: str
    shape: Shape


def parts_of(graph: OpGraph, names: Sequence[str]) -> tuple[Part, ...]:
    """All trained tensors of a network, in the order of Keras.

    Args:
        graph: The network's operations, as `ArchSpec.graph` names them.
        names: One a block, from `SearchSpace.sharing`.

    Raises:
        UnsupportedError: The network has an operation that a supernet cannot have.
    """
    return tuple(part for position, op in enumerate(graph.ops) for part in _parts(position, op, names))


def _parts(position: int, op: Op, names: Sequence[str]) -> Iterator[Part]:
    if op.kind not in ELASTIC_KINDS or op.activation not in ACTIVATIONS or op.groups > 1 or op.weights_of:
        raise UnsupportedError(
            f"operation '{op.kind}' ({op.name}, {op.activation}) cannot share weights; expected one of "
            f"{', '.join(sorted(ELASTIC_KINDS))} with {', '.join(sorted(ACTIVATIONS))}"
        )
    if (kernel := _kernel_shape(op)) is None:
        return
    block, _, rest = op.name.partition("_")
    name, channels = f"{names[int(block[1:])]}/{rest}", (op.out_shape[-1],)
    yield Part(position, "kernel", f"{name}/kernel", kernel)
    if op.bias:
        yield Part(position, "bias", f"{name}/bias", channels)
    if op.batch_norm:
        yield Part(position, "gamma", f"{name}/gamma", channels)
        yield Part(position, "beta", f"{name}/beta", channels)


def _kernel_shape(op: Op) -> Shape | None:
    """Shape of an operation's weights in Keras's order, or None."""
    inside, outside = op.in_shape[-1], op.out_shape[-1]
    if op.kind == "conv2d":
        return (*op.kernel, inside, outside)
    if op.kind == "depthwise_conv2d":
        return (*op.kernel, inside, 1)
    return (inside, outside) if op.kind == "dense" else None


def cut_of(whole: Shape, part: Shape) -> Cut:
    """Where a part lies in a shared tensor: the centre of the window, the first channels."""
    window = len(whole) - 2 if len(whole) == 4 else 0
    gaps = [full - size for full, size in _pairs(whole, part)]
    starts = [gap // 2 if axis < window else 0 for axis, gap in enumerate(gaps)]
    return tuple(slice(start, start + size) for start, size in zip(starts, part, strict=True))


def _pairs(whole: Shape, part: Shape) -> Iterable[tuple[int, int]]:
    return zip(whole, part, strict=True)


def extents_of(space: SearchSpace, specs: Iterable[ArchSpec]) -> tuple[dict[str, Shape], dict[str, float]]:
    """Shape of each shared tensor for some networks, and what its biases are before training."""
    extents: dict[str, Shape] = {}
    starts: dict[str, float] = {}
    for spec in specs:
        graph = spec.graph()
        for part in parts_of(graph, space.sharing(spec)):
            known = extents.get(part.name, part.shape)
            extents[part.name] = tuple(max(pair) for pair in _pairs(known, part.shape))
            if part.role == "bias":
                starts[part.name] = graph.ops[part.op].bias_start
    return extents, starts


class SharedWeights:
    """Named tensors, each as large as the largest network in play needs it.

    Args:
        arrays: float32 tensors by name.
    """

    def __init__(self, arrays: Mapping[str, Array]) -> None:
        self.arrays = dict(sorted(arrays.items()))

    @classmethod
    def fresh(cls, space: SearchSpace, specs: Iterable[ArchSpec], seed: int) -> SharedWeights:
        """Random weights for some networks (He et al. 2015); each tensor has random numbers of its own.

        Raises:
            UnsupportedError: The space's networks cannot share weights.
        """
        extents, starts = extents_of(space, specs)
        return cls({name: _fresh(name, shape, starts, seed) for name, shape in extents.items()})

    @property
    def params(self) -> int:
        """Trained parameters of all tensors."""
        return sum(array.size for array in self.arrays.values())

    def lacks(self, parts: Iterable[Part]) -> str:
        """The first tensor of a network that is missing or too small here, with both shapes; else empty."""
        for part in parts:
            if part.name not in self.arrays:
                return f"{part.name} is in no network that the supernet was trained with"
            whole = self.arrays[part.name].shape
            if any(size > full for full, size in _pairs(whole, part.shape)):
                return f"{part.name} is {part.shape}, the supernet has {whole}"
        return ""

    def cut(self, parts: Iterable[Part]) -> list[Array]:
        """Copies of the tensors of one network, in the order of its parts.

        Raises:
            TrialError: The network is larger than any that the supernet was trained with.
        """
        parts = tuple(parts)
        if lack := self.lacks(parts):
            raise TrialError(f"the supernet has no weights for this network: {lack}")
        return [
            np.ascontiguousarray(array[cut_of(array.shape, part.shape)])
            for part in parts
            for array in (self.arrays[part.name],)
        ]


def _fresh(name: str, shape: Shape, starts: Mapping[str, float], seed: int) -> Array:
    role = name.rsplit("/", 1)[-1]
    if role != "kernel":
        return np.full(shape, {"gamma": 1.0, "beta": 0.0}.get(role, starts.get(name, 0.0)), np.float32)
    inputs = prod(shape[:2]) if len(shape) == 4 and shape[-1] == 1 else prod(shape[:-1])
    rng = np.random.default_rng([seed, crc32(name.encode())])
    random: Array = (rng.standard_normal(shape) * np.sqrt(2.0 / inputs)).astype(np.float32)
    return random
