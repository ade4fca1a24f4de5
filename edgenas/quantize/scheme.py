"""What a scheme does, what it may use, and the register of schemes.

A scheme turns a trained float network into a smaller or faster file of each format. Some only convert
(`float16`, `full-int8`), some train first (`qat`, `pruning`). A new one is one file in this folder with
``@SCHEMES.register("name")``, imported in ``__init__.py``; the contract suite
`edgenas.testing.schemes` then runs over it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from edgenas.arch.graph import OpGraph
from edgenas.errors import ConfigError, DataError
from edgenas.quantize.support import layer_obstacle, runtime_obstacle
from edgenas.registry import Registry
from edgenas.task import CLASSIFICATION, Task

LabelledImages = tuple[np.ndarray, np.ndarray]
"""float32 images (n, height, width, channels) and labels as the task has them, (n,) for classes."""

TUNING_IMAGES = 120_000
"""Images that a training scheme sees by default, over all its epochs."""

STANDARD = "full-int8"
"""The scheme of ``model.int8.*`` unless another one of the same cost is more accurate."""

ALIASES = {"int8": STANDARD}
"""Other names that users know."""


@dataclass(frozen=True)
class Material:
    """What a scheme may use of the data; never the test split.

    Attributes:
        calibration: float32 images (n, height, width, channels) of the training split, prepared as the
            network reads them; some 200.
        train: Images and labels of the training split, or None where there are none to train with.
        validation: The same of the validation split; they choose the epoch that is kept.
        images: Images that a training sees over all its epochs.
        seed: Of trainings.

    Raises:
        ConfigError: A budget of no image.
    """

    calibration: np.ndarray
    train: LabelledImages | None = None
    validation: LabelledImages | None = None
    images: int = TUNING_IMAGES
    seed: int = 0

    def __post_init__(self) -> None:
        if self.images < 1:
            raise ConfigError(f"a budget of {self.images} training images was given; expected 1 or more")

    def splits(self, scheme: str) -> tuple[LabelledImages, LabelledImages]:
        """Training and validation images.

        Raises:
            DataError: One of them is missing; the message names the scheme that needs it.
        """
        if self.train is None or self.validation is None:
            raise DataError(
                f"scheme '{scheme}' trains, and no training or validation images with labels were given; "
                "give them, or choose a scheme that only converts, such as full-int8"
            )
        return self.train, self.validation


@dataclass(frozen=True)
class Network:
    """A trained network on its way to files.

    Attributes:
        model: A tf_keras model, or a Keras 3 model on TensorFlow.
        graph: Its operations; None where they are not known, and then it cannot be trained further.
        facts: What a scheme did to it, as a JSON document: sparsity, epochs ...
    """

    model: Any
    graph: OpGraph | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """What it reads, batch axis left out."""
        return tuple(int(size) for size in self.model.input_shape[1:])


class Scheme(ABC):
    """Turns a trained float network into a file of each format.

    Attributes:
        name: Its name in the register.
        precision: In what its ``.tflite`` file computes: ``float32``, ``float16``, ``dynamic-range``,
            ``int8`` or ``int16x8``.
        trains: Whether `prepare` trains, and so needs `Material.train` and `Network.graph`.
        same_cost: Whether its int8 files cost what those of `full-int8` cost, so that they may take
            their place where they are more accurate.
        needs_classes: Whether it works for classifiers only; so do all that train.
        ranges_from_tflite: Whether the ``.onnx`` file takes weights and ranges of the int8 ``.tflite``
            file over; `onnx` is asked only where that cannot be converted.
    """

    name: ClassVar[str]
    precision: ClassVar[str] = "int8"
    trains: ClassVar[bool] = False
    same_cost: ClassVar[bool] = False
    needs_classes: ClassVar[bool] = False
    ranges_from_tflite: ClassVar[bool] = False

    def why_not(self, graph: OpGraph | None, runtime: str | None = None) -> str | None:
        """Why the scheme does not work for a network or a runtime, found without trying; else None.

        Args:
            graph: The network, or None where its operations are not known.
            runtime: Runtime id of the device that the file is for, or None for any.
        """
        return self.runtime_obstacle(runtime) or (layer_obstacle(graph) if self.trains else None)

    def runtime_obstacle(self, runtime: str | None) -> str | None:
        """Why a runtime cannot run the scheme's files, or None."""
        return runtime_obstacle(self.precision, runtime)

    def task_obstacle(self, task: Task) -> str | None:
        """Why the scheme does not work for a task, or None."""
        if task == CLASSIFICATION or not (self.trains or self.needs_classes):
            return None
        return (
            f"it is for classifiers, and this is {task.maker}; schemes that only convert, such as float16 "
            "and int16x8, work for every task"
        )

    def prepare(self, network: Network, material: Material) -> Network:
        """The network that is converted, trained further where the scheme trains; by default as it is.

        Raises:
            DataError: The scheme trains and has no images for it.
            TrialError: The loss became NaN.
        """
        return network

    @abstractmethod
    def tflite(self, network: Network, material: Material) -> bytes:
        """The ``.tflite`` file of a prepared network, batch 1.

        Raises:
            DataError: Calibration images that `check_calibration` refuses.
            UnsupportedError: The converter cannot handle the model.
        """

    def onnx(self, float32: bytes, material: Material) -> bytes | None:
        """The ``.onnx`` file of a prepared network, batch 1; None where the scheme has none.

        Args:
            float32: Its float32 ``.onnx`` file.
            material: The same as for `tflite`.

        Raises:
            DataError: Calibration images that `check_calibration` refuses.
            UnsupportedError: The quantizer cannot handle the model.
        """
        return None


SCHEMES: Registry[type[Scheme]] = Registry("quantization scheme")
"""Every scheme by name."""


def scheme_names(names: tuple[str, ...] | list[str]) -> tuple[str, ...]:
    """Names as they stand in the register, each once, in the order given.

    Raises:
        UnknownNameError: There is no such scheme.
    """
    found = [ALIASES.get(name, name) for name in names]
    for name in found:
        SCHEMES.get(name)
    return tuple(dict.fromkeys(found))
