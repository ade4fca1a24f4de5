"""Teachers: trained networks whose answers a smaller one learns from (Hinton et al. 2015)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgenas.arch.graph import Shape
from edgenas.arch.spec import ArchSpec
from edgenas.build.builder import build_model
from edgenas.build.load_keras import load_keras
from edgenas.errors import TrialError, UsageError
from edgenas.train.weights import load_weights

Answers = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""From positions in the training images and these images as the student sees them to probabilities."""

ImagesFor = Callable[[Shape], np.ndarray]
"""Training images prepared for an input shape, unaugmented."""

BATCH = 250


@dataclass(frozen=True, slots=True)
class Teacher:
    """A trained network.

    Attributes:
        path: Its ``.keras`` file, or the ``.npz`` file with the weights of a trial.
        spec: The trial's architecture; None for a ``.keras`` file.
    """

    path: Path
    spec: ArchSpec | None = None


def load_teacher(teacher: Teacher) -> Any:
    """The Keras model of a teacher.

    Raises:
        TrialError: Its file cannot be read.
    """
    import keras

    try:
        if teacher.spec is None:
            return load_keras(teacher.path)
        model = build_model(teacher.spec, keras)
        model.set_weights(load_weights(teacher.path))
    except (UsageError, OSError, ValueError, TypeError) as error:
        first = (str(error).splitlines() or [""])[0]
        raise TrialError(f"teacher {teacher.path} cannot be read: {first}") from None
    return model


def answers_of(teachers: Sequence[Teacher], shape: Shape, classes: int, images_for: ImagesFor) -> Answers:
    """How some teachers answer on average, each for itself where there are several.

    A teacher that reads images of the student's shape sees the very images that the student sees, their
    augmentation included (Beyer et al. 2022); one of another shape has answered once, before the training,
    for the images as they are.

    Args:
        teachers: One or more.
        shape: What the student reads.
        classes: What it tells apart.
        images_for: Gives the unaugmented training images for another shape.

    Raises:
        TrialError: A teacher cannot be read, or knows another number of classes.
    """
    known: list[np.ndarray] = []
    live: list[Callable[[np.ndarray], np.ndarray]] = []
    for teacher in teachers:
        model = load_teacher(teacher)
        if model.output_shape[-1] != classes:
            raise TrialError(
                f"teacher {teacher.path} tells {model.output_shape[-1]} classes apart; expected {classes}"
            )
        read = tuple(int(size) for size in model.input_shape[1:])
        if read == tuple(shape):
            live.append(_answering(model))
        else:
            known.append(_in_batches(_answering(model), images_for(read)))

    def answers(positions: np.ndarray, images: np.ndarray) -> np.ndarray:
        found = [table[positions] for table in known] + [ask(images) for ask in live]
        return np.asarray(np.mean(found, axis=0), np.float32)

    return answers


def _answering(model: Any) -> Callable[[np.ndarray], np.ndarray]:
    """Images to probabilities; of a model that ends in logits, their softmax."""
    import keras

    if keras.backend.backend() == "tensorflow":
        import tensorflow

        call = tensorflow.function(lambda images: model(images, training=False), reduce_retracing=True)
    else:
        call = model.predict_on_batch

    def ask(images: np.ndarray) -> np.ndarray:
        out: np.ndarray = keras.ops.convert_to_numpy(call(images)).astype(np.float32)
        if np.allclose(out.sum(axis=-1), 1.0, atol=1e-2) and out.min() >= 0:
            return out
        raised = np.exp(out - out.max(axis=-1, keepdims=True))
        shares: np.ndarray = raised / raised.sum(axis=-1, keepdims=True)
        return shares

    return ask


def _in_batches(ask: Callable[[np.ndarray], np.ndarray], images: np.ndarray) -> np.ndarray:
    return np.concatenate([ask(images[start : start + BATCH]) for start in range(0, len(images), BATCH)])
