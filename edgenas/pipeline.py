"""READ FIRST: the main job, one call per stage.

    data -> space -> costs and budgets -> search -> short list -> final training -> artifacts -> report

`start` begins a run in a folder of its own, `resume` continues one after a stop of any kind; both
go through the same stages, and each stage leaves alone what the store says is done.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edgenas.captured import captured
from edgenas.config import RunConfig, config_from
from edgenas.data.dataset import Dataset
from edgenas.data.load import balanced_weights, lasting_name, load_dataset
from edgenas.distribute import EXECUTORS, Executor
from edgenas.errors import StoreError
from edgenas.problem_of import (
    check_supernet,
    check_training_size,
    describe,
    elsewhere,
    executor_of,
    make_problem,
    scheme_plan,
    supernet_plan,
)  # fmt: skip
from edgenas.records import TrialRecord
from edgenas.report import write_report
from edgenas.search.listener import StageListener
from edgenas.search.problem import Problem, check_budgets
from edgenas.search.proposer import Guidance
from edgenas.search.searchers import SEARCHERS
from edgenas.search.transfer import Earlier, knowledge_of
from edgenas.store import Store, storage_errors
from edgenas.train.augment import augmentations_for
from edgenas.train.recipe import Recipe, check_for_classes, search_recipe

SEARCH_SHARE = 0.4
"""Share of the time limit after which no further candidate is started."""


def start(config: RunConfig, listener: StageListener) -> Path:
    """Run the main job from the beginning.

    Returns:
        The run folder.

    Raises:
        UsageError: Something in the configuration or the data is wrong; nothing was trained.
        EdgenasError: A stage failed.
    """
    clock = Clock()
    check_method(config)
    # A run may be resumed from another folder.
    supernet = lasting_name(config.supernet) if config.supernet not in (None, "new") else None
    config = config.changed(data=lasting_name(config.data), supernet=supernet)
    dataset = load_data(config, Path(config.out).parent if config.out else Path("runs"))
    check_training_size(dataset)
    check_for_classes(dataset.task, {"class_weights": config.class_weights})
    augmentations_for(dataset.kind, config.augment, config.shift)  # refuses what does not fit
    problem, device = make_problem(config, dataset)
    check_budgets(problem, config.seed)
    check_supernet(config, problem, dataset)
    SEARCHERS.get(config.searcher).refuse(problem)
    knowledge = knowledge_of(Path(config.warm_start)) if config.warm_start else None
    if knowledge:
        Earlier(knowledge, problem)  # refuses a run of another space
    folder = Path(config.out) if config.out else free_folder(config)
    with executor_of(config) as executor, Store.create(folder) as store:
        config = config.changed(workers=config.workers or executor.default_workers())
        with storage_errors(folder):
            (folder / "config.toml").write_text(config.to_toml(), encoding="utf-8")
        store.set_meta(warm_start=knowledge)
        describe(store, config, dataset, problem, device)
        with way_back(folder):
            run_stages(store, config, dataset, problem, clock, listener, executor)
    return folder


def check_method(config: RunConfig) -> None:
    """Refuse a search method, or what is to guide it, before anything is read.

    Raises:
        UnknownNameError: No such searcher, proxy or executor.
        ConfigError: The searcher does not go with the rest.
    """
    SEARCHERS.get(config.searcher)
    Guidance(config.proxy, config.inherit, supernet_plan(config)).check(
        config.searcher, config.halving, config.stop_curves, executor=EXECUTORS.get(config.executor)
    )


def resume(folder: Path, listener: StageListener, changes: Mapping[str, Any] | None = None) -> Path:
    """Continue a run after a stop of any kind.

    Args:
        folder: Of the run.
        listener: Told what happens.
        changes: Settings of the executor that are other ones from here on; None leaves one as it was.

    Raises:
        StoreError: There is no run, it is in use, or the data are not the same any more.
        EdgenasError: A stage failed.
    """
    with Store.open(folder) as store:
        clock = Clock(store.meta("elapsed_seconds", 0.0))
        config, dataset = begun_with(store)
        config = elsewhere(config, changes or {})
        check_method(config)  # another executor may not go with it
        problem, _ = make_problem(config, dataset)
        with executor_of(config) as executor, way_back(folder):
            if config.to_json() != store.meta("config"):
                store.set_meta(config=config.to_json())
            run_stages(store, config, dataset, problem, clock, listener, executor)
    return folder


def begun_with(store: Store) -> tuple[RunConfig, Dataset]:
    """The configuration and the data that a run was begun with.

    Raises:
        StoreError: The run has no configuration, or the data are not the same any more.
    """
    document = store.meta("config")
    if document is None:
        raise StoreError(
            f"{store.folder} was begun from Python, or cut off before it began: make the same EdgeTuner "
            "again, or start a new run"
        )
    config = config_from(document)
    dataset = load_data(config, store.folder.parent)
    if dataset.fingerprint != store.meta("data")["fingerprint"]:
        raise StoreError(
            f"the data '{config.data}' are not those that {store.folder} was begun with; "
            "bring the old ones back or start a new run"
        )
    return config, dataset


def load_data(config: RunConfig, beside: Path) -> Dataset:
    """The data of a configuration, checked and split.

    Args:
        beside: Folder of the run folder; what is larger than memory is decoded to ``.data`` in it.
    """
    return load_dataset(
        config.data,
        seed=config.seed,
        drop_duplicates=bool(config.drop_duplicates),
        task=config.task,
        anomalous=config.anomalous or (),
        loss=config.loss,
        reading=config.reading(cache=beside.resolve() / ".data"),
    )


@contextmanager
def way_back(folder: Path) -> Iterator[None]:
    """Let an interrupt say how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"Continue with: edgenas resume {folder}") from None


