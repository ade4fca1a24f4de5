"""From a run, or from the spec of a network and its data, to a long training."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edgenas.arch.space import SPACES
from edgenas.arch.spec import ArchSpec
from edgenas.captured import captured
from edgenas.config import RunConfig
from edgenas.cost.static import StaticSource
from edgenas.data.dataset import Dataset
from edgenas.data.load import lasting_name
from edgenas.errors import ConfigError, TableMissError
from edgenas.pipeline import Clock, Reporter, begun_with, load_data
from edgenas.problem_of import check_training_size, describe, scheme_plan
from edgenas.profile.device import load_device
from edgenas.profile.sources import cost_source
from edgenas.report import write_report
from edgenas.search.listener import StageListener
from edgenas.search.problem import Problem
from edgenas.store import Store, storage_errors
from edgenas.train.pool import default_workers

GIVEN = "0000"
"""The trial of a run that was made for one spec."""

RequestFor = Callable[[Dataset, int], Any]
"""From the data and the run's seed to an `edgenas.winners.long.LongTraining`."""


def train_trial(
    folder: Path,
    trial_id: str,
    request_for: RequestFor,
    listener: StageListener,
    *,
    workers: int | None = None,
    out: Path | None = None,
) -> dict[str, Any]:
    """Train a trial of a run for long; see `edgenas.winners.long.train_for_long`.

    Raises:
        StoreError: No such run or trial, the run is in use, or its data are not the same any more.
        UnknownNameError: No such scheme.
        UnsupportedError: The device or the network does not go with a scheme.
        EdgenasError: The training or its export failed.
    """
    with captured():  # TensorFlow greets on standard error
        import edgenas.search.tuner  # noqa: F401  all that greets, as in a search
        from edgenas.winners.long import train_for_long

    with Store.open(folder) as store:
        record = store.trial(trial_id)
        config, dataset = begun_with(store)
        request = request_for(dataset, config.seed)
        plan = scheme_plan(config.changed(schemes=request.schemes))
        plan.check(config.device, record.spec.graph(), dataset.task)
        reporter = Reporter(store, Clock(store.meta("elapsed_seconds", 0.0)), listener)
        document = train_for_long(
            store, record, dataset, request, reporter,
            workers=workers or config.workers or default_workers(), out=out, plan=plan,
        )  # fmt: skip
        if store.meta("status") == "training":
            store.set_meta(status="done")
    write_report(folder)
    return document


def begin_with_spec(path: Path, config: RunConfig, folder: Path) -> None:
    """Make a run of a single network, unless the folder holds the run of this very network already.

    Args:
        path: A spec as ``.json``, or a manifest that holds one.
        config: Names the data and the device.
        folder: The run folder.

    Raises:
        ConfigError: The file is no spec, it does not fit the data, or the folder's run is another one.
        DataError: The data cannot be trained on.
        StoreError: The folder cannot be written.
    """
    spec = read_spec(path)
    if (folder / "run.db").exists():
        with Store.read(folder) as store:
            found = [trial.spec.arch_id for trial in store.trials()]
        if found != [spec.arch_id]:
            raise ConfigError(f"{folder} holds another run than that of {path}; choose another --out")
        return
    config = config.changed(data=lasting_name(config.data))
    dataset = load_data(config, folder.parent)
    check_training_size(dataset)
    _check_fits(spec, dataset)
    device = load_device(config.device)
    device.check_runs(spec.graph().ops)
    source = cost_source(device)
    space = SPACES.get(config.space)(dataset.input_shape, dataset.outputs, dataset.task.head)
    try:
        cost = source.estimate(spec.graph(), per_op=True)
    except TableMissError:
        source = StaticSource(device.id, source.runtime)
        cost = source.estimate(spec.graph(), per_op=True)
    with Store.create(folder) as store:
        with storage_errors(folder):
            (folder / "config.toml").write_text(config.to_toml(), encoding="utf-8")
        describe(store, config, dataset, Problem(space, source), device)
        store.set_meta(status="training", space=spec.space)
        store.begin_trial(GIVEN, spec, cost)
        store.give_trial(GIVEN)


def read_spec(path: Path) -> ArchSpec:
    """The spec in a ``.json`` file, which may be the manifest of a bundle.

    Raises:
        ConfigError: There is no such file, or it is no spec.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"spec {path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise ConfigError(f"{path} is not JSON: {error}; expected a spec or a manifest") from None
    if not isinstance(document, dict):
        raise ConfigError(f"{path} is a JSON {type(document).__name__}; expected a spec or a manifest")
    inner = document.get("description", document)
    return ArchSpec.from_json(inner.get("spec", inner))


def _check_fits(spec: ArchSpec, dataset: Dataset) -> None:
    reads, have = ("x".join(map(str, shape)) for shape in (spec.input_shape, dataset.input_shape))
    if spec.classes != dataset.outputs or spec.input_shape[-1] != dataset.input_shape[-1]:
        raise ConfigError(
            f"the network reads {reads} and tells {spec.classes} classes apart, but data '{dataset.name}' "
            f"have {have} and {dataset.outputs}; bring other data or another spec"
        )
