"""The networks and images that the tests of this folder share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgenas.arch.spec import ArchSpec, Block
from edgenas.export.manifest import Manifest

SHAPE = (8, 8, 1)
NETWORKS = ("separable", "bottleneck", "user's own")


@dataclass(frozen=True)
class Images:
    """Prepared digits by split."""

    train: tuple[np.ndarray, np.ndarray]
    validation: tuple[np.ndarray, np.ndarray]
    test: tuple[np.ndarray, np.ndarray]

    @property
    def calibration(self) -> np.ndarray:
        return self.train[0][:100]


@dataclass(frozen=True)
class Exported:
    """A bundle and what it was made from."""

    folder: Path
    manifest: Manifest
    model: Any
    reference: np.ndarray


class OnDemand(dict[str, Any]):
    """What is made when it is first asked for: not every test process needs all."""

    def __init__(self, make: Callable[[str], Any]) -> None:
        self.make = make

    def __missing__(self, name: str) -> Any:
        self[name] = self.make(name)
        return self[name]


def spec_of(*blocks: Block) -> ArchSpec:
    head = Block("head", {"classes": 10})
    return ArchSpec("by hand", SHAPE, 10, (*blocks, head), {})


SPECS = {
    "separable": spec_of(
        Block("stem", {"filters": 8, "kernel": 3, "stride": 1}),
        Block("ds", {"filters": 24, "kernel": 3, "stride": 2, "skip": False}),
        Block("ds", {"filters": 24, "kernel": 5, "stride": 1, "skip": True}),
    ),
    "bottleneck": spec_of(
        Block("stem", {"filters": 8, "kernel": 5, "stride": 1}),
        Block("mbconv", {"filters": 16, "kernel": 3, "stride": 2, "expansion": 4, "skip": False}),
        Block("mbconv", {"filters": 16, "kernel": 3, "stride": 1, "expansion": 2, "skip": True}),
    ),
}


def users_own(keras_module: Any) -> Any:
    """A network that no block of edgenas makes, with a batch normalization behind a depthwise layer."""
    layers = keras_module.layers
    image = keras_module.Input(SHAPE)
    hidden = layers.Conv2D(12, 3, padding="same", activation="relu")(image)
    hidden = layers.DepthwiseConv2D(3, padding="same", use_bias=False)(hidden)
    hidden = layers.BatchNormalization()(hidden)
    hidden = layers.MaxPooling2D(2)(layers.Activation("relu")(hidden))
    hidden = layers.Dense(24, activation="relu")(layers.Flatten()(layers.Dropout(0.1)(hidden)))
    return keras_module.Model(image, layers.Dense(10, activation="softmax")(hidden))
