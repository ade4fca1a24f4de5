"""What a user of keras-tuner starts in every process; given are two folders and the seed of the data."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import keras

from edgenas.data.load import load_dataset
from edgenas.search.tuner import EdgeTuner
from edgenas.train.recipe import Recipe


def build(hp: Any) -> Any:
    """One hidden layer."""
    layers = [
        keras.Input((8, 8, 1)),
        keras.layers.Flatten(),
        keras.layers.Dense(hp.Choice("units", list(range(4, 36))), activation="relu"),
        keras.layers.Dense(10, activation="softmax"),
    ]
    return keras.Sequential(layers)


class Hang(keras.callbacks.Callback):
    """Leaves a mark and hangs, in the worker that is to be killed."""

    def __init__(self, marks: str) -> None:
        super().__init__()
        self.marks = marks

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        name = os.environ.get("KERASTUNER_TUNER_ID", "")
        if name == "doomed":
            (Path(self.marks) / name).touch()
            time.sleep(600)


if __name__ == "__main__":
    folder, marks, seed = sys.argv[1:]
    tuner = EdgeTuner(
        build, directory=folder, project_name="run", max_trials=8, workers=2, searcher="random", seed=1
    )
    recipe = Recipe(epochs=2, images_per_epoch=320, batch_size=32)
    tuner.search(load_dataset("digits", seed=int(seed)), recipe=recipe, callbacks=[Hang(marks)])
    front = [[record.trial_id, record.val_error, record.cost.macs] for record in tuner.pareto_front()]
    print(json.dumps(front))
    assert len(tuner.get_best_models()) == 1
