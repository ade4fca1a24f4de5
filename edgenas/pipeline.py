"""READ FIRST: the main job, one call per stage.

    data -> space -> costs and budgets -> search -> short list -> final training -> artifacts -> report

`start` begins a run in a folder of its own, `resume` continues one after a stop of any kind; both
go through the same stages, and each stage leaves alone what the store says is done.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any, Protocol

from edgenas.arch.space import SPACES, SearchSpace
from edgenas.captured import captured
from edgenas.config import RunConfig, config_from
from edgenas.cost.table import TableSource
from edgenas.cost.types import CostSource
from edgenas.data.dataset import Dataset
from edgenas.data.load import lasting_name, load_dataset
from edgenas.environment import machine, versions
from edgenas.errors import DataError, StoreError
from edgenas.profile.device import Device, load_device
from edgenas.profile.sources import caveat, cost_source
from edgenas.profile.vela import VelaSource
from edgenas.quantize.calibration import FEWEST_IMAGES
from edgenas.records import TrialRecord
from edgenas.report import write_report
from edgenas.search.objective import VAL_ERROR, Constraint, metric_value
from edgenas.search.problem import Problem, check_budgets
from edgenas.search.searchers import SEARCHERS
from edgenas.search.transfer import Earlier, knowledge_of
from edgenas.store import Store, storage_errors
from edgenas.train.pool import default_workers
from edgenas.train.recipe import SHIFT, Recipe, final_recipe, search_recipe

SEARCH_SHARE = 0.4
"""Share of the time limit after which no further candidate is started."""

PACE = 0.9
"""Speed of a final training against the search's: it is validated more often, and its images are shifted."""

EXPORT_SECONDS = 25.0
"""Time kept back for the artifacts of each winner."""


class RunListener(Protocol):
    """Told what a run does while it goes on."""

    def stage_began(self, name: str, total: int | None, seconds: float | None) -> None:
        """A stage begins, of so many steps and seconds, where known."""

    def trial_began(self, record: TrialRecord) -> None:
        """A candidate is about to be trained or exported."""

    def epoch_ended(self, entry: Mapping[str, Any]) -> None:
        """An epoch of the current training ended."""

    def trial_ended(self, record: TrialRecord, refused: int) -> None:
        """A training or export ended; ``refused`` proposals were over budget so far."""


def start(config: RunConfig, listener: RunListener) -> Path:
    """Run the main job from the beginning.

    Returns:
        The run folder.

    Raises:
        UsageError: Something in the configuration or the data is wrong; nothing was trained.
        EdgenasError: A stage failed.
    """
    clock = Clock()
    config = config.changed(workers=config.workers or default_workers())
    SEARCHERS.get(config.searcher)
    config = config.changed(data=lasting_name(config.data))  # a run may be resumed from another folder
    dataset = load_data(config)
    check_training_size(dataset)
    problem, device = make_problem(config, dataset)
    check_budgets(problem, config.seed)
    knowledge = knowledge_of(Path(config.warm_start)) if config.warm_start else None
    if knowledge:
        Earlier(knowledge, problem)  # refuses a run of another space
    folder = Path(config.out) if config.out else free_folder(config)
    with Store.create(folder) as store:
        with storage_errors(folder):
            (folder / "config.toml").write_text(config.to_toml(), encoding="utf-8")
        store.set_meta(warm_start=knowledge)
        describe(store, config, dataset, problem, device)
        with way_back(folder):
            run_stages(store, config, dataset, problem, clock, listener)
    return folder


def resume(folder: Path, listener: RunListener) -> Path:
    """Continue a run after a stop of any kind.

    Raises:
        StoreError: There is no run, it is in use, or the data are not the same any more.
        EdgenasError: A stage failed.
    """
    with Store.open(folder) as store:
        clock = Clock(store.meta("elapsed_seconds", 0.0))
        config, dataset = begun_with(store)
        problem, _ = make_problem(config, dataset)
        with way_back(folder):
            run_stages(store, config, dataset, problem, clock, listener)
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
    dataset = load_data(config)
    if dataset.fingerprint != store.meta("data")["fingerprint"]:
        raise StoreError(
            f"the data '{config.data}' are not those that {store.folder} was begun with; "
            "bring the old ones back or start a new run"
        )
    return config, dataset


def load_data(config: RunConfig) -> Dataset:
    """The data of a configuration, checked and split."""
    return load_dataset(
        config.data,
        seed=config.seed,
        size=config.image_size,
        drop_duplicates=bool(config.drop_duplicates),
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
    listener: RunListener,
) -> None:
    """Search, short list, final training, artifacts, report; what is done already is skipped."""
    with captured():  # TensorFlow greets on standard error
        from edgenas import winners

    recipe = search_recipe(len(dataset.train), epochs=config.epochs, images=config.images, seed=config.seed)
    reporter = Reporter(store, clock, listener)
    if store.meta("status") == "searching":
        search_stage(store, config, dataset, problem, recipe, clock, reporter)
    if store.meta("status") == "retraining":
        chosen = winners.shortlist(store, problem, config.winners)
        reporter.stage_began("final training", len(chosen), None)
        recipes = FinalRecipes(config, dataset, recipe, clock)
        winners.retrain(store, dataset, recipes, reporter, config.workers or 1)
        winners.drop_dominated(store, problem)
        store.set_meta(status="exporting")
    if store.meta("status") == "exporting":
        kept = sum(winner.reason is None for winner in store.winners())
        reporter.stage_began("export", kept, None)
        winners.deliver(store, dataset, reporter)
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

    def __init__(self, store: Store, clock: Clock, listener: RunListener) -> None:
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


