"""Proxy: a score of a network that nobody has trained, and the registry of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from edgenas.arch.graph import OpGraph
from edgenas.arch.spec import ArchSpec
from edgenas.build.builder import build_model
from edgenas.registry import Registry
from edgenas.task import CLASSIFICATION, Task

BATCH = 32
"""Training images that a score is made of; the papers use 64 and 128, which take longer accordingly."""


@dataclass(frozen=True)
class Probe:
    """What a proxy sees of a network.

    Attributes:
        spec: The network.
        images: One batch of training inputs, float32 of shape (n, *spec.input_shape).
        labels: Their labels, as the task has them.
        seed: Of everything random in a score: one seed gives one score.
        task: What the network is for.
    """

    spec: ArchSpec
    images: np.ndarray
    labels: np.ndarray
    seed: int = 0
    task: Task = CLASSIFICATION

    @cached_property
    def graph(self) -> OpGraph:
        """The network's operations."""
        return self.spec.graph()

    @cached_property
    def model(self) -> Any:
        """A Keras 3 model with fresh weights; who changes them must bring them back."""
        return self.build(self.graph)

    def build(self, graph: OpGraph) -> Any:
        """A Keras 3 model of some operations with weights of the seed."""
        import keras

        keras.utils.set_random_seed(self.seed % 2**32)
        return build_model(graph, keras)


class Proxy(ABC):
    """A score that needs no training: higher should mean more accurate.

    A new proxy is one file in this folder with ``@PROXIES.register("name")``, imported in ``__init__.py``.

    Attributes:
        needs_model: Whether it looks at a model, or at the operations alone.
        sees_data: Whether the batch changes the score.
    """

    needs_model: bool = True
    sees_data: bool = True

    @abstractmethod
    def score(self, probe: Probe) -> float:
        """The score of a network with fresh weights; a finite number."""


PROXIES: Registry[Proxy] = Registry("proxy")
"""The proxies by name."""

BASELINES = ("macs", "params")
"""Proxies that every other one is compared with: they cost nothing."""
