"""Parity: does a file do what its Keras model does, on images it was not tuned with?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from edgenas.errors import ParityError

FLOAT_DIFFERENCE = 1e-4
"""Largest difference of an output that float arithmetic in another order may explain."""

INT8_DISAGREEMENT = 0.02
"""Share of images on which an int8 file may choose another class than Keras."""

FEW = 2
"""So many images may always differ: on a handful, one image is more than `INT8_DISAGREEMENT`."""

MOST_IMAGES = 1000
"""Held-back images that are compared; more change the figures little."""


@dataclass(frozen=True, slots=True)
class Parity:
    """How far a file agrees with its Keras model.

    Attributes:
        images: How many were compared.
        agreement: Share of images with Keras' class, plainly counted; None where there are no classes.
        undecided: Images whose two highest Keras outputs differ by less than one step of the int8
            output, so that no int8 file can be held to Keras' choice; 0 for float files.
        max_abs_difference: Largest difference of any output.
        bound: The most that was allowed: of ``max_abs_difference`` for float files, of disagreeing
            images for int8 files of classifiers; of the first of ``figures`` for those of other tasks.
        figures: How an int8 file of another task differs, by name (`edgenas.export.task_parity`).
    """

    images: int
    agreement: float | None
    undecided: int
    max_abs_difference: float
    bound: float
    figures: Mapping[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """A plain document; without ``figures`` where there are none, as older versions read it."""
        document = asdict(self)
        return document if self.figures else {k: v for k, v in document.items() if k != "figures"}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Parity:
        """What `to_json` wrote."""
        return cls(**document)


def float_parity(file: str, outputs: np.ndarray, reference: np.ndarray, *, classes: bool = True) -> Parity:
    """Compare a float file with Keras.

    The bound is `FLOAT_DIFFERENCE`, times the largest output where that is above 1 (logits).

    Args:
        file: Name of the file.
        outputs: Its outputs, float32 (n, classes).
        reference: Keras' outputs for the same images.
        classes: Whether the highest output names a class.

    Raises:
        ParityError: An output differs by more than the bound, or is NaN.
    """
    difference = float(np.abs(outputs - reference).max())
    bound = FLOAT_DIFFERENCE * max(1.0, float(np.abs(reference).max()))
    if not difference <= bound:
        raise ParityError(
            f"{file}: outputs differ from Keras by up to {difference:.2g} on {len(reference)} images, "
            f"at most {bound:.2g} is expected; this is a fault of the conversion: try other versions of "
            "tensorflow and tf2onnx, or report it with the model"
        )
    agreement = _agreement(outputs, reference) if classes else None
    return Parity(len(reference), agreement, 0, difference, bound)


def int8_parity(file: str, outputs: np.ndarray, reference: np.ndarray, step: float) -> Parity:
    """Compare an int8 file with Keras by the classes that they choose.

    Allowed to differ are 2 % of the images, or `FEW`, or as many as are undecided: the largest.

    Args:
        file: Name of the file.
        outputs: Its outputs as float32 (n, classes).
        reference: Keras' outputs for the same images.
        step: Step of the file's output, in units of ``outputs``; 0 if it is computed in float.

    Raises:
        ParityError: More images than allowed have another class.
    """
    images = len(reference)
    highest = np.sort(reference, axis=-1)
    undecided = int(np.sum(highest[:, -1] - highest[:, -2] < step))
    allowed = max(int(INT8_DISAGREEMENT * images), FEW, undecided)
    agreement = _agreement(outputs, reference)
    differing = round((1 - agreement) * images)
    if differing > allowed:
        raise ParityError(
            f"{file}: agrees with Keras' class on {agreement:.1%} of {images} images, at least "
            f"{1 - allowed / images:.1%} is expected; give more calibration images like those in use, "
            "or train longer"
        )
    difference = float(np.abs(outputs - reference).max())
    return Parity(images, agreement, undecided, difference, float(allowed))


def accuracy(outputs: np.ndarray, labels: np.ndarray) -> float:
    """Share of images whose highest output is their label."""
    return float(np.mean(outputs.argmax(axis=-1) == labels))


def _agreement(outputs: np.ndarray, reference: np.ndarray) -> float:
    return float(np.mean(outputs.argmax(axis=-1) == reference.argmax(axis=-1)))
