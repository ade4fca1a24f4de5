"""What a bundle says and does about the outputs of a network, and the register of it. No TensorFlow.

Results are what a device wants of the outputs: class scores, targets in their units, an anomaly
score. They are float32, and computed here operation by operation as ``postprocess.c`` computes them,
so that both give the same bytes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from edgenas.errors import UnsupportedError
from edgenas.export.manifest import Artifact, Manifest
from edgenas.export.running import Port
from edgenas.registry import Registry
from edgenas.task import Task

INT8 = "model.int8.tflite"
Array = np.ndarray


@dataclass(frozen=True, slots=True)
class Words:
    """What the documents of a bundle say of a task.

    Attributes:
        does: What the network does, after "A network that reads ... values and".
        agrees: Heading of the column that compares a file with its Keras model.
        note: What the figures of the table of files mean.
        use: What the network is for.
        limits: What it does not do, one line each.
        postprocess: What ``postprocess.h`` and ``postprocess.c`` turn an output into.
    """

    does: str
    agrees: str
    note: str
    use: str
    limits: tuple[str, ...]
    postprocess: tuple[str, str]


@dataclass(frozen=True)
class Outputs(ABC):
    """Outputs of one bundle.

    A new task is one file in this folder with ``@OUTPUTS.register("name of the task")``, imported in
    ``__init__.py``, and a folder ``templates/tasks/NAME`` with its C and its samples.

    Attributes:
        task: What the network is for.
        use: What the manifest says a device needs of the int8 file, for example its threshold.
        class_names: Of the data, where it has classes.
    """

    task: Task
    use: Mapping[str, Any]
    class_names: tuple[str, ...] = ()

    results_name: ClassVar[str]
    """What `results` are called in ``vectors.json``."""
    script: ClassVar[str]
    """Name of the sample for Linux."""
    kotlin: ClassVar[str]
    """Name of the class of the sample for Android."""
    kotlin_example: ClassVar[str]
    """How that class is used, in two lines of Kotlin."""
    linux_note: ClassVar[str]
    """What the sample for Linux prints, for the table of files."""

    @abstractmethod
    def results(self, port: Port, output: Array, prepared: Array) -> Array:
        """What a device computes from outputs, float32 of shape (n, k).

        Args:
            port: Output of the file.
            output: What it wrote, int8 (n, ...), or float32 where the port is.
            prepared: What it read, float32 (n, ...).
        """

    @abstractmethod
    def exact(self, port: Port, output: Array, prepared: Array) -> tuple[Array, Array]:
        """The same by the task itself in float64, and by how much `results` may differ from it."""

    @abstractmethod
    def meanings(self, results: Array) -> list[str]:
        """Each row of results in words, for people."""

    @abstractmethod
    def constants(self, outputs: int) -> str:
        """What ``model_config.h`` says of this task.

        Args:
            outputs: Values of one output.
        """

    @abstractmethod
    def c_values(self, results: Array, outputs: int) -> Mapping[str, str]:
        """What the templates of this task ask for.

        Args:
            results: Of the test vectors.
            outputs: Values of one output.
        """

    @abstractmethod
    def document(self, results: Array, outputs: int) -> dict[str, Any]:
        """What ``vectors.json`` says, so that a program in any language comes to the same results."""

    @abstractmethod
    def words(self, port: Port) -> Words:
        """What the documents say.

        Args:
            port: Output of the int8 file, or of the first file where there is none.
        """

    @abstractmethod
    def agreement(self, artifact: Artifact) -> str:
        """How far a file agrees with its Keras model, in the figure of the task."""

    def vectors(self, labels: Array, number: int) -> Array:
        """Positions of the samples that become test vectors; by default the first."""
        return np.arange(min(number, len(labels)))

    def kotlin_values(self) -> Mapping[str, str]:
        """What the sample for Android asks for beside the ends of the network."""
        return {}


OUTPUTS: Registry[type[Outputs]] = Registry("task")
"""Outputs by the name of their task."""


def outputs_of(manifest: Manifest, class_names: Sequence[str] = ()) -> Outputs:
    """The outputs of a bundle.

    Args:
        manifest: What is known of its files.
        class_names: Of the data.

    Raises:
        UnsupportedError: There is no post-processing for its task.
    """
    name = manifest.task.name
    if name not in OUTPUTS.names():
        raise UnsupportedError(
            f"there is no post-processing for the task '{name}'; expected one of "
            f"{', '.join(sorted(OUTPUTS.names()))}: register one in edgenas.deploy.outputs"
        )
    use = next((one.use for one in manifest.artifacts if one.file == INT8), {})
    return OUTPUTS.get(name)(manifest.task, use, tuple(class_names))


def dequantized(port: Port, output: Array) -> Array:
    """What output values mean, float32 of shape (n, values of one)."""
    return np.asarray(port.dequantize(output), np.float32).reshape(len(output), -1)


def significant(value: float) -> str:
    """A number with four digits, plainly written where its size allows."""
    return f"{value:.4g}" if abs(value) < 1e4 else f"{value:.0f}"
