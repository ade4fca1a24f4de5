"""What the next step up on the front costs, and whether what it buys is more than noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import hypot, sqrt
from typing import Any

from edgenas.report.run import Run, Winner, cost_of
from edgenas.search.objective import VAL_ERROR
from edgenas.task import CLASSIFICATION

SURE = 2.0
"""Times its noise that a gain must be to count as one."""

MOST = 8
"""Steps that are shown; of a longer front, an even choice of its networks."""


@dataclass(frozen=True)
class Step:
    """From one network to the next more expensive one that is better.

    Attributes:
        low: Trial of the cheaper one.
        high: Trial of the other.
        gain: By how much the figure gets better, 0 or more.
        noise: One standard deviation of the gain if both were trained and measured anew, or None.
        costs: Before and after, by metric.
    """

    low: str
    high: str
    gain: float
    noise: float | None
    costs: Mapping[str, tuple[float, float]]

    @property
    def clear(self) -> bool | None:
        """Whether the gain is larger than noise; None where the noise is not known."""
        return None if self.noise is None else self.gain > SURE * self.noise


@dataclass(frozen=True)
class Steps:
    """The steps from the cheapest to the best network.

    Attributes:
        steps: In order; empty for fewer than two networks.
        final: Whether they are between winners after their final training, or on the search's front.
        noise: What the noise is taken from, for people.
    """

    steps: Sequence[Step]
    final: bool
    noise: str


@dataclass(frozen=True)
class _Stair:
    trial: str
    figure: float
    costs: Mapping[str, float]
    deviation: float | None


def steps(run: Run) -> Steps:
    """The steps between winners, or where there are not two of them, along the front of the search."""
    metric = run.objectives[1]
    winners = [stair for winner in run.kept if (stair := _of_winner(run, winner)) is not None]
    climbed = _climb(run, winners, metric)
    final = len(climbed) >= 2
    if not final:
        searched = [
            _Stair(trial.trial_id, value, _costs(run, trial), _of_sample(run, value))
            for trial in run.front
            if (value := run.val_figure(trial)) is not None
        ]
        climbed = _climb(run, searched, metric)
    climbed = [climbed[row] for row in _even(len(climbed))]
    sign = 1 if run.task.higher_is_better else -1
    found = [
        Step(
            low.trial, high.trial, sign * (high.figure - low.figure), _noise(low, high),
            {name: (low.costs[name], high.costs[name]) for name in low.costs if name in high.costs},
        )
        for low, high in zip(climbed, climbed[1:], strict=False)
    ]  # fmt: skip
    return Steps(found, final, _source(run, final))


def _climb(run: Run, stairs: Sequence[_Stair], metric: str) -> list[_Stair]:
    """The cheapest first; only those that are better than all before."""
    sign = 1 if run.task.higher_is_better else -1
    known = sorted((stair for stair in stairs if metric in stair.costs), key=lambda one: one.costs[metric])
    climbed: list[_Stair] = []
    for stair in known:
        if not climbed or sign * stair.figure > sign * climbed[-1].figure:
            climbed.append(stair)
    return climbed


def _even(count: int) -> list[int]:
    most = MOST + 1
    return list(range(count)) if count <= most else [round(i * (count - 1) / (most - 1)) for i in range(most)]


def _of_winner(run: Run, winner: Winner) -> _Stair | None:
    figure = winner.mean("val")
    if figure is None:
        return None
    own = winner.deviation("val")
    return _Stair(
        winner.trial_id, figure, _costs(run, winner.trial), _of_sample(run, figure) if own is None else own
    )


def _costs(run: Run, trial: Any) -> dict[str, float]:
    names = [name for name in run.objectives if name != VAL_ERROR]
    return {name: value for name in names if (value := cost_of(trial, name)) is not None}


def _of_sample(run: Run, figure: float) -> float | None:
    """Standard error of an accuracy from the number of validation examples; None for other figures."""
    examples = run.document("data").get("validation")
    if run.task != CLASSIFICATION or not examples:
        return None
    return sqrt(max(figure * (1 - figure), 0.0) / int(examples))


def _noise(low: _Stair, high: _Stair) -> float | None:
    if low.deviation is None or high.deviation is None:
        return None
    return hypot(low.deviation, high.deviation)


def _source(run: Run, final: bool) -> str:
    if final and any(winner.deviation("val") is not None for winner in run.kept):
        return "the noise of a gain is the spread over seeds"
    if run.task == CLASSIFICATION and run.document("data").get("validation"):
        return f"the noise of a gain is that of {run.document('data')['validation']:,} validation examples"
    return "the noise is not known, as each network was trained once"
