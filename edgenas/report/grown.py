"""What would fit if a budget grew by a tenth, as a surrogate predicts it.

Networks that need more than a budget and less than 1.1 times it are looked for in the space, at
random and around the front. None was trained, so what they would come to is a prediction of the
Gaussian process that also steers the search (`edgenas.search.surrogate`), fitted to the results of
this run; it is asked only if it predicts those, each left out once, better than their mean does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from threadpoolctl import threadpool_limits

from edgenas.arch.space import SPACES, SearchSpace
from edgenas.arch.spec import ArchSpec
from edgenas.cost.types import Cost
from edgenas.errors import EdgenasError
from edgenas.profile.device import load_device
from edgenas.profile.sources import cost_source
from edgenas.profile.vela import VelaSource
from edgenas.report.importance import fenced
from edgenas.report.run import Run
from edgenas.search.features import Encoder, encoder_of
from edgenas.search.objective import Constraint, metric_value
from edgenas.search.problem import Candidate, Problem
from edgenas.search.surrogate import Groups, Posterior, fit_hyperparameters

GROWTH = 1.1
SAMPLES, NEIGHBOURS, PARENTS = 150, 10, 10
FEWEST, MOST = 15, 250
LEAST_FIT = 0.1
Z90 = 1.645


@dataclass(frozen=True)
class Offer:
    """The most promising network between a budget and 1.1 times it.

    Attributes:
        metric: The budget.
        limit: As it is.
        candidates: How many networks in between were found.
        choices: Of the best of them; None where there is none.
        cost: What it needs; known, not predicted.
        error: Predicted validation error.
        low: Lower end of its 90 % interval.
        high: Upper end.
        now: Error of the best network within the budgets, as the same process smooths it.
    """

    metric: str
    limit: float
    candidates: int
    choices: Mapping[str, Any] | None = None
    cost: Cost | None = None
    error: float = 0.0
    low: float = 0.0
    high: float = 0.0
    now: float = 0.0

    @property
    def clear(self) -> bool:
        """Whether even the upper end of the interval is better than what there is."""
        return self.choices is not None and self.high < self.now


@dataclass(frozen=True)
class Grown:
    """One offer a budget.

    Attributes:
        offers: Empty where ``reason`` says why.
        fit: R2 of predictions of the run's own results, each left out once.
        reason: Why there are none, or None.
    """

    offers: Sequence[Offer]
    fit: float | None = None
    reason: str | None = None


def grown(run: Run) -> Grown:
    """What each budget would bring if it were a tenth larger."""
    if not run.budgets:
        return Grown((), None, "no budget was given")
    if len(run.trained) < FEWEST:
        return Grown((), None, f"{len(run.trained)} trials are too few; {FEWEST} are the least")
    try:
        problem = problem_of(run)
        if problem is None:
            return Grown((), None, "costs of this space on this device cannot be asked for here")
        with threadpool_limits(limits=1, user_api="blas"):  # more threads slow small matrices down
            return _predicted(run, problem)
    except EdgenasError as error:
        return Grown((), None, str(error))


def problem_of(run: Run) -> Problem | None:
    """The problem that a run searches, without its data; None where it cannot be made again.

    Raises:
        EdgenasError: The device or its costs are not there any more.
    """
    name, device_id, data = run.meta["space"], run.document("device").get("id"), run.document("data")
    outputs = _outputs(run)
    if name not in SPACES.names() or not device_id or not data.get("input_shape") or outputs is None:
        return None
    shape = tuple(data["input_shape"])
    space: SearchSpace = SPACES.get(name)(shape, outputs, run.task.head)
    source = cost_source(load_device(device_id))
    if isinstance(source, VelaSource):
        return None  # compiles each candidate
    budgets = [Constraint(metric, limit) for metric, limit in run.budgets]
    return Problem(space, source, budgets, run.objectives, run.task.name)


def _outputs(run: Run) -> int | None:
    """Outputs of the networks, from one that was trained."""
    for block in run.trained[0].spec.blocks if run.trained else ():
        if "classes" in block.args:
            return int(block.args["classes"])
    return len(run.document("data").get("class_names") or []) or None


def _found(problem: Problem, run: Run) -> list[Candidate]:
    """Networks of the space: random ones, and neighbours of the front."""
    rng = np.random.default_rng(0)
    specs = [problem.space.sample(rng) for _ in range(SAMPLES)]
    for parent in run.front[-PARENTS:]:
        specs += [problem.space.mutate(parent.spec, rng) for _ in range(NEIGHBOURS)]
    known = {trial.spec.arch_id for trial in run.trials}
    fresh = {spec.arch_id: spec for spec in specs if spec.arch_id not in known}
    return [problem.candidate(spec) for spec in fresh.values()]


def _predicted(run: Run, problem: Problem) -> Grown:
    rows = np.unique(np.linspace(0, len(run.trained) - 1, min(len(run.trained), MOST)).round().astype(int))
    trials = [run.trained[row] for row in rows]
    errors = fenced(np.array([trial.val_error for trial in trials], dtype=float))
    centre, spread = float(errors.mean()), float(errors.std())
    if spread == 0:
        return Grown((), None, "all trials have the same result")
    encoder = encoder_of(problem.space)
    features, values = _features(encoder, [trial.spec for trial in trials]), (errors - centre) / spread
    kernel = fit_hyperparameters(features, values)
    fit = left_out_fit(kernel.kernel(features, features), float(np.exp(kernel.noise)), values)
    if fit < LEAST_FIT:
        words = "predicts this run's own results, each left out once, hardly better than their mean"
        return Grown((), fit, f"the surrogate {words}")
    found = _found(problem, run)
    posterior = Posterior(kernel, features, values, _features(encoder, [one.spec for one in found]))
    now = centre + spread * float(posterior.fitted.min())
    means = np.maximum(0.0, centre + spread * posterior.mean)
    spans = Z90 * spread * np.sqrt(posterior.variance)
    offers = [_offer(problem, one, found, means, spans, now) for one in problem.constraints]
    return Grown(offers, fit)


def _features(encoder: Encoder, specs: Sequence[ArchSpec]) -> Groups:
    groups = [encoder.groups(spec) for spec in specs]
    return [np.array([group[place] for group in groups]) for place in range(2)]


def left_out_fit(kernel: np.ndarray, noise: float, values: np.ndarray) -> float:
    """R2 of a Gaussian process on its own observations, each left out once (Rasmussen and Williams, 5.12)."""
    inverse = cho_solve(cho_factor(kernel + np.eye(len(values)) * (noise + 1e-6)), np.eye(len(values)))
    misses = (inverse @ values) / np.diag(inverse)
    return 1.0 - float((misses**2).sum() / ((values - values.mean()) ** 2).sum())


def _offer(
    problem: Problem,
    budget: Constraint,
    found: Sequence[Candidate],
    means: np.ndarray,
    spans: np.ndarray,
    now: float,
) -> Offer:
    others = [one for one in problem.constraints if one is not budget]
    between = [
        row
        for row, candidate in enumerate(found)
        if budget.excess(candidate.cost) > 0
        and metric_value(candidate.cost, budget.metric) <= GROWTH * budget.limit
        and not any(other.excess(candidate.cost) for other in others)
    ]
    if not between:
        return Offer(budget.metric, budget.limit, 0)
    best = min(between, key=lambda row: float(means[row]))
    mean, span, candidate = float(means[best]), float(spans[best]), found[best]
    return Offer(
        budget.metric, budget.limit, len(between), dict(candidate.spec.choices), candidate.cost,
        mean, max(0.0, mean - span), mean + span, now,
    )  # fmt: skip
