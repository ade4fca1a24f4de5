"""Runs of the same problem joined into a new one, with where each trial came from."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edgenas.config import config_from
from edgenas.errors import StoreError
from edgenas.store import Store, storage_errors

SAME = ("data", "space", "device", "objectives", "constraints", "fidelity")
"""Facts that must agree: results of other data, costs or budgets cannot be compared."""

KEPT = (*SAME, "config", "seed", "versions", "machine")
"""Facts that the new run takes over from the first one."""


def merge(folders: Sequence[Path], out: Path) -> list[dict[str, Any]]:
    """Write a new run with the ended trials of others, numbered anew in the order given.

    A trial that stands in two runs with the same result is taken over once. Winners are not: the new
    run goes on (`edgenas resume`) with the choice of its own from all trials.

    Returns:
        For each run its folder, seed, and the new number of each trial by its old one.

    Raises:
        StoreError: Fewer than two runs, runs of different problems, or a folder that holds a run already.
    """
    if len({folder.resolve() for folder in folders}) < max(2, len(folders)):
        raise StoreError(f"{len(folders)} runs were given to merge; expected two or more different ones")
    sources = [Store.read(folder) for folder in folders]
    try:
        for source in sources[1:]:
            _compare(sources[0], source)
        with Store.create(out) as store:
            origins = [_take_over(store, source) for source in sources]
            _describe(store, sources, origins)
    finally:
        for source in sources:
            source.close()
    return origins


def _compare(first: Store, other: Store) -> None:
    if scored := [store.folder for store in (first, other) if store.meta("supernet") is not None]:
        raise StoreError(
            f"the networks of {scored[0]} were scored by a supernet of its own, not trained; only runs whose "
            "candidates were trained can be merged"
        )
    for fact in SAME:
        one, two = (_comparable(store, fact) for store in (first, other))
        if one != two:
            hint = " (other images, or split by another --seed)" if fact == "data" else ""
            raise StoreError(
                f"{other.folder} has another {fact} than {first.folder}{hint}: {two}, there {one}; only runs "
                "of the same problem can be merged"
            )


def _comparable(store: Store, fact: str) -> Any:
    value = store.meta(fact)
    if fact == "data":
        return {key: (value or {}).get(key) for key in ("name", "fingerprint")}
    if fact == "device":
        return {key: (value or {}).get(key) for key in ("id", "runtime")}
    return value


def _take_over(store: Store, source: Store) -> dict[str, Any]:
    taken = store.take_over(source)
    with storage_errors(store.folder):
        for old, new in taken.items():
            weights = source.weights_path(old)
            if weights.exists():
                store.weights_path(new).parent.mkdir(exist_ok=True)
                shutil.copyfile(weights, store.weights_path(new))
    return {"run": str(source.folder), "seed": source.meta("seed"), "trials": taken}


def _describe(store: Store, sources: Sequence[Store], origins: Sequence[dict[str, Any]]) -> None:
    facts = {name: value for name in KEPT if (value := sources[0].meta(name)) is not None}
    refusals: dict[str, int] = {}
    used = [source for source, origin in zip(sources, origins, strict=True) if origin["trials"]]
    for source in used:
        for metric, number in source.refusals().items():
            refusals[metric] = refusals.get(metric, 0) + number
    store.set_refusals(refusals)
    seconds = sum(float(source.meta("elapsed_seconds", 0.0)) for source in used)
    if facts.get("config"):
        config = config_from(facts["config"])
        with storage_errors(store.folder):
            (store.folder / "config.toml").write_text(config.to_toml(), encoding="utf-8")
    store.set_meta(**facts, origins=list(origins), elapsed_seconds=seconds, status="retraining")
