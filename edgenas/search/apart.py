"""An EdgeTuner in one of several processes of keras-tuner's: the chief searches, the others train for it."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from pathlib import Path

from edgenas.database import DATABASE
from edgenas.distribute import Executor, LocalExecutor
from edgenas.distribute.chief import ChiefExecutor
from edgenas.distribute.chief_role import IP, Role, role_here
from edgenas.errors import ConfigError
from edgenas.store import Store


def role_of(executor: Executor | None, store: Store | None) -> Role | None:
    """Who this process is by keras-tuner's environment variables; None for a search of its own.

    Raises:
        ConfigError: They are set, and where trainings run was said otherwise too.
    """
    role = role_here()
    if role and (executor or store):
        raise ConfigError(
            f"{IP} is set, which makes keras-tuner's workers train, and an executor or a store was given too "
            f"('edgenas search' gives both); unset {IP}, or use EdgeTuner without them"
        )
    return role


def executor_for(role: Role | None) -> Executor:
    """Where trainings run that nobody placed."""
    return ChiefExecutor(role) if role else LocalExecutor()


def open_store(folder: Path, overwrite: bool, role: Role | None) -> Store:
    """A store to read from; it is written to during `EdgeTuner.search` only.

    So the next EdgeTuner on the folder, in a notebook for example, need not wait for this one to go. A worker
    of a chief gets an empty one in a temporary folder: the run is the chief's alone.
    """
    if role and not role.is_chief:
        folder = Path(tempfile.mkdtemp(prefix="edgenas-worker-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
    if (folder / DATABASE).exists() and not overwrite:
        return Store.read(folder)
    store = Store.create(folder, overwrite=overwrite)
    store.release()
    return store


def results_in(folder: Path, scratch: Store) -> Store:
    """What a worker sees when the search is over: the chief's run, where both share the folder."""
    if not (folder / DATABASE).exists():
        print(f"the search is over; its results are in {folder} of the chief's machine")
        return scratch
    scratch.close()
    return Store.read(folder)