class FinalRecipes:
    """The recipes of the final trainings: what was asked for, or what the time left allows.

    With a time limit every winner gets the same number of epochs, and so a slow network more time
    than a fast one.
    """

    def __init__(self, config: RunConfig, dataset: Dataset, search: Recipe, clock: Clock) -> None:
        self._config, self._images, self._search, self._clock = config, len(dataset.train), search, clock

    def __call__(self, waiting: Sequence[TrialRecord]) -> list[Recipe]:
        """The recipes of all winners that are still to be trained."""
        speeds = self._speeds(waiting)
        return [
            final_recipe(
                self._images,
                self._search,
                epochs=self._config.final_epochs,
                seconds=seconds,
                images_per_second=speed,
                shift=SHIFT if self._config.shift is None else self._config.shift,
                seed=self._config.seed,
            )
            for speed, seconds in zip(speeds, self._seconds(speeds), strict=True)
        ]

    def _speeds(self, waiting: Sequence[TrialRecord]) -> list[float]:
        """Images a second of each, at full resolution; the median where none was measured."""
        power = 2 if self._config.halving == "resolution" else 0
        known = [record.images_per_second * record.fidelity**power for record in waiting]
        measured = [speed for speed in known if speed > 1]
        usual = median(measured) if measured else 1.0
        return [speed if speed > 1 else usual for speed in known]

    def _seconds(self, speeds: Sequence[float]) -> list[float | None]:
        """Seconds of each training, so that all end in time and have the same number of images."""
        if self._config.minutes is None:
            return [None] * len(speeds)
        left = self._config.minutes * 60 - self._clock.elapsed - EXPORT_SECONDS * self._config.winners
        each = [1 / speed for speed in speeds]
        images = max(1.0, PACE * left) / makespan(each, self._config.workers or 1)
        return [images * seconds for seconds in each]


def makespan(lengths: Sequence[float], workers: int) -> float:
    """When the last of some jobs ends if the longest waiting one always goes to the first free worker."""
    loads = [0.0] * workers
    for length in sorted(lengths, reverse=True):
        loads[loads.index(min(loads))] += length
    return max(loads)


def make_problem(config: RunConfig, dataset: Dataset) -> tuple[Problem, Device]:
    """The space, costs, budgets and objectives of a configuration.

    Raises:
        UnknownNameError: No such space or device.
        ConfigError: A latency budget for a device without a latency source.
        TableMissError: The device's table does not hold the space's operations at this input size.
        UnsupportedError: The device cannot run an operation of the space.
    """
    space: SearchSpace = SPACES.get(config.space)(dataset.input_shape, dataset.classes)
    device = load_device(config.device)
    device.check_space(space)
    source = cost_source(device)
    if isinstance(source, (TableSource, VelaSource)):
        source.check_covers(space)
    objectives = config.objectives or (VAL_ERROR, "latency_ms" if has_latency(source, space) else "macs")
    problem = Problem(space, source, tuple(budgets(config, device)), objectives)
    for metric in problem.objectives[1:]:
        metric_value(problem.cost_of(next(space.enumerate())), metric)  # refuses one without a source
    return problem, device


def check_training_size(dataset: Dataset) -> None:
    """Refuse data that could be trained on but not quantized.

    Raises:
        DataError: Fewer training images than a calibration needs.
    """
    if len(dataset.train) < FEWEST_IMAGES:
        raise DataError(
            f"data '{dataset.name}' have {len(dataset.train)} training images after the split; quantization "
            f"needs at least {FEWEST_IMAGES}: bring more"
        )


def has_latency(source: CostSource, space: SearchSpace) -> bool:
    """Whether a cost source knows latencies; asked of the space's first network."""
    return source.estimate(next(space.enumerate()).graph()).latency_ms is not None


def budgets(config: RunConfig, device: Device) -> list[Constraint]:
    """The budgets of a configuration; a device's own memory counts where none is given."""
    ram = config.ram_kib * 1024 if config.ram_kib else device.ram_bytes
    flash = config.flash_kib * 1024 if config.flash_kib else device.flash_bytes
    limits = {"latency_ms": config.latency_ms, "peak_ram_bytes": ram, "flash_bytes": flash}
    return [Constraint(metric, limit) for metric, limit in limits.items() if limit is not None]


def describe(store: Store, config: RunConfig, dataset: Dataset, problem: Problem, device: Device) -> None:
    """Write down everything that is needed to understand and repeat the run."""
    source = problem.cost_source
    store.set_meta(
        status="searching",
        config=config.to_json(),
        versions=versions(),
        machine=machine(),
        seed=config.seed,
        data={
            "name": dataset.name,
            "fingerprint": dataset.fingerprint,
            "train": len(dataset.train),
            "validation": len(dataset.validation),
            "test": len(dataset.test),
            "class_names": list(dataset.class_names),
            "input_shape": list(dataset.input_shape),
            "warnings": list(dataset.warnings),
        },
        objectives=list(problem.objectives),
        constraints=[{"metric": c.metric, "limit": c.limit} for c in problem.constraints],
        space=problem.space.name,
        device={
            "id": device.id,
            "name": device.name,
            "runtime": source.runtime,
            **({"note": note} if (note := caveat(source, device)) else {}),
        },
        elapsed_seconds=0.0,
    )


def free_folder(config: RunConfig) -> Path:
    """A folder under ``runs/`` that does not exist yet, named after data and space."""
    data = Path(config.data.split(":")[0]).stem or "data"
    number = 1
    while True:
        folder = Path("runs") / (f"{data}-{config.space}" + (f"-{number}" if number > 1 else ""))
        if not folder.exists():
            return folder
        number += 1
