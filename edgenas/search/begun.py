"""What a search was begun with: a folder goes on with the same data, objectives and budgets or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgenas.data.dataset import Dataset
from edgenas.data.described import describe_data
from edgenas.environment import machine, versions
from edgenas.errors import ConfigError, StoreError
from edgenas.search.problem import Problem
from edgenas.search.transfer import knowledge_of
from edgenas.store import Store
from edgenas.task import CLASSIFICATION


def earlier_knowledge(store: Store, folder: str | Path | None) -> dict[str, Any] | None:
    """What a run folder taught; what this run was begun with, if it was begun before.

    Raises:
        ConfigError: This run was begun without an earlier one.
    """
    knowledge: dict[str, Any] | None = store.meta("warm_start")
    if knowledge is None and folder is not None:
        if store.count():
            raise ConfigError(
                f"the search in {store.folder} was begun without an earlier run; choose another "
                f"folder for one that learns from {folder}"
            )
        knowledge = knowledge_of(Path(folder))
    return knowledge


def begin(
    store: Store,
    problem: Problem,
    dataset: Dataset,
    seed: int,
    fidelity: Mapping[str, Any],
    knowledge: Mapping[str, Any] | None,
) -> None:
    """Write down what a search begins with, or compare it with what it was begun with.

    Trials of other data, objectives, budgets or fidelities would be compared as equal.

    Raises:
        StoreError: It was begun with something else.
    """
    if knowledge:
        store.set_meta(warm_start=knowledge)
    constraints = [{"metric": c.metric, "limit": c.limit} for c in problem.constraints]
    begun_with = store.meta("data")
    if begun_with is None:
        store.set_meta(
            data={
                **describe_data(dataset),
                **({"task": dataset.task.to_json()} if dataset.task != CLASSIFICATION else {}),
            },
            objectives=list(problem.objectives),
            constraints=constraints,
            space=problem.space.name,
            seed=seed,
            versions=versions(),
            machine=machine(),
        )
    elif begun_with["fingerprint"] != dataset.fingerprint:
        raise StoreError(
            f"the run in {store.folder} was begun with other data or another seed; bring those back "
            "or choose another folder"
        )
    now = {"objectives": list(problem.objectives), "constraints": constraints, "fidelity": dict(fidelity)}
    for name, value in now.items():
        begun = store.meta(name)
        if begun is not None and begun != value and store.count():
            raise StoreError(
                f"the run in {store.folder} was begun with {name} {begun}, now {value} were "
                "given; bring those back or choose another folder"
            )
    store.set_meta(fidelity=now["fidelity"])
