"""Any sampler of Optuna (Akiba et al. 2019) as a searcher; needs the extra ``optuna``."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np

from edgenas.arch.chooser import ReplayChooser, V
from edgenas.arch.spec import ArchSpec, Value
from edgenas.errors import UsageError
from edgenas.search.problem import Problem
from edgenas.search.searcher import SEARCHERS, Observation, Searcher


class OptunaChooser:
    """Asks an Optuna trial for the decisions of a space."""

    def __init__(self, trial: Any) -> None:
        self.trial = trial
        self.values: dict[str, Value] = {}

    def choice(self, name: str, options: Sequence[V]) -> V:
        """One of ``options``, suggested as a categorical parameter of that name."""
        self.values[name] = self.trial.suggest_categorical(name, tuple(options))
        return cast(V, self.values[name])

    def int(self, name: str, low: int, high: int) -> int:
        """A whole number from ``low`` to ``high``, both included."""
        return self.choice(name, range(low, high + 1))

    def flag(self, name: str) -> bool:
        """True or False."""
        return self.choice(name, (False, True))


@SEARCHERS.register("optuna")
class OptunaSearcher(Searcher):
    """Asks a sampler of Optuna; multivariate TPE (Watanabe 2023) unless another is given.

    The sampler is made anew with a seed for each ask, and every result is given to it as a trial
    with those parameters, so a resumed search goes on as if it had not stopped.

    Args:
        problem: What is searched.
        seed: One seed gives one sequence of candidates for one sequence of results.
        sampler: Makes a sampler from a seed, for example ``lambda seed: NSGAIISampler(seed=seed)``.

    Raises:
        UsageError: Optuna is not installed.
    """

    def __init__(self, problem: Problem, seed: int = 0, sampler: Callable[[int], Any] | None = None) -> None:
        super().__init__(problem, seed)
        try:
            import optuna
        except ImportError:
            raise UsageError(
                "searcher 'optuna' was given, but the package optuna is not installed; "
                "pip install 'edgenas[optuna]'"
            ) from None
        self._optuna = optuna
        self._make = sampler or self._parzen
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._study = optuna.create_study(
            directions=["minimize"] * len(problem.objectives), sampler=self._make(seed)
        )
        self._replayed = 0

    def propose(self, rng: np.random.Generator) -> ArchSpec:
        """What the sampler suggests after all results, or a neighbour if that is known."""
        while self._replayed < len(self.observations):
            self._replay(self.observations[self._replayed], self._replayed)
            self._replayed += 1
        self._study.sampler = self._make(int(rng.integers(2**31)))
        trial = self._study.ask()
        spec = self.problem.space.decide(OptunaChooser(trial))
        self._study.tell(
            trial, state=self._optuna.trial.TrialState.FAIL
        )  # only results count, and they are replayed
        return self.problem.space.mutate(spec, rng) if spec.arch_id in self._asked else spec

    def _parzen(self, seed: int) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", self._optuna.exceptions.ExperimentalWarning)
            return self._optuna.samplers.TPESampler(multivariate=True, seed=seed)

    def _replay(self, observation: Observation, number: int) -> None:
        point = observation.point
        if point is None or not np.isfinite(point).all():
            return
        choices = dict(observation.candidate.spec.choices)
        self._study.sampler = self._make(int(np.random.default_rng([self.seed, number, 4]).integers(2**31)))
        if self._has_generations():  # such a sampler must be asked, or the result belongs to none
            self._study.enqueue_trial(choices)
            trial = self._study.ask()
            self.problem.space.decide(OptunaChooser(trial))
            self._study.tell(trial, list(point))
            return
        replay = ReplayChooser(choices)
        self.problem.space.decide(replay)
        distributions = {
            name: self._optuna.distributions.CategoricalDistribution(options)
            for name, options in replay.options.items()
        }
        self._study.add_trial(
            self._optuna.trial.create_trial(
                params={name: choices[name] for name in distributions},
                distributions=distributions,
                values=list(point),
            )
        )

    def _has_generations(self) -> bool:
        samplers = self._optuna.samplers
        return isinstance(self._study.sampler, (samplers.NSGAIISampler, samplers.NSGAIIISampler))
