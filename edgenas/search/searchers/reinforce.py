"""REINFORCE, Williams 1992: a policy over a space's choices (Zoph and Le 2017), MnasNet's reward."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod

import numpy as np

from edgenas.arch.chooser import RecordingChooser, ReplayChooser
from edgenas.arch.spec import ArchSpec, Value
from edgenas.search.problem import Problem
from edgenas.search.searcher import SEARCHERS, Observation, Searcher

RATE = 0.15
"""Step of a policy along the gradient, for an advantage of the usual size."""

SOFT_EXPONENTS = (0.0, -0.07, -0.25)
"""MnasNet's -0.07: a network of twice the cost may have 5 % less accuracy (Tan et al. 2019)."""

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


@dataclass
class Policy:
    """A categorical policy for each choice, and what rewards are usual for it.

    Attributes:
        exponent: Of the costs in its reward.
        logits: By choice and option.
        usual: Moving mean of the rewards, None before the first.
        spread: Moving mean of their distance from it.
    """

    exponent: float
    logits: Logits = field(default_factory=dict)
    usual: float | None = None
    spread: float = 0.0

    def learn(
        self, reward: float, choices: Mapping[str, Value], options: Mapping[str, Sequence[Value]]
    ) -> None:
        """Move towards decisions of more reward than usual."""
        usual = reward if self.usual is None else self.usual
        self.spread = MEMORY * self.spread + (1 - MEMORY) * abs(reward - usual)
        self.usual = MEMORY * usual + (1 - MEMORY) * reward
        if self.spread == 0:
            return
        advantage = float(np.clip((reward - usual) / self.spread, -3.0, 3.0))
        for name, known in options.items():
            logits = self.logits.setdefault(name, {})
            for option, share in zip(known, probabilities(logits, known), strict=True):
                gradient = float(option == choices[name]) - float(share)
                logits[option] = logits.get(option, 0.0) + RATE * advantage * gradient


BOUNDED = ("classification", "anomaly")
"""Tasks whose error is at most 1."""


@SEARCHERS.register("reinforce")
class ReinforceSearcher(Searcher):
    """Policies in turn, each with its own exponent, draw candidates; all learn from all results.

    The reward is ``accuracy * product((cost / target) ** exponent)`` over the objectives' costs (where the
    error of a task can be above 1, ``1 / (1 + error)`` stands for the accuracy), with
    MnasNet's exponent and ones below and above it, since one exponent leads to one place on the
    front. A target is the budget of that cost, else its cost in the first result. A failed training
    has reward 0. The policies are a function of the results in their order.
    """

    def __init__(self, problem: Problem, seed: int = 0) -> None:
        super().__init__(problem, seed)
        self._policies = [Policy(exponent) for exponent in SOFT_EXPONENTS]
        self._targets: tuple[float, ...] = ()

    def propose(self, rng: np.random.Generator) -> ArchSpec:
        """A spec drawn from the policy whose turn it is."""
        policy = self._policies[len(self._asked) % len(self._policies)]
        return self.problem.space.decide(PolicyChooser(policy.logits, rng))

    def tell(self, observation: Observation) -> None:
        """Move the policies."""
        super().tell(observation)
        choices = observation.candidate.spec.choices
        replay = ReplayChooser(choices)
        self.problem.space.decide(replay)
        for policy in self._policies:
            policy.learn(self._reward(observation, policy.exponent), choices, replay.options)

    def _reward(self, observation: Observation, exponent: float) -> float:
        """MnasNet's reward of a result."""
        point = observation.point
        if point is None or not np.isfinite(point).all():
            return 0.0
        self._targets = self._targets or self._targets_from(point[1:])
        costs = zip(point[1:], self._targets, strict=True)
        soft = prod((max(cost, 1e-12) / max(target, 1e-12)) ** exponent for cost, target in costs)
        bounded = self.problem.task in BOUNDED
        worth = max(0.0, 1.0 - point[0]) if bounded else 1.0 / (1.0 + max(0.0, point[0]))
        return float(worth * soft)

    def _targets_from(self, costs: Sequence[float]) -> tuple[float, ...]:
        limits = {constraint.metric: constraint.limit for constraint in self.problem.constraints}
        names = self.problem.objectives[1:]
        return tuple(limits.get(name, cost) for name, cost in zip(names, costs, strict=True))
