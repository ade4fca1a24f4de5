"""ModelledSearcher: what the surrogate-based searchers share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager
from functools import cache
from math import isnan

import numpy as np
from threadpoolctl import ThreadpoolController

from edgenas.arch.spec import ArchSpec
from edgenas.search.plan import Fits, Plan
from edgenas.search.pool import Pool, error_of
from edgenas.search.problem import Problem
from edgenas.search.searcher import Observation, Searcher
from edgenas.search.transfer import Earlier
from edgenas.search.trend import Trend

FEWEST_LONG = 3
"""Longer trainings before a model chooses whom to give one."""

FOUNDERS = 10
"""Results before the surrogate chooses."""


@cache
def _libraries() -> ThreadpoolController:
    """The libraries of linear algebra; to look for them takes 3 ms."""
    return ThreadpoolController()


def one_thread() -> AbstractContextManager[None]:
    """Linear algebra on one thread; more slow small matrices down."""
    limited: AbstractContextManager[None] = _libraries().limit(limits=1, user_api="blas")
    return limited


class ModelledSearcher(Searcher):
    """Chooses from a pool by expected gain of hypervolume under Gaussian processes.

    Trainings that are still going on count at their expected result (Ginsbourger et al. 2010),
    which keeps a batch diverse. A failed training counts as the worst error seen. Where more than four
    trainings go on at a time, the surrogate is made anew only after each second result, fourth, eighth and so
    on: a quarter to a half of their number. It serves from the result after that one on, so that it can be
    made before anybody waits for it. The results in between, failures too, count at what was expected of
    them until then. With 64 workers that is a tenth of the work for each candidate.

    Attributes:
        learns_costs: Whether costs are modelled like the error, or taken as they are.
        sees_graph: Whether the network's graph is among the features, or the decisions alone.
    """

    learns_costs: bool
    sees_graph: bool

    def __init__(self, problem: Problem, seed: int = 0) -> None:
        super().__init__(problem, seed)
        self._pool = Pool(problem, seed, sees_graph=self.sees_graph)
        self._fits = Fits()
        self._awaited: dict[str, ArchSpec] = {}
        self._most_awaited = 0
        self._plan: Plan | None = None
        self._succeeded = 0
        self._failed_first = 0  # results before the first success
        self._counted = -1
        self._trend: Trend | None = None

    def learn_from(self, earlier: Earlier) -> None:
        """Begin with an earlier run's front, and with what its results say of all networks."""
        super().learn_from(earlier)
        specs, errors = earlier.learned_from()
        self._trend = Trend(self._pool.features(specs), errors)

    def note_asked(self, spec: ArchSpec, fidelity: float = 1.0) -> None:
        """Count a spec as asked and as awaited."""
        super().note_asked(spec, fidelity)
        self._counted = len(self.observations)
        self._awaited[spec.arch_id] = spec
        self._most_awaited = max(self._most_awaited, len(self._awaited))

    def tell(self, observation: Observation) -> None:
        """Take note of a result."""
        super().tell(observation)
        self._awaited.pop(observation.candidate.spec.arch_id, None)
        failed = isnan(error_of(observation))
        self._failed_first += failed and not self._succeeded
        self._succeeded += not failed

    def propose(self, rng: np.random.Generator) -> ArchSpec:
        """The candidate of the largest expected gain, or one of the founders."""
        with one_thread():
            chosen = self.founder(rng) if self._succeeded < self._founders() else self._planned()
        if self._counted < len(self.observations):  # what the pool refused since the last ask
            before = self._learned_from(self._counted) if self._counted >= 0 else self._counted
            self.refused.update(self._pool.refused(before))
            self._counted = len(self.observations)
        return chosen or self.problem.space.sample(rng)

    def promote(
        self,
        short: Sequence[Observation],
        longer: Sequence[Observation],
        awaited: Sequence[ArchSpec],
    ) -> ArchSpec | None:
        """The one of some shortly trained candidates that gains most by a longer training.

        The short trainings give the trend of the long ones, which learn the difference to it (the
        autoregressive model of Kennedy and O'Hagan 2000).

        Returns:
            None while too few had the longer training, or if none is left.
        """
        known = [result for result in short if not isnan(error_of(result))]
        begun = {result.candidate.spec.arch_id for result in longer} | {spec.arch_id for spec in awaited}
        waiting = [result.candidate for result in known if result.candidate.spec.arch_id not in begun]
        if sum(not isnan(error_of(result)) for result in longer) < FEWEST_LONG or not waiting:
            return None
        with one_thread():
            features = self._pool.features([result.candidate.spec for result in known])
            trend = Trend(features, np.array([error_of(result) for result in known]))
            members = self._pool.members(waiting)
            plan = Plan(self._pool, longer, (), Fits(), trend=trend, members=members)
            plan.await_results(awaited)
            return plan.best(frozenset())

    def look_ahead(self) -> None:
        """Make the surrogate for the next proposal, if it does not wait for the result before that."""
        if self._step() == 1:
            return
        with one_thread():
            if self._succeeded < self._founders():
                self._pool.base_features()
            else:
                self._plan_for(len(self.observations) + 1)

    def _founders(self) -> int:
        return 1 if self._trend else FOUNDERS

    def _step(self) -> int:
        """Results from one surrogate to the next."""
        others = max(0, self._most_awaited - 2)  # without this one, and the one whose result is next
        return 1 << max(0, others.bit_length() - 2)

    def _planned(self) -> ArchSpec | None:
        return self._plan_for(len(self.observations)).best(self._asked)

    def _learned_from(self, results: int) -> int:
        """How many of so many results, the last of which need not have come yet, a proposal learns from."""
        step = self._step()
        known = results if step == 1 else max(0, results - 1) // step * step
        return known if known > self._failed_first else len(self.observations)  # else nothing to learn from

    def _plan_for(self, results: int) -> Plan:
        """The plan for a proposal after so many results, the last of which need not have come yet."""
        known = self._learned_from(results)
        if self._plan is None or self._plan.results != known:
            self._plan = Plan(
                self._pool,
                self.observations[:known],
                self._asked,
                self._fits,
                learns_costs=self.learns_costs,
                trend=self._trend,
                step=self._step(),
            )
        late = [result.candidate.spec for result in self.observations[known:]]
        try:
            self._plan.await_results([*late, *self._awaited.values()])
        except BaseException:
            self._plan = None  # it may have taken in some of them
            raise
        return self._plan

    @abstractmethod
    def founder(self, rng: np.random.Generator) -> ArchSpec | None:
        """A candidate for the time before the surrogate can choose; None leaves it to chance."""