def run_stages(
    store: Store,
    config: RunConfig,
    dataset: Dataset,
    problem: Problem,
    clock: Clock,
    listener: StageListener,
    executor: Executor,
) -> None:
    """Search, short list, final training, artifacts, report; what is done already is skipped."""
    with captured():  # TensorFlow greets on standard error
        from edgenas.winners.deliver import deliver
        from edgenas.winners.recipes import FinalRecipes
        from edgenas.winners.retrain import retrain
        from edgenas.winners.shortlist import drop_dominated, shortlist

    recipe = search_recipe(
        len(dataset.train),
        epochs=config.epochs,
        images=config.images,
        class_weights=balanced_weights(dataset.train.y) if config.class_weights else (),
        seed=config.seed,
        task=problem.task,
    )
    reporter = Reporter(store, clock, listener)
    if store.meta("status") == "searching":
        search_stage(store, config, dataset, problem, recipe, clock, reporter, executor)
    if store.meta("status") == "retraining":
        shortlist(store, problem, config.winners)
        recipes = FinalRecipes(config, dataset, recipe, lambda: clock.elapsed)
        retrain(store, dataset, recipes.plan, reporter, config.workers or 1, executor)
        drop_dominated(store, problem)
        store.set_meta(status="exporting")
    if store.meta("status") == "exporting":
        kept = sum(winner.reason is None for winner in store.winners())
        reporter.stage_began("export", kept, None)
        deliver(store, dataset, reporter, scheme_plan(config))
        store.set_meta(status="done", elapsed_seconds=clock.elapsed)
    write_report(store.folder)


def search_stage(
    store: Store,
    config: RunConfig,
    dataset: Dataset,
    problem: Problem,
    recipe: Recipe,
    clock: Clock,
    reporter: Reporter,
    executor: Executor,
) -> None:
    """Train candidates until the trials, the time or the space are used up."""
    with captured():
        from edgenas.search.tuner import EdgeTuner

    seconds = config.minutes * 60 * SEARCH_SHARE if config.minutes else None
    reporter.stage_began("search", config.trial_limit, seconds)
    tuner = EdgeTuner(
        problem.space,
        cost_source=problem.cost_source,
        constraints=problem.constraints,
        objectives=problem.objectives,
        searcher=config.searcher,
        seed=config.seed,
        max_trials=config.trial_limit,
        seconds_left=(lambda: seconds - clock.elapsed) if seconds else None,
        store=store,
        listener=reporter,
        workers=config.workers or 1,
        halving=config.halving,
        stop_curves=bool(config.stop_curves),
        proxy=config.proxy,
        inherit=config.inherit,
        executor=executor,
        supernet=supernet_plan(config),
        task=problem.task,
    )
    tuner.search(dataset, recipe=recipe)
    stop = tuner.oracle.stop_reason or "all trials are done"
    store.set_meta(search={"own_seconds": tuner.oracle.own_seconds, "stop_reason": stop}, status="retraining")


class Clock:
    """Seconds that a run has used, those before a stop included."""

    def __init__(self, used: float = 0.0) -> None:
        self._start = time.monotonic() - used

    @property
    def elapsed(self) -> float:
        """Seconds used so far."""
        return time.monotonic() - self._start


class Reporter:
    """Passes events on and keeps the elapsed time, so that a resumed run knows it."""

    def __init__(self, store: Store, clock: Clock, listener: StageListener) -> None:
        self._store, self._clock, self._listener = store, clock, listener

    def stage_began(self, name: str, total: int | None, seconds: float | None) -> None:
        """Pass it on."""
        self._listener.stage_began(name, total, seconds)

    def trial_began(self, record: TrialRecord) -> None:
        """Pass it on."""
        self._listener.trial_began(record)

    def epoch_ended(self, entry: Mapping[str, Any]) -> None:
        """Keep the time, pass it on."""
        self._store.set_meta(elapsed_seconds=self._clock.elapsed)
        self._listener.epoch_ended(entry)

    def trial_ended(self, record: TrialRecord, refused: int) -> None:
        """Keep the time, pass it on."""
        self._store.set_meta(elapsed_seconds=self._clock.elapsed)
        self._listener.trial_ended(record, refused)


def free_folder(config: RunConfig) -> Path:
    """A folder under ``runs/`` that does not exist yet, named after data and space."""
    data = Path(config.data.split(":")[0]).stem or "data"
    number = 1
    while True:
        folder = Path("runs") / (f"{data}-{config.space}" + (f"-{number}" if number > 1 else ""))
        if not folder.exists():
            return folder
        number += 1
