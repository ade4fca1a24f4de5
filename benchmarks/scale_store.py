"""Makes a run folder of so many finished trials: real networks of the space ``micro``, made-up accuracies."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from edgenas.arch.space import SPACES
from edgenas.arch.spec import ArchSpec
from edgenas.profile.device import load_device
from edgenas.profile.sources import cost_source
from edgenas.search.objective import Constraint
from edgenas.search.problem import Problem
from edgenas.store import Store

OBJECTIVES = ("val_error", "latency_ms")
BUDGET = Constraint("peak_ram_bytes", 48 * 1024)


def make_problem() -> Problem:
    space = SPACES.get("micro")((8, 8, 1), 10)
    return Problem(space, cost_source(load_device("host")), (BUDGET,), OBJECTIVES)


def fill(folder: Path, trials: int) -> None:
    """Write the run; each trial has 12 epochs and its cost operation by operation."""
    with Store.create(folder) as store:
        store.set_meta(
            status="searching", objectives=list(OBJECTIVES), space="micro", seed=0, elapsed_seconds=0.0,
            constraints=[{"metric": BUDGET.metric, "limit": BUDGET.limit}],
            data={"name": "made up", "fingerprint": "0", "train": 1, "validation": 1, "test": 1,
                  "class_names": [str(k) for k in range(10)], "input_shape": [8, 8, 1], "warnings": []},
        )  # fmt: skip
        with store._write() as connection:
            connection.executemany(
                "INSERT INTO trials (position, trial_id, arch_id, spec, cost, recipe, result, status, "
                "started, finished, fidelity) VALUES (?, ?, ?, ?, ?, ?, ?, 'completed', 0, 5, 1)",
                _rows(make_problem(), trials),
            )


def _rows(problem: Problem, trials: int) -> Iterator[tuple[object, ...]]:
    rng = np.random.default_rng(0)
    recipe = json.dumps({"epochs": 12, "images_per_epoch": 1000, "batch_size": 128, "seed": 0})
    for position, spec in enumerate(_networks(problem, rng, trials)):
        cost = problem.cost_of(spec, per_op=True)
        accuracy = float(np.clip(0.98 - 0.5 / np.log10(cost.macs) + rng.normal(0, 0.02), 0.05, 0.999))
        curve = [
            {"loss": 0.5, "accuracy": accuracy * k / 12, "val_loss": 0.51, "val_accuracy": accuracy * k / 12}
            for k in range(1, 13)
        ]
        result = {
            "val_accuracy": accuracy, "val_loss": 0.5, "train_accuracy": accuracy, "epochs": 12,
            "stopped_early": False, "seconds": 5.0, "images_per_second": 4000.0, "history": curve,
        }  # fmt: skip
        texts = (json.dumps(spec.to_json()), json.dumps(cost.to_json()))
        yield position, f"{position:04d}", spec.arch_id, *texts, recipe, json.dumps(result)


def _networks(problem: Problem, rng: np.random.Generator, number: int) -> Iterator[ArchSpec]:
    known: set[str] = set()
    while len(known) < number:
        spec = problem.space.sample(rng)
        if spec.arch_id not in known:
            known.add(spec.arch_id)
            yield spec
