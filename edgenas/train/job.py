"""A training job: what goes to the training process, what it does there, what comes back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgenas.arch.graph import Shape
from edgenas.arch.spec import ArchSpec
from edgenas.build.builder import build_model
from edgenas.errors import TrialError
from edgenas.task import CLASSIFICATION, Task
from edgenas.train.recipe import Recipe
from edgenas.train.trainer import Progress, TrainResult, stop_above, train

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
        task: What the network is for.
    """

    spec: ArchSpec
    recipe: Recipe
    weights_path: Path | None = None
    hypermodel: Any = None
    callbacks: tuple[Any, ...] = ()
    cutoffs: tuple[float, ...] = ()
    task: Task = CLASSIFICATION


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
    """Build, train and save the weights; runs in the training process.

    Raises:
        TrialError: The loss became NaN, or the network or its training raised an error.
    """
    import keras

    keras.utils.set_random_seed(job.recipe.seed % 2**32)
    train_split, val_split = data_for(job.spec.input_shape)
    try:
        model = fresh_model(job.spec, job.hypermodel)
        callbacks = (*job.callbacks, *([stop_above(job.cutoffs)] if job.cutoffs else ()))
        used = shared(train_split, job.recipe.share)
        result = train(model, used, val_split, job.recipe, on_epoch, callbacks, job.task)
    except TrialError:
        raise
    except Exception as error:  # whatever a user's model raises fails this trial only
        raise TrialError(
            f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
        ) from error
    if job.weights_path is not None:
        save_weights(job.weights_path, model.get_weights())
    return result


def shared(split: Arrays, share: float) -> Arrays:
    """A random share of some images, the same for every network; the images may be sorted by class."""
    if share >= 1:
        return split
    used = max(1, round(len(split[0]) * share))
    chosen = np.random.default_rng(0).permutation(len(split[0]))[:used]
    return split[0][chosen], split[1][chosen]


def save_weights(path: Path, weights: list[np.ndarray]) -> None:
    """Write weights to an ``.npz`` file that is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.tmp")
    arrays = {f"w{position:04d}": array for position, array in enumerate(weights)}
    try:
        with unfinished.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)
        unfinished.replace(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


def load_weights(path: Path) -> list[np.ndarray]:
    """The weights that `save_weights` wrote, in the order of ``get_weights()``."""
    with np.load(path, allow_pickle=False) as archive:
        return [archive[name] for name in sorted(archive.files)]
