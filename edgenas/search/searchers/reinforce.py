"""REINFORCE, Williams 1992: a policy over a space's choices (Zoph and Le 2017), MnasNet's reward."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from edgenas.arch.chooser import RecordingChooser, ReplayChooser
from edgenas.arch.spec import ArchSpec, Value
from edgenas.search.problem import Problem
from edgenas.search.searcher import SEARCHERS, Observation, Searcher

RATE = 0.6
"""Step of the policy along the gradient, for an advantage of one standard deviation."""

SOFT_EXPONENT = -0.07
"""MnasNet's: a network of twice the cost may have 5 % less accuracy (Tan et al. 2019)."""

MEMORY = 0.9
"""Share of the moving mean and spread of rewards that a result leaves as it is."""

LEAST_PROBABILITY = 0.02
"""Share of uniform draws that keeps every option alive."""

Logits = dict[str, dict[Value, float]]


class PolicyChooser(RecordingChooser):
    """Draws each decision from a softmax over its options; options never seen have logit 0."""

    def __init__(self, logits: Logits, rng: np.random.Generator) -> None:
        super().__init__()
        self.logits = logits
        self.rng = rng

    def pick(self, name: str, options: tuple[Value, ...]) -> Value:
        """One option, by its probability."""
        return options[
            int(self.rng.choice(len(options), p=probabilities(self.logits.get(name, {}), options)))
        ]


def probabilities(logits: dict[Value, float], options: Sequence[Value]) -> np.ndarray:
    """Softmax of the options' logits, with a small share of uniform draws."""
    values = np.array([logits.get(option, 0.0) for option in options])
    exponents = np.exp(values - values.max())
    uniform = LEAST_PROBABILITY
    return np.asarray((1 - uniform) * exponents / exponents.sum() + uniform / len(options))


@SEARCHERS.register("reinforce")
class ReinforceSearcher(Searcher):
    """Each choice has a categorical policy that moves towards decisions of more reward than usual.

    The reward is ``accuracy * product((cost / target) ** -0.07)`` over the objectives' costs; a target
    is the budget of that cost, else its cost in the first result. A failed training has reward 0.
    The policy is a function of the results in their order.
    """

    def __init__(self, problem: Problem, seed: int = 0) -> None:
        super().__init__(problem, seed)
        self._logits: Logits = {}
        self._targets: tuple[float, ...] = ()
        self._usual: float | None = None
        self._spread = 0.0

    def propose(self, rng: np.random.Generator) -> ArchSpec:
        """A spec drawn from the policy."""
        return self.problem.space.decide(PolicyChooser(self._logits, rng))

    def tell(self, observation: Observation) -> None:
        """Move the policy."""
        super().tell(observation)
        reward = self.reward(observation)
        if self._usual is None:
            self._usual = reward
        away = reward - self._usual
        self._spread = MEMORY * self._spread + (1 - MEMORY) * abs(away)
        self._usual = MEMORY * self._usual + (1 - MEMORY) * reward
        if self._spread > 0 and observation.candidate.spec.choices:
            self._move(observation.candidate.spec, float(np.clip(away / self._spread, -3.0, 3.0)))

    def reward(self, observation: Observation) -> float:
        """MnasNet's reward of a result."""
        point = observation.point
        if point is None or not np.isfinite(point).all():
            return 0.0
        self._targets = self._targets or self._targets_from(point[1:])
        costs = zip(point[1:], self._targets, strict=True)
        soft = prod((max(cost, 1e-12) / max(target, 1e-12)) ** SOFT_EXPONENT for cost, target in costs)
        return float(max(0.0, 1.0 - point[0]) * soft)

    def _targets_from(self, costs: Sequence[float]) -> tuple[float, ...]:
        limits = {constraint.metric: constraint.limit for constraint in self.problem.constraints}
        names = self.problem.objectives[1:]
        return tuple(limits.get(name, cost) for name, cost in zip(names, costs, strict=True))

    def _move(self, spec: ArchSpec, advantage: float) -> None:
        replay = ReplayChooser(spec.choices)
        self.problem.space.decide(replay)
        for name, options in replay.options.items():
            logits = self._logits.setdefault(name, {})
            shares = probabilities(logits, options)
            for option, share in zip(options, shares, strict=True):
                gradient = float(option == spec.choices[name]) - float(share)
                logits[option] = logits.get(option, 0.0) + RATE * advantage * gradient
