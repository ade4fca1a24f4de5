"""What a gradient search works towards: a cost to meet, budgets to keep, a distribution that learns.

The cost asked for is an equality on its expectation, budgets are inequalities; both have multipliers that
are raised as long as they are violated (augmented Lagrangian, Hestenes 1969, Powell 1969), so that nobody
chooses a weighting factor. numpy only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from edgenas.oneshot.gradient_cost import Expected, Probabilities
from edgenas.oneshot.gradient_gates import softmax, through
from edgenas.oneshot.gradient_space import Selection, Skeleton

AIM = 0.975
"""Share of the target that the expectation is brought to: a derived network may have 0.95 to 1."""

STIFFNESS = 8.0
"""Weight of a violation itself, beside its multiplier."""

DUAL_TRAVEL = 40.0
"""How far a multiplier goes in a whole search for a violation of 100 %."""

TRAVEL = 10.0
"""How far a logit can go in a whole search: Adam's step is about its learning rate."""

LONGEST_STEP, LONGEST_DUAL_STEP = 0.2, 0.6
"""Most that a logit, and a multiplier for a violation of 100 %, move in a step: of a search of few steps
the distribution stays near where it began instead of jumping."""

_BETAS, _EPSILON = (0.5, 0.999), 1e-8  # Adam of DARTS (Liu et al. 2019)


@dataclass(frozen=True)
class Goal:
    """What derived networks must cost.

    Attributes:
        metric: The cost that is worked to.
        target: Its value; derived networks have 95 to 100 % of it.
        limits: (metric, most) of the budgets.
    """

    metric: str
    target: float
    limits: tuple[tuple[str, float], ...] = ()

    @property
    def metrics(self) -> tuple[str, ...]:
        """All costs that count."""
        return tuple(dict.fromkeys((self.metric, *(metric for metric, _ in self.limits))))


@dataclass
class Distribution:
    """The distribution over the networks of a skeleton, and how it learns.

    Attributes:
        logits: One array for each decision.
        multipliers: Of the target and of each budget, in the order of the goal.
        means: Adam's first moments.
        squares: Adam's second moments.
        steps: Steps so far.
    """

    logits: list[np.ndarray]
    multipliers: np.ndarray
    means: list[np.ndarray] = field(default_factory=list)
    squares: list[np.ndarray] = field(default_factory=list)
    steps: int = 0

    def __post_init__(self) -> None:
        self.means = self.means or [np.zeros(len(part)) for part in self.logits]
        self.squares = self.squares or [np.zeros(len(part)) for part in self.logits]

    @property
    def probabilities(self) -> list[np.ndarray]:
        """Of the options of each decision."""
        return [softmax(part) for part in self.logits]

    @property
    def mode(self) -> Selection:
        """The most likely network."""
        return tuple(int(part.argmax()) for part in self.logits)

    @property
    def entropy(self) -> float:
        """Mean entropy of the decisions as a share of the largest possible; 1 is uniform."""
        shares = [
            -float(part @ np.log(part + 1e-12)) / np.log(len(part))
            for part in self.probabilities
            if len(part) > 1
        ]
        return float(np.mean(shares)) if shares else 0.0

    def step(self, slopes: Sequence[np.ndarray], rate: float) -> None:
        """One step of Adam against a gradient.

        Args:
            slopes: Derivatives after the logits.
            rate: Length of the step.
        """
        self.steps += 1
        low, high = _BETAS
        for at, slope in enumerate(slopes):
            self.means[at] = low * self.means[at] + (1 - low) * slope
            self.squares[at] = high * self.squares[at] + (1 - high) * slope**2
            mean = self.means[at] / (1 - low**self.steps)
            square = self.squares[at] / (1 - high**self.steps)
            self.logits[at] = self.logits[at] - rate * mean / (np.sqrt(square) + _EPSILON)


def rate_at(step: int, steps: int) -> float:
    """Learning rate of the logits: smaller at the end, so that they settle.

    Args:
        step: Steps done.
        steps: Of the whole search.
    """
    return min(LONGEST_STEP, TRAVEL / steps) * (1.6 - 1.5 * step / steps)


def balanced(skeleton: Skeleton, cost: Expected, target: float) -> list[np.ndarray]:
    """Logits to begin with: as even as they can be while the expectation of a cost is its target.

    An option's logit falls with what it adds to the cost; how steeply is found by bisection.

    Args:
        skeleton: Whose decisions they are of.
        cost: The cost that is worked to.
        target: Its value.
    """
    even = [np.full(len(decision.options), 1 / len(decision.options)) for decision in skeleton.decisions]
    mean, slopes = cost.expectation(even)
    adds = [(slope - slope.mean()) / mean for slope in slopes]
    low, high = -50.0, 50.0
    for _ in range(40):
        middle = (low + high) / 2
        expected = cost.expectation([softmax(-middle * part) for part in adds])[0]
        low, high = (middle, high) if expected > AIM * target else (low, middle)
    return [-(low + high) / 2 * part for part in adds]


def cost_slopes(
    goal: Goal, costs: Mapping[str, Expected], distribution: Distribution, steps: int
) -> tuple[list[np.ndarray], float]:
    """Derivatives of the cost terms after the logits; moves the multipliers.

    Args:
        goal: Target and budgets.
        costs: By metric.
        distribution: Whose probabilities count.
        steps: Of the whole search, which says how fast multipliers move.

    Returns:
        One array for each decision, and the expected cost as a share of its target.
    """
    probabilities: Probabilities = distribution.probabilities
    bounds = ((goal.metric, AIM * goal.target), *goal.limits)
    total = [np.zeros(len(part)) for part in probabilities]
    reached = 0.0
    for at, (metric, bound) in enumerate(bounds):
        expected, slopes = costs[metric].expectation(probabilities)
        violation = expected / bound - 1.0
        raised = distribution.multipliers[at] + min(LONGEST_DUAL_STEP, DUAL_TRAVEL / steps) * violation
        weight = raised + STIFFNESS * violation
        if at:  # a budget only pulls where it is exceeded
            raised, weight = max(0.0, raised), max(0.0, weight)
        else:
            reached = expected / goal.target
        distribution.multipliers[at] = raised
        for sum_of, shares, slope in zip(total, probabilities, slopes, strict=True):
            sum_of += weight / bound * through(shares, slope)
    return total, reached
