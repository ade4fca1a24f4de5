"""Your own keras-tuner build function, searched for accuracy against device cost.

    python examples/own_model.py

Costs are known before training: networks over the RAM budget are never trained.
"""

import keras
from sklearn.datasets import load_digits

from edgenas.search.objective import Constraint
from edgenas.search.tuner import EdgeTuner


def build(hp):
    """A small convolutional network whose width, depth and kernel are searched."""
    model = keras.Sequential([keras.Input((8, 8, 1))])
    for block in range(hp.Int("blocks", 1, 3)):
        model.add(keras.layers.Conv2D(hp.Choice(f"filters_{block}", [8, 16, 32]), 3, padding="same"))
        model.add(keras.layers.BatchNormalization())
        model.add(keras.layers.ReLU())
    model.add(keras.layers.GlobalAveragePooling2D())
    model.add(keras.layers.Dense(10, activation="softmax"))
    return model


def main() -> None:
    """Search, print the front, export its networks."""
    images, labels = load_digits(return_X_y=True)
    tuner = EdgeTuner(
        build,
        constraints=[Constraint("peak_ram_bytes", 24 * 1024)],
        objectives=("val_error", "peak_ram_bytes"),
        max_trials=6,
        directory="runs",
        project_name="own_model",
        overwrite=True,
    )
    tuner.search(images.reshape(-1, 8, 8, 1), labels, epochs=3)
    tuner.results_summary()
    for folder in tuner.export("runs/own_model/models"):
        print(folder)


if __name__ == "__main__":
    main()
