"""The judge: after every epoch, a task's own figures on the validation split.

Keras computes the figures of a classifier while it validates. Those of other tasks need all outputs
at once (an area under a curve) or the scaling of the targets, so they are computed here, in one pass.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from edgenas.task import Task


def judge_callback(task: Task, split: tuple[np.ndarray, np.ndarray], batch_size: int) -> Any:
    """A keras callback that adds ``val_loss``, ``val_error`` and ``val_<figure>`` to an epoch's entry.

    It must stand before whatever reads them. The loss of an anomaly detector is that of the normal
    inputs only, as it is in training.

    Args:
        task: Not a classification.
        split: float32 inputs and labels of the validation split.
        batch_size: Inputs that are predicted at once.
    """
    import keras

    x, y = split
    inputs = np.asarray(x[:])  # also where they lie on disk
    fitted = y.reshape(-1) == 0 if task.head == "reconstruction" else np.ones(len(y), bool)
    loss = keras.losses.get(task.loss)
    wanted = task.targets(inputs, y)[fitted]

    class Judge(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            outputs = np.asarray(self.model.predict(inputs, batch_size=batch_size, verbose=0))
            figures = task.figures(outputs, inputs, y)
            outputs = outputs.reshape(len(y), *wanted.shape[1:])[fitted]
            entry = {"loss": float(np.mean(loss(wanted, outputs))), "error": task.error(figures), **figures}
            if logs is not None:
                logs.update({f"val_{name}": value for name, value in entry.items()})

    return Judge()


def judged(entry: Mapping[str, float]) -> dict[str, float]:
    """The task's figures in an epoch's entry, by name."""
    names = [name.removeprefix("val_") for name in entry if name.startswith("val_")]
    return {name: entry[f"val_{name}"] for name in names if name not in ("loss", "error")}
