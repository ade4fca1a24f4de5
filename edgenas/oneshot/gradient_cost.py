"""Expected costs of a distribution over the networks of a skeleton, and their gradients; numpy only.

What a stage adds depends on its own decisions and on the channels it reads, so the cost of a network is a
sum over stages of entries in one small table each (FBNet's lookup table, Wu et al. 2019, for decisions that
are not whole blocks). The tables are read off whole networks, as the device's own cost source has them:
from a reference, the smallest network, one stage after the other is changed, and what this adds is noted.
For costs that add up operation by operation (latency tables, predictors, MACs) a one-hot distribution
thereby has the exact cost. Of peak RAM the structures add up; of activations the largest stage counts.

Under independent decisions the expectation of such a table is a product of it with all their
probabilities, which is differentiable.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from edgenas.oneshot.gradient_space import Selection, Skeleton

Costs = Callable[[Selection], Mapping[str, float]]
"""Gives the costs of a network of a skeleton, by metric."""

RAM = "peak_ram_bytes"
HEAD, STRUCTURES = "arena_head_bytes", "arena_structures"
"""The two parts of peak RAM: of activations the largest stage counts, structures add up."""

SHARPNESS = 20.0
"""How closely the smooth maximum over stages follows the largest."""

Probabilities = Sequence[np.ndarray]
"""One array for each decision of a skeleton."""


@dataclass(frozen=True)
class Expected:
    """One cost of a skeleton's networks.

    Attributes:
        metric: Name of the cost.
        base: Of the smallest network.
        axes: Decisions that each stage's table has an axis for: the filters of the stage before (where
            they are open), then its own.
        tables: For each stage what it adds to ``base``.
        peaks: For each stage what the network takes in which only this stage is changed, the largest of
            which is added; empty for costs that have no such part.
    """

    metric: str
    base: float
    axes: tuple[tuple[int, ...], ...]
    tables: tuple[np.ndarray, ...]
    peaks: tuple[np.ndarray, ...] = ()

    def of(self, selection: Selection) -> float:
        """The cost of one network."""
        places = [tuple(selection[at] for at in axes) for axes in self.axes]
        added = sum(float(table[place]) for table, place in zip(self.tables, places, strict=True))
        peaks = [float(table[place]) for table, place in zip(self.peaks, places, strict=False)]
        return self.base + added + max(peaks, default=0.0)

    def expectation(self, probabilities: Probabilities) -> tuple[float, list[np.ndarray]]:
        """The expected cost, and its derivative after each probability.

        Args:
            probabilities: Of the options of each decision.
        """
        gradient = [np.zeros(len(part)) for part in probabilities]
        sums = self._add_slopes(self.tables, probabilities, gradient, np.ones(len(self.tables)))
        whole = self.base + float(sums.sum())
        if self.peaks:
            blank = [np.zeros(len(part)) for part in probabilities]
            means = self._add_slopes(self.peaks, probabilities, blank, np.zeros(len(self.peaks)))
            weights = _soft(means)
            self._add_slopes(self.peaks, probabilities, gradient, weights)
            whole += float(weights @ means)
        return whole, gradient

    def _add_slopes(
        self,
        tables: Sequence[np.ndarray],
        probabilities: Probabilities,
        gradient: list[np.ndarray],
        weights: np.ndarray,
    ) -> np.ndarray:
        """Expectations of some tables; their weighted derivatives are added to a gradient."""
        means = []
        for axes, table, weight in zip(self.axes, tables, weights, strict=True):
            mean, slopes = _expectation(table, [probabilities[at] for at in axes])
            means.append(mean)
            for at, slope in zip(axes, slopes, strict=True):
                gradient[at] += weight * slope
        return np.array(means)


def _soft(means: np.ndarray) -> np.ndarray:
    """Weights of a smooth maximum."""
    exponents = np.exp(SHARPNESS * (means / means.max() - 1.0))
    return np.asarray(exponents / exponents.sum())


def _expectation(table: np.ndarray, parts: Sequence[np.ndarray]) -> tuple[float, list[np.ndarray]]:
    """A table contracted with one vector an axis, and with all but one."""
    slopes = []
    for kept in range(len(parts)):
        left = table
        for axis in range(len(parts) - 1, -1, -1):
            if axis != kept:
                left = np.tensordot(left, parts[axis], axes=([axis], [0]))
        slopes.append(np.asarray(left))
    return float(slopes[0] @ parts[0]), slopes


def expected_costs(skeleton: Skeleton, costs: Costs, metrics: Sequence[str]) -> list[Expected]:
    """Tables of a skeleton's costs.

    Args:
        skeleton: Its networks.
        costs: Of one of them; called some hundred times a stage. Where peak RAM counts, it gives `HEAD` and
            `STRUCTURES` too.
        metrics: Names of the costs.
    """
    base = costs(skeleton.smallest)
    stages = range(len(skeleton.strides))
    axes = tuple(_axes(skeleton, stage) for stage in stages)
    parts = [part for metric in metrics for part in ((STRUCTURES, HEAD) if metric == RAM else (metric,))]
    found = [_stage_tables(skeleton, stage, axes[stage], costs, parts) for stage in stages]

    def tables(part: str) -> tuple[np.ndarray, ...]:
        return tuple(of_stage[part] for of_stage in found)

    return [
        Expected(metric, float(base[STRUCTURES]), axes, tables(STRUCTURES), tables(HEAD))
        if metric == RAM
        else Expected(metric, float(base[metric]), axes, tables(metric))
        for metric in metrics
    ]


def _axes(skeleton: Skeleton, stage: int) -> tuple[int, ...]:
    before = skeleton.places.get((stage - 1, "filters"))
    own = [at for at, decision in enumerate(skeleton.decisions) if decision.stage == stage]
    return (*([before] if before is not None else []), *own)


def _stage_tables(
    skeleton: Skeleton, stage: int, axes: tuple[int, ...], costs: Costs, metrics: Sequence[str]
) -> dict[str, np.ndarray]:
    """The tables of one stage.

    Blocks after the first are all alike and read what they put out: what the second one adds does not
    depend on the channels that the stage reads, and each further one adds the same.
    """
    open_before = skeleton.places.get((stage - 1, "filters")) is not None
    depth_axis = 1 if open_before else 0
    shape = [len(skeleton.decisions[at].options) for at in axes]
    known: dict[tuple[int, ...], Mapping[str, float]] = {}

    def cost(place: tuple[int, ...]) -> Mapping[str, float]:
        if place not in known:
            selection = list(skeleton.smallest)
            for at, position in zip(axes, place, strict=True):
                selection[at] = position
            known[place] = costs(tuple(selection))
        return known[place]

    depths = skeleton.numbers(stage, "depth")
    steps = [(depth - depths[0]) / (depths[1] - depths[0]) if len(depths) > 1 else 0 for depth in depths]
    tables = {metric: np.zeros(shape) for metric in metrics}
    for place in product(*(range(size) for size in shape)):
        first, second = list(place), list(place)
        first[depth_axis], second[depth_axis] = 0, min(1, len(depths) - 1)
        alike = list(first)
        if open_before:
            second[0] = alike[0] = 0
        before = cost((place[0], *(0 for _ in place[1:]))) if open_before else None
        for metric in metrics:
            one = float(cost(_joined(skeleton, stage, axes, first))[metric])
            more = float(cost(tuple(second))[metric])
            if metric == HEAD:
                tables[metric][place] = max(one, more) if place[depth_axis] else one
            else:
                start = before or cost((0,) * len(place))
                added = more - float(cost(_joined(skeleton, stage, axes, alike))[metric])
                tables[metric][place] = one - float(start[metric]) + steps[place[depth_axis]] * added
    return tables


def _joined(skeleton: Skeleton, stage: int, axes: tuple[int, ...], place: Sequence[int]) -> tuple[int, ...]:
    """The same network with its skip left out, where a first block could not use it: fewer are counted."""
    kinds = [skeleton.decisions[at].kind for at in axes]
    if "skip" not in kinds:
        return tuple(place)
    filters = [at for at, kind in enumerate(kinds) if kind == "filters"]
    read = skeleton.numbers(stage - 1, "filters")[place[0]] if len(filters) > 1 else None
    if stage == 0:
        read = int(skeleton.stem.args["filters"])
    own = skeleton.numbers(stage, "filters")[place[filters[-1]]]
    depths = skeleton.numbers(stage, "depth")
    if depths[0] == 1 and (skeleton.strides[stage] > 1 or read != own):
        skip = kinds.index("skip")
        return (*place[:skip], 0, *place[skip + 1 :])
    return tuple(place)
