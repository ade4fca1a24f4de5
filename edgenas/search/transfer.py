"""Transfer: what an earlier run learned, for a search on the same space with other data or another device.

Costs are computed anew for the device of this search, so only errors are carried over. The networks
that would be this search's front if errors were as before are trained first; a surrogate further
learns the difference to the earlier errors instead of starting from nothing (a mean function from
the earlier task, in the way of stacked Gaussian processes, Golovin et al. 2017, "Google Vizier").
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import takewhile
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from edgenas.arch.chooser import ReplayChooser
from edgenas.arch.spec import ArchSpec, Value
from edgenas.errors import ConfigError
from edgenas.records import TrialRecord, by_fidelity, comparable
from edgenas.search.pareto import greedy_order, hypervolume, ranks, unit_square
from edgenas.search.plan import learned_rows
from edgenas.search.problem import Candidate, Problem
from edgenas.search.results import trial_point
from edgenas.store import Store
from edgenas.task import CLASSIFICATION

SEEDS = 8
"""Networks of an earlier run that are trained first, at most."""

FEWEST = 5
"""Results that an earlier run must have."""

MOST = 400
"""Results of an earlier run that are learned from, at most."""


def knowledge_of(folder: Path) -> dict[str, Any]:
    """What a run has learned, as a plain document; a search keeps it, so the run may be removed.

    Raises:
        StoreError: The folder holds no run.
        ConfigError: The run has too few results.
    """
    with Store.read(folder) as store:
        rungs = by_fidelity(store.outcomes())
        data = store.meta("data") or {}
        device = store.meta("device") or {}
    trials = next((rung for rung in rungs if len(rung) >= FEWEST), [])
    if not trials:
        raise ConfigError(
            f"{folder} has {max(map(len, rungs), default=0)} trained networks to learn from; expected "
            f"{FEWEST} or more: let it go on with 'edgenas resume', or search without --warm-start"
        )
    return {
        "run": str(folder),
        "space": trials[0].spec.space,
        "data": data.get("name"),
        "fingerprint": data.get("fingerprint"),
        "device": device.get("id"),
        "task": data.get("task", CLASSIFICATION.to_json())["name"],
        "trials": [[dict(trial.spec.choices), trial.val_error] for trial in trials],
    }


class Earlier:
    """An earlier run as this search sees it.

    Args:
        knowledge: What `knowledge_of` returned.
        problem: What is searched now.

    Attributes:
        specs: Its networks, in this search's space and in the order in which they were trained.
        errors: Their validation errors there, shape (n,).
        points: Those errors with the costs of this search, shape (n, objectives).
        seeds: What to train first, worthiest first; all within the budgets.

    Raises:
        ConfigError: It searched another space, or for another task.
    """

    def __init__(self, knowledge: Mapping[str, Any], problem: Problem) -> None:
        if knowledge["space"] != problem.space.name:
            raise ConfigError(
                f"{knowledge['run']} searched space '{knowledge['space']}', this search "
                f"'{problem.space.name}'; expected a run of the same space for --warm-start"
            )
        if (task := knowledge.get("task", CLASSIFICATION.name)) != problem.task:
            raise ConfigError(
                f"{knowledge['run']} was a search for {task}, this one is for {problem.task}, whose "
                "errors mean "
                "something else; expected a run of the same task for --warm-start"
            )
        self.run = str(knowledge["run"])
        trials = knowledge["trials"]
        self.specs = [adapted(choices, problem, position) for position, (choices, _) in enumerate(trials)]
        self.errors = np.array([error for _, error in trials], dtype=float)
        candidates = [problem.candidate(spec) for spec in self.specs]
        self.points = np.array(
            [problem.point(one, error) for one, error in zip(candidates, self.errors, strict=True)]
        )
        self.seeds = [self.specs[row] for row in self._worthiest(candidates, problem)]

    def _worthiest(self, candidates: Sequence[Candidate], problem: Problem) -> list[int]:
        fit = [row for row, candidate in enumerate(candidates) if not problem.violated(candidate.cost)]
        if not fit:
            return []
        front = [fit[row] for row in np.flatnonzero(ranks(self.points[fit]) == 0)]
        return [front[position] for position in greedy_order(self.points[front], SEEDS)]

    def learned_from(self) -> tuple[list[ArchSpec], np.ndarray]:
        """Networks and errors that a surrogate learns from: all, or the fronts and an even rest."""
        rows = learned_rows(self.points, MOST)
        return [self.specs[row] for row in rows], self.errors[rows]


class AdaptingChooser(ReplayChooser):
    """Repeats decisions of another space of the same kind; where an option is missing, the nearest one."""

    def pick(self, name: str, options: tuple[Value, ...]) -> Value:
        """The known decision, the number nearest to it, or a random one."""
        known = self.known.get(name)
        if known in options or known is None or isinstance(known, str):
            return super().pick(name, options) if known in options else self._random(options)
        numbers = [option for option in options if isinstance(option, (int, float))]
        return min(numbers, key=lambda option: abs(option - known)) if numbers else self._random(options)

    def _random(self, options: tuple[Value, ...]) -> Value:
        assert self.rng is not None
        return options[int(self.rng.integers(len(options)))]


def adapted(choices: Mapping[str, Value], problem: Problem, seed: int) -> ArchSpec:
    """A network of an earlier run in this search's space, which may have other input sizes."""
    return problem.space.decide(AdaptingChooser(choices, np.random.default_rng(seed)))


def gained(earlier: Earlier, problem: Problem, trials: Sequence[TrialRecord]) -> dict[str, Any]:
    """What an earlier run brought to a search that has ended.

    Returns:
        ``seeds`` trained first, the ``share`` of the search's hypervolume that they reached, and how
        many trainings the earlier run ``needed`` for as much of its own; ``correlation`` (Spearman) of
        the earlier errors with those here, over the networks that both trained, None below five.
    """
    done = comparable(trials)
    names = {spec.arch_id for spec in earlier.seeds}
    seeds = sum(1 for _ in takewhile(lambda trial: trial.spec.arch_id in names, done))
    if any(trial.fidelity < 1 for trial in trials):  # full trainings then come in the order of promotion
        seeds = 0
    before = {spec.arch_id: error for spec, error in zip(earlier.specs, earlier.errors, strict=True)}
    both = [(before[trial.spec.arch_id], trial.val_error) for trial in done if trial.spec.arch_id in before]
    correlation = float(spearmanr(*np.array(both, dtype=float).T)[0]) if len(both) >= FEWEST else None
    if correlation is not None and not isfinite(correlation):
        correlation = None
    document = {"seeds": seeds, "share": None, "needed": None, "correlation": correlation}
    if seeds:
        here = shares(np.array([trial_point(problem, trial) for trial in done]))
        there = shares(earlier.points)
        document["share"] = round(float(here[seeds - 1]), 4)
        document["needed"] = int(np.argmax(there >= here[seeds - 1])) + 1
    return document


def shares(points: np.ndarray) -> np.ndarray:
    """Hypervolume after 1, 2 ... points over that of all, in the square that they span; shape (n,)."""
    scaled = unit_square(points)
    reference = np.full(points.shape[1], 1.0 + 1e-3)
    volumes = [hypervolume(scaled[:done], reference) for done in range(1, len(points) + 1)]
    return np.asarray(np.array(volumes) / volumes[-1])
