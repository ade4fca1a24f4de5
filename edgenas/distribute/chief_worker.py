"""A worker of keras-tuner's chief: asks for trainings and does them, until there are no more.

It knows nothing of the search. Data, build function and callbacks are those of its own script, which is the
chief's; so nothing is unpickled that came over the network.
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from edgenas.data.dataset import Dataset
from edgenas.distribute.chief_role import BEAT_SECONDS, KEY, Order, Role, done_text, ended_text
from edgenas.distribute.local import LocalExecutor
from edgenas.distribute.ray_node import differences, training_versions
from edgenas.errors import ConfigError, EdgenasError, StoreError, TrialError, WorkerLostError
from edgenas.train.pool import Place

IDLE_SECONDS = 0.5


def work(role: Role, dataset: Dataset, hypermodel: Any, callbacks: tuple[Any, ...]) -> None:
    """Train what the chief proposes, in a training process of this machine, until it has no more.

    Args:
        role: Of this process; its environment variables must be set.
        dataset: What is trained on, the same as the chief's.
        hypermodel: The user's build function, or None for a `SearchSpace`.
        callbacks: Of the user's.

    Raises:
        ConfigError: The chief has other data or versions.
        EdgenasError: The chief does not answer.
    """
    with tempfile.TemporaryDirectory(prefix="edgenas-worker-") as folder:
        (place,) = LocalExecutor().places(dataset, Path(folder) / "training.log", 1)
        with place:
            _Worker(role, place, dataset, hypermodel, callbacks, Path(folder)).work()


class _Worker:
    def __init__(
        self, role: Role, place: Place, dataset: Dataset, hypermodel: Any, callbacks: tuple[Any, ...],
        folder: Path,
    ) -> None:  # fmt: skip
        from keras_tuner.src.distribute.oracle_client import OracleClient

        self._role, self._place, self._dataset = role, place, dataset
        self._hypermodel, self._callbacks, self._weights = hypermodel, callbacks, folder / "weights.npz"
        self._chief = OracleClient(None)

    def work(self) -> None:
        while True:
            trial = self._ask(partial(self._chief.create_trial, self._role.tuner_id))
            if trial.status == "STOPPED":
                return
            if trial.status == "IDLE":
                time.sleep(IDLE_SECONDS)
                continue
            text, error = self._train(trial)
            trial.hyperparameters.values = {KEY: text}
            trial.status = "COMPLETED" if error is None else "FAILED"
            self._ask(partial(self._chief.end_trial, trial))
            if isinstance(error, ConfigError):
                raise error

    def _ask(self, call: Callable[[], Any]) -> Any:
        """What the chief answers; it may be begun anew meanwhile, keras-tuner waits an hour for that."""
        import grpc

        while True:
            try:
                return call()
            except grpc.RpcError as error:
                if error.code() is not grpc.StatusCode.UNAVAILABLE:
                    raise EdgenasError(
                        f"the chief at {self._role.address} does not answer ({error.code().name}); see what "
                        "it printed, and start it again: it goes on where it was"
                    ) from None
                time.sleep(IDLE_SECONDS)

    def _train(self, trial: Any) -> tuple[str, EdgenasError | None]:
        """The text of what came of it, and the error if it was one."""
        try:
            order = Order.read(trial.hyperparameters.values[KEY])
            self._compare(order)
            job = replace(
                order.job, hypermodel=self._hypermodel, callbacks=self._callbacks, task=self._dataset.task,
                weights_path=self._weights if order.wants_weights else None,
            )  # fmt: skip
            with _Beats(self._chief, trial.trial_id, self._place) as beats:
                result = self._place.run(job, beats.epoch_ended)
            return done_text(result, self._weights.read_bytes() if order.wants_weights else None), None
        except EdgenasError as error:
            kinds = {WorkerLostError: "lost", StoreError: "disk", ConfigError: "refused"}
            kind = next((kind for cls, kind in kinds.items() if isinstance(error, cls)), "failed")
            return ended_text(kind, f"{error} (at worker '{self._role.tuner_id}')"), error
        finally:
            self._weights.unlink(missing_ok=True)

    def _compare(self, order: Order) -> None:
        if order.fingerprint != self._dataset.fingerprint:
            raise ConfigError(
                "this worker has other data or another split than the chief; give all of them the same"
            )
        if different := differences(order.versions, training_versions()):
            raise ConfigError(f"this worker has {different}; use the same versions in all processes")


class _Beats:
    """Says to the chief that this worker is there, and ends a training that is wanted no more."""

    def __init__(self, chief: Any, trial_id: str, place: Place) -> None:
        self._chief, self._trial_id, self._place = chief, trial_id, place
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)

    def __enter__(self) -> _Beats:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._over.set()

    def epoch_ended(self, entry: dict[str, Any]) -> None:
        """Pass an epoch on."""
        import grpc

        figures = {name: float(value) for name, value in entry.items() if isinstance(value, (int, float))}
        with suppress(grpc.RpcError):  # the chief may be begun anew meanwhile
            answer = self._chief.update_trial(self._trial_id, figures, step=int(entry["epoch"]))
            if answer.status == "STOPPED":
                raise TrialError("the chief does not want this training any more")

    def _beat(self) -> None:
        import grpc

        while not self._over.wait(BEAT_SECONDS):
            with suppress(grpc.RpcError):
                if self._chief.get_trial(self._trial_id).status == "STOPPED" and not self._over.is_set():
                    self._place.interrupt()
                    return
