"""General multi-objective optimizers on a table: Optuna's samplers and pymoo's NSGA-II.

Each gets the six categorical choices and is told validation error and latency of what it trains. It
has spent a training whenever it asks for a cell that it has not had; a repeated cell costs nothing.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from tabular_space import NAMES, OPERATIONS, TableProblem

from edgenas.errors import UsageError
from edgenas.registry import unknown_name

POPULATION = 20
REPEATS = 20
"""Asks for a training after which a peer that only repeats itself is stopped."""

Tabular = tuple[float, float]


class Ledger:
    """What a peer has trained, in order; each cell once.

    Args:
        problem: The table.
        trainings: How many it may train.
    """

    def __init__(self, problem: TableProblem, trainings: int) -> None:
        self.problem = problem
        self.trainings = trainings
        self.rows: list[int] = []
        self._seen: set[int] = set()

    @property
    def done(self) -> bool:
        """Whether all trainings are spent."""
        return len(self.rows) >= self.trainings

    def evaluate(self, choices: dict[str, str]) -> Tabular:
        """Validation error and latency of a cell."""
        row = self.problem.row(self.problem.problem.space.from_choices(choices))
        if row not in self._seen and not self.done:
            self._seen.add(row)
            self.rows.append(row)
        table = self.problem.table
        return float(table.val_error[row]), float(table.latency_ms[row])


def _optuna(ledger: Ledger, sampler: Callable[[Any], Any]) -> None:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        study = optuna.create_study(directions=["minimize", "minimize"], sampler=sampler(optuna.samplers))
        for _ in range(REPEATS * ledger.trainings):
            if ledger.done:
                return
            trial = study.ask()
            study.tell(
                trial, ledger.evaluate({name: trial.suggest_categorical(name, OPERATIONS) for name in NAMES})
            )


def optuna_tpe(ledger: Ledger, seed: int) -> None:
    """Tree-structured Parzen estimator, multivariate (Watanabe 2023)."""
    _optuna(ledger, lambda samplers: samplers.TPESampler(multivariate=True, seed=seed))


def optuna_nsga2(ledger: Ledger, seed: int) -> None:
    """NSGA-II with a population of 20 (Optuna's 50 would be one generation of the smallest budgets)."""
    _optuna(ledger, lambda samplers: samplers.NSGAIISampler(population_size=POPULATION, seed=seed))


def optuna_gp(ledger: Ledger, seed: int) -> None:
    """Gaussian processes with expected hypervolume improvement; needs the package torch."""
    _optuna(ledger, lambda samplers: samplers.GPSampler(seed=seed))


def pymoo_nsga2(ledger: Ledger, seed: int) -> None:
    """pymoo's NSGA-II on categorical variables, population of 20."""
    from pymoo.algorithms.moo.nsga2 import RankAndCrowdingSurvival
    from pymoo.core.mixed import MixedVariableGA
    from pymoo.core.problem import ElementwiseProblem
    from pymoo.core.variable import Choice

    class Cells(ElementwiseProblem):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(vars={name: Choice(options=list(OPERATIONS)) for name in NAMES}, n_obj=2)

        def _evaluate(self, x: dict[str, str], out: dict[str, Any], *args: Any, **kwargs: Any) -> None:
            out["F"] = ledger.evaluate(x)

    algorithm = MixedVariableGA(pop_size=POPULATION, survival=RankAndCrowdingSurvival())
    algorithm.setup(Cells(), seed=seed, verbose=False)
    for _ in range(REPEATS * ledger.trainings // POPULATION):
        if ledger.done:
            return
        algorithm.next()


def random(ledger: Ledger, seed: int) -> None:
    """Uniform cells without repeats."""
    rng = np.random.default_rng(seed)
    while not ledger.done:
        ledger.evaluate({name: OPERATIONS[int(rng.integers(len(OPERATIONS)))] for name in NAMES})


PEERS: dict[str, Callable[[Ledger, int], None]] = {
    "random": random,
    "optuna-tpe": optuna_tpe,
    "optuna-nsga2": optuna_nsga2,
    "optuna-gp": optuna_gp,
    "pymoo-nsga2": pymoo_nsga2,
}


def run_peer(name: str, problem: TableProblem, trainings: int, seed: int) -> list[int]:
    """Rows of the table that a peer trains, in order.

    Raises:
        UnknownNameError: There is no such peer.
        UsageError: Its package is not installed.
    """
    if name not in PEERS:
        raise unknown_name("peer", name, PEERS)
    ledger = Ledger(problem, trainings)
    try:
        PEERS[name](ledger, seed)
    except ImportError as missing:
        raise UsageError(
            f"peer '{name}' was given, but {missing.name} is not installed; pip install 'edgenas[peers]'"
        ) from missing
    return ledger.rows
