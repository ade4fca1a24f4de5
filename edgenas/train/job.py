"""A training job: what goes to the training process, what it does there, what comes back."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from edgenas.arch.graph import Shape
from edgenas.arch.spec import ArchSpec
from edgenas.build.builder import build_model
from edgenas.data.prepared import Prepared
from edgenas.errors import StoreError, TrialError
from edgenas.task import CLASSIFICATION, Task
from edgenas.train.checkpoint import Checkpoint
from edgenas.train.heritage import Heritage
from edgenas.train.limits import NO_LIMITS, Limits
from edgenas.train.own_parts import NO_PARTS, OwnParts
from edgenas.train.precision import use_precision
from edgenas.train.recipe import Recipe
from edgenas.train.teacher import Answers, Teacher, answers_of
from edgenas.train.trainer import Progress, TrainResult, stop_above, train
from edgenas.train.weights import save_weights

Arrays = tuple[np.ndarray, np.ndarray]
DataFor = Callable[[Shape], tuple[Arrays, Arrays]]
"""Gives (train, validation) as float32 images of a shape and labels as the task has them."""


@dataclass(frozen=True)
class Job:
    """One network to train.

    Attributes:
        spec: The architecture; for a user's own build function its ``choices`` are the values of
            the hyperparameters.
        recipe: Length, schedule and seed.
        weights_path: File that receives the weights, or None to throw them away.
        hypermodel: A user's own ``build(hp)`` or keras-tuner HyperModel, or None.
        callbacks: Keras callbacks of the user's; they run in the training process.
        cutoffs: Validation error after each epoch above which the training is stopped.
        limits: Time and memory beyond which the training is ended and the trial fails.
        checkpoint_path: File that holds where the training stands after each epoch, and that it goes on
            from; None for a training that begins anew. Whoever takes the result removes it.
        teachers: Networks to learn from, where the recipe distills.
        task: What the network is for.
        parts: The user's own blocks and layers; `edgenas.train.process` fills them in.
        heritage: Weights of another training to begin with, or None for random ones.
    """

    spec: ArchSpec
    recipe: Recipe
    weights_path: Path | None = None
    hypermodel: Any = None
    callbacks: tuple[Any, ...] = ()
    cutoffs: tuple[float, ...] = ()
    limits: Limits = NO_LIMITS
    checkpoint_path: Path | None = None
    teachers: tuple[Teacher, ...] = ()
    task: Task = CLASSIFICATION
    parts: OwnParts = NO_PARTS
    heritage: Heritage | None = None

    @property
    def key(self) -> str:
        """Tells this training from others in a checkpoint: network, recipe and teachers."""
        taught = [str(teacher.path) for teacher in self.teachers]
        parts = [self.spec.arch_id, self.recipe.to_json(), taught]
        if self.task != CLASSIFICATION:
            parts.append(self.task.to_json())
        if self.heritage is not None:
            parts.append(self.heritage.key)
        text = json.dumps(parts, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def perform(self, data_for: DataFor, on_epoch: Progress) -> tuple[TrainResult, list[np.ndarray]]:
        """Train the network.

        A subclass does something else with the same data in the same process, for example trains a network
        that contains all candidates (`edgenas.oneshot`). What it raises fails the trial.

        Args:
            data_for: Training and validation examples of a shape.
            on_epoch: To be told of every epoch.

        Returns:
            How it went, and the arrays that are written to ``weights_path``.
        """
        train_split, val_split = data_for(self.spec.input_shape)
        model = fresh_model(self.spec, self.hypermodel)
        inherited = self.heritage.hand_to(model, self.spec) if self.heritage else None
        callbacks = (*self.callbacks, *([stop_above(self.cutoffs)] if self.cutoffs else ()))
        result = train(
            model, shared(train_split, self.recipe.share), val_split, self.recipe, on_epoch, callbacks,
            checkpoint=Checkpoint(self.checkpoint_path, self.key) if self.checkpoint_path else None,
            answers=_answers(self, data_for), task=self.task,
        )  # fmt: skip
        if inherited is not None:
            result = replace(result, inherited=asdict(inherited))
        return result, model.get_weights()


def fresh_model(spec: ArchSpec, hypermodel: Any = None) -> Any:
    """The Keras 3 model of a spec, or of a user's build function with the spec's choices."""
    if hypermodel is None:
        import keras

        return build_model(spec, keras)
    import keras_tuner

    hp = keras_tuner.HyperParameters()
    hp.values = dict(spec.choices)
    build = hypermodel.build if hasattr(hypermodel, "build") else hypermodel
    return build(hp)


def run_job(job: Job, data_for: DataFor, on_epoch: Progress) -> TrainResult:
    """Do what a job asks for and save what it leaves; runs in the training process.

    Raises:
        TrialError: The loss became NaN, or the network or its training raised an error.
        StoreError: The checkpoint cannot be written.
    """
    import keras

    job.parts.register()
    keras.utils.set_random_seed(job.recipe.seed % 2**32)
    try:
        use_precision(job.recipe)
        result, weights = job.perform(data_for, on_epoch)
    except (TrialError, StoreError):
        raise
    except Exception as error:  # whatever a user's model raises fails this trial only
        raise TrialError(
            f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
        ) from error
    if job.weights_path is not None:
        save_weights(job.weights_path, weights)
    return result


def _answers(job: Job, data_for: DataFor) -> Answers | None:
    """How the job's teachers answer, or None where it has none."""
    if not job.recipe.distill:
        return None
    if not job.teachers:
        raise TrialError(f"distill={job.recipe.distill} was given without a teacher; name one")

    def images_for(shape: Shape) -> np.ndarray:
        return shared(data_for(shape)[0], job.recipe.share)[0]

    return answers_of(job.teachers, job.spec.input_shape, job.spec.classes, images_for)


def shared(split: Arrays, share: float) -> Arrays:
    """A random share of some images, the same for every network; the images may be sorted by class."""
    if share >= 1:
        return split
    used = max(1, round(len(split[0]) * share))
    chosen = np.random.default_rng(0).permutation(len(split[0]))[:used]
    examples = split[0].take(chosen) if isinstance(split[0], Prepared) else split[0][chosen]
    return examples, split[1][chosen]
