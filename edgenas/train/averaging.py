"""A moving average of all weights, which generalizes better than the last ones of a training.

Polyak and Juditsky 1992; Tarvainen and Valpola 2017. The statistics of batch normalization are averaged
like the weights, so that they fit them: Keras's own ``use_ema`` averages trainable weights only.
"""

from __future__ import annotations

from typing import Any

import numpy as np

EVERY = 16
"""Steps between two updates, which costs a sixteenth and changes nothing that can be measured."""


def synced(model: Any) -> Any:
    """The model with its variables up to date; JAX keeps them elsewhere while it trains."""
    sync = getattr(model, "jax_state_sync", None)
    if sync is not None:
        sync()
    return model


class StepCount:
    """Counts the steps that a keras callback hears of; several may be taken at once."""

    def __init__(self) -> None:
        self._seen = 0

    def taken(self, batch: int, steps: int) -> int:
        """Steps since the last call.

        Args:
            batch: Number of the last step in its epoch, as Keras gives it: it may lie beyond the epoch's end.
            steps: Of an epoch.
        """
        done = min(batch + 1, steps)
        taken = done - self._seen
        self._seen = 0 if done == steps else done
        return taken


def averager(momentum: float) -> Any:
    """A keras callback that averages weights, and puts the average in place while the model is validated.

    Early in a training the momentum is smaller, ``(1 + steps) / (10 + steps)``, so that the weights it began
    with are soon forgotten.
    """
    import keras

    class Averager(keras.callbacks.Callback):
        def __init__(self) -> None:
            super().__init__()
            self.steps, self.waiting, self.count = 0, 0, StepCount()
            self.average: list[np.ndarray] = []
            self._raw: list[np.ndarray] | None = None

        def on_train_begin(self, logs: Any = None) -> None:
            if not self.average:
                self.average = synced(self.model).get_weights()

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            taken = self.count.taken(batch, self.params["steps"])
            self.steps, self.waiting = self.steps + taken, self.waiting + taken
            if self.waiting >= EVERY:
                self.update()

        def update(self) -> None:
            """Bring the average up to the last step."""
            if not self.waiting:
                return
            kept = min(momentum, (1 + self.steps) / (10 + self.steps)) ** self.waiting
            self.waiting = 0
            for average, weight in zip(self.average, synced(self.model).get_weights(), strict=True):
                average *= kept
                average += (1 - kept) * weight

        def on_test_begin(self, logs: Any = None) -> None:
            self.update()
            self._raw = synced(self.model).get_weights()
            self.model.set_weights(self.average)

        def on_test_end(self, logs: Any = None) -> None:
            if self._raw is not None:
                synced(self.model).set_weights(self._raw)
                self._raw = None

    return Averager()
