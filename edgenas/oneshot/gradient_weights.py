"""The shared weights of a super-network: named arrays in one vector."""

from __future__ import annotations

from zlib import crc32

import numpy as np

from edgenas.arch.graph import Shape
from edgenas.arch.mobile_blocks import GATE_START
from edgenas.oneshot.elastic import cut_of


class Parameters:
    """Named arrays in one vector, so that a step of the optimizer is a few operations.

    Args:
        shapes: Shape of each array by its name.
        seed: Of their first values: kernels are He-normal (He et al. 2015), factors 1, summands 0.
    """

    def __init__(self, shapes: dict[str, Shape], seed: int) -> None:
        self.shapes = shapes
        self.seed = seed
        self.sizes = [int(np.prod(shape)) for shape in shapes.values()]

    def first(self) -> np.ndarray:
        """The values that a training begins with, float32 of one axis."""
        return self.flat({name: self._first(name, shape) for name, shape in self.shapes.items()})

    def _first(self, name: str, shape: Shape) -> np.ndarray:
        if name.endswith("factor"):
            return np.ones(shape)
        if name.endswith("summand"):
            return np.full(shape, GATE_START if "excite" in name else 0.0)
        rng = np.random.default_rng([self.seed, crc32(name.encode())])
        fan_in = np.prod(shape[:2]) if name.endswith("depthwise") else np.prod(shape[:-1])
        return np.asarray(np.clip(rng.normal(size=shape), -2, 2) * np.sqrt(2 / fan_in))

    def flat(self, arrays: dict[str, np.ndarray]) -> np.ndarray:
        """One vector of all arrays."""
        return np.concatenate([arrays[name].ravel() for name in self.shapes]).astype(np.float32)

    def named(self, flat: np.ndarray) -> dict[str, np.ndarray]:
        """The arrays in a vector."""
        parts = np.split(flat, np.cumsum(self.sizes)[:-1])
        return {
            name: part.reshape(shape) for part, (name, shape) in zip(parts, self.shapes.items(), strict=True)
        }

    @property
    def decayed(self) -> np.ndarray:
        """1 where weight decay pulls: kernels only."""
        return self.flat({
            name: np.full(shape, 0.0 if name.endswith(("factor", "summand")) else 1.0)
            for name, shape in self.shapes.items()
        })  # fmt: skip

    def grafted(self, others: dict[str, np.ndarray]) -> np.ndarray:
        """First values, and another super-network's where it has any: first channels, middle kernels."""
        arrays = self.named(self.first())
        for name, target in arrays.items():
            source = others.get(name)
            if source is not None and source.ndim == target.ndim:
                common = tuple(map(min, target.shape, source.shape))
                target[cut_of(target.shape, common)] = source[cut_of(source.shape, common)]
        return self.flat(arrays)
