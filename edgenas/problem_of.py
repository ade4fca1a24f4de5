"""From a configuration and its data to the problem that a search solves, and what a run writes down of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgenas.arch.space import SPACES, SearchSpace
from edgenas.config import RunConfig
from edgenas.cost.table import TableSource
from edgenas.cost.types import CostSource
from edgenas.data.dataset import Dataset
from edgenas.data.described import describe_data
from edgenas.data.load import balanced_weights
from edgenas.distribute import EXECUTORS, Allotment, Executor
from edgenas.environment import machine, versions
from edgenas.errors import ConfigError, DataError
from edgenas.export.schemes import SchemePlan
from edgenas.profile.device import Device, load_device
from edgenas.profile.scheme_latency import scheme_latency
from edgenas.profile.sources import caveat, cost_source
from edgenas.profile.vela import VelaSource
from edgenas.quantize.calibration import FEWEST_IMAGES
from edgenas.search.objective import VAL_ERROR, Constraint, metric_value
from edgenas.search.problem import Problem
from edgenas.search.supernet import refuse_unshared
from edgenas.search.supernet_plan import SupernetPlan, facts_for
from edgenas.store import Store
from edgenas.task import CLASSIFICATION
from edgenas.train.augment import augmentations_for


def make_problem(config: RunConfig, dataset: Dataset) -> tuple[Problem, Device]:
    """The space, costs, budgets and objectives of a configuration.

    Raises:
        UnknownNameError: No such space or device.
        ConfigError: A latency budget for a device without a latency source.
        TableMissError: The device's table does not hold the space's operations at this input size.
        UnsupportedError: The device cannot run an operation of the space, or a scheme.
    """
    kind = SPACES.get(config.space)
    space: SearchSpace = kind(dataset.input_shape, dataset.outputs, dataset.task.head)
    device = load_device(config.device)
    device.check_space(space)
    scheme_plan(config).check(device.id, next(space.enumerate()).graph(), dataset.task)
    source = cost_source(device)
    if isinstance(source, (TableSource, VelaSource)):
        source.check_covers(space)
    objectives = config.objectives or (VAL_ERROR, "latency_ms" if has_latency(source, space) else "macs")
    problem = Problem(space, source, tuple(budgets(config, device)), objectives, dataset.task.name)
    for metric in problem.objectives[1:]:
        metric_value(problem.cost_of(next(space.enumerate())), metric)  # refuses one without a source
    return problem, device


def scheme_plan(config: RunConfig) -> SchemePlan:
    """What winners are tried under, with the latencies of the device."""
    device = load_device(config.device)
    return SchemePlan(
        schemes=config.schemes, runtime=device.runtime, latency=scheme_latency(device), seed=config.seed
    )


def supernet_plan(config: RunConfig) -> SupernetPlan | None:
    """Where the supernet of a search comes from; None where none scores its candidates."""
    if not config.on_supernet:
        return None
    run = None if config.supernet == "new" else config.supernet
    return SupernetPlan(
        run, config.supernet_epochs, config.supernet_rate, bool(config.supernet_shrinking),
        config.trust, config.supernet_frames,
    )  # fmt: skip


def check_supernet(config: RunConfig, problem: Problem, dataset: Dataset) -> None:
    """Refuse what a supernet cannot be made for, or a run that has none for this space and these data.

    Raises:
        UnsupportedError: The space's networks cannot share weights; the message has the choice.
        ConfigError: The run named has no such supernet, or an option of a supernet was given without one.
    """
    training = ("epochs", "rate", "frames", "shrinking")
    values = {name: getattr(config, name) for name in (f"supernet_{one}" for one in training)}
    given = [name for name, value in values.items() if value is not None and value is not False]
    if given and not config.on_supernet:
        raise ConfigError(
            f"--{given[0].replace('_', '-')} was given without a supernet to train; expected --searcher "
            "one-shot or --supernet new beside it"
        )
    if config.trust is not None and not config.on_supernet:
        raise ConfigError("--trust was given without a supernet, whose scores it is for; leave it out")
    if config.on_supernet:
        refuse_unshared(problem)
    plan = supernet_plan(config)
    if plan and plan.run:
        facts_for(Path(plan.run), problem, dataset.fingerprint)


def check_training_size(dataset: Dataset) -> None:
    """Refuse data that could be trained on but not quantized.

    Raises:
        DataError: Fewer training images than a calibration needs.
    """
    if len(dataset.train) < FEWEST_IMAGES:
        raise DataError(
            f"data '{dataset.name}' have {len(dataset.train)} training {dataset.kind_of.many} after the "
            f"split; quantization needs at least {FEWEST_IMAGES}: bring more"
        )


def executor_of(config: RunConfig) -> Executor:
    """Where trainings run, by a configuration; not entered yet.

    Raises:
        UnknownNameError: No such executor.
        ConfigError: It cannot give what is asked for.
    """
    allotment = Allotment(
        config.cpus_per_trial, config.gpus_per_trial, config.trial_minutes, config.trial_gib,
        config.address, config.runtime_env,
    )  # fmt: skip
    return EXECUTORS.get(config.executor)(allotment)


def elsewhere(config: RunConfig, changes: Mapping[str, Any]) -> RunConfig:
    """A configuration whose trainings go on elsewhere; from another executor nothing is taken over."""
    moved = changes.get("executor")
    if moved is not None and moved != config.executor:
        config = replace(config, address=None, runtime_env=None, gpus_per_trial=None, cpus_per_trial=None)
    return config.changed(**changes)


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
            **describe_data(dataset),
            "class_weights": balanced_weights(dataset.train.y) if config.class_weights else None,
            "augment": list(augmentations_for(dataset.kind, config.augment, config.shift, dataset.task.name)),
            **({"task": dataset.task.to_json()} if dataset.task != CLASSIFICATION else {}),
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
