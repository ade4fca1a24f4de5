"""Pool: thousands of unseen candidates, with their features and exact costs.

The pool is a function of the seed and of the results so far, and so the same after a resume: a
base of random candidates, and one block of relatives of the front for every result, or for every few
where many trainings go on at a time. Only the latest blocks are kept, so its size is bounded however long a
search goes on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cached_property
from math import isfinite, isnan, nan
from types import MappingProxyType

import numpy as np

from edgenas.arch.graph import OpGraph
from edgenas.arch.spec import ArchSpec
from edgenas.cost.types import Cost
from edgenas.search.features import REMEMBERED, Encoder, encoder_of
from edgenas.search.objective import metric_value
from edgenas.search.pareto import front_mask
from edgenas.search.problem import Candidate, Problem
from edgenas.search.searcher import Observation, points_of

BASE = 768
"""Random candidates in the base."""

FEW = 32
"""If fewer of the base fit the budgets, that many others are brought within them."""

BLOCKS = 96
"""Blocks that are kept."""

FRESH = 0.25
"""Share of a block that is random."""

CROSSED = 0.3
"""Share of a block's relatives with two parents."""


LEAST_A_RESULT = 4
"""Candidates for each result of a block that stands for several."""


def block_size(results: int, step: int = 1) -> int:
    """Candidates in a block: the fewer results there are, the more each one counts.

    Args:
        results: After which it is made.
        step: Results since the block before.
    """
    size = 48 if results < 100 else 16 if results < 300 else 8
    return max(size, LEAST_A_RESULT * step if step > 1 else 0)


class Members:
    """Candidates as columns.

    Args:
        specs: The architectures.
        costs: Objectives but the first, shape (n, objectives - 1).
        look_up: Their features, which are looked up when they are first asked for.

    Attributes:
        ids: Their names.
    """

    def __init__(
        self, specs: Sequence[ArchSpec], costs: np.ndarray, look_up: Callable[[], tuple[np.ndarray, ...]]
    ) -> None:
        self.specs = tuple(specs)
        self.ids = tuple(spec.arch_id for spec in specs)
        self.costs = costs
        self._look_up: Callable[[], tuple[np.ndarray, ...]] | None = look_up

    @cached_property
    def rows(self) -> dict[str, int]:
        """The row of each name."""
        return {name: row for row, name in enumerate(self.ids)}

    @cached_property
    def groups(self) -> tuple[np.ndarray, ...]:
        """Features, one array of shape (n, columns) a group."""
        assert self._look_up is not None
        found, self._look_up = self._look_up(), None  # what it holds may be large
        return found


class Pool:
    """Candidates within the budgets that a searcher may choose from.

    Args:
        problem: What is searched.
        seed: One seed gives one pool for one sequence of results.
        sees_graph: Whether features of the graph are among a candidate's, or its decisions alone.
        base: Random candidates in it.
    """

    def __init__(self, problem: Problem, seed: int, *, sees_graph: bool = True, base: int = BASE) -> None:
        self.problem = problem
        self.seed = seed
        self.sees_graph = sees_graph
        self.base = base
        self._blocks: dict[int, Members] = {}
        self._costs: dict[str, Cost] = {}
        self._refused: dict[int, Counter[str]] = {}

    @property
    def encoder(self) -> Encoder:
        """What turns the specs of this space into features."""
        return encoder_of(self.problem.space)

    def unseen(self, observations: Sequence[Observation], known: Collection[str], step: int = 1) -> Members:
        """All members after these results whose names are not known yet, each once.

        Args:
            observations: The results.
            known: Names to leave out.
            step: Results from one block to the next; each is a moment's work.
        """
        last = len(observations) // step
        kept = [step * number for number in range(max(0, last - BLOCKS) + 1, last + 1)]
        self._blocks = {
            number: block for number, block in self._blocks.items() if number in kept or not number
        }
        for number in kept:
            if number not in self._blocks:
                self._blocks[number] = self._block(number, observations[:number], step)
        return _distinct([self._blocks[number] for number in reversed(kept)] + [self._first()], known)

    def refused(self, after: int) -> Counter[str]:
        """How many candidates each budget kept out of the blocks after a number of results."""
        late = (counts for number, counts in self._refused.items() if number > after)
        return sum(late, Counter())

    def base_costs(self) -> np.ndarray:
        """Objectives but the first of the random members, shape (n, objectives - 1)."""
        return self._first().costs

    def base_features(self) -> tuple[np.ndarray, ...]:
        """Features of the random members."""
        return self._first().groups

    def _first(self) -> Members:
        """The base."""
        if 0 not in self._blocks:
            rng = np.random.default_rng([self.seed, 0, 2])
            specs = [self.problem.space.sample(rng) for _ in range(self.base)]
            found, graphs = self._within_budgets(0, specs)
            if len(found) < FEW:
                brought = [self.problem.descend(spec, rng) for spec in specs[:FEW]]
                found += [candidate for candidate in brought if not self.problem.violated(candidate.cost)]
            self._blocks[0] = self.members(found, graphs)
        return self._blocks[0]

    def _block(self, number: int, observations: Sequence[Observation], step: int) -> Members:
        rng = np.random.default_rng([self.seed, number, 2])
        specs = self._relatives(observations, block_size(number, step), rng)
        return self.members(*self._within_budgets(number, specs))

    def _within_budgets(
        self, number: int, specs: Sequence[ArchSpec]
    ) -> tuple[list[Candidate], dict[str, OpGraph]]:
        """The specs of a block that fit the budgets, and graphs that were made; the others are counted."""
        counts = self._refused[number] = Counter()
        found, graphs = list[Candidate](), dict[str, OpGraph]()
        for spec in specs:
            graph = None if spec.arch_id in self._costs else self.problem.space.graph(spec)
            candidate = self.candidate(spec, graph)
            violated = self.problem.violated(candidate.cost)
            counts.update(constraint.metric for constraint in violated)
            if not violated:
                found.append(candidate)
                if graph:
                    graphs[spec.arch_id] = graph
        return found, graphs

    def candidate(self, spec: ArchSpec, graph: OpGraph | None = None) -> Candidate:
        """A spec, whose graph may be at hand, and what it costs; asking again costs nothing."""
        name = spec.arch_id
        if name not in self._costs:
            if len(self._costs) >= REMEMBERED:
                self._costs.pop(next(iter(self._costs)))
            self._costs[name] = self.problem.cost_source.estimate(graph or self.problem.space.graph(spec))
        return Candidate(spec, self._costs[name])

    def _relatives(
        self, observations: Sequence[Observation], size: int, rng: np.random.Generator
    ) -> list[ArchSpec]:
        """Mutants and children of the front, and some random specs."""
        space = self.problem.space
        results = [observation for observation in observations if not isnan(error_of(observation))]
        fresh = size if not results else int(size * FRESH)
        specs = [space.sample(rng) for _ in range(fresh)]
        if not results:
            return specs
        parents = [results[row].candidate.spec for row in np.flatnonzero(front_mask(points_of(results)))]
        for _ in range(size - fresh):
            first, second = (parents[int(rng.integers(len(parents)))] for _ in range(2))
            child = space.crossover(first, second, rng) if rng.random() < CROSSED else first
            child = space.mutate(child, rng)
            specs.append(space.mutate(child, rng) if rng.random() < 0.5 else child)
        return specs

    def features(
        self, specs: Sequence[ArchSpec], graphs: Mapping[str, OpGraph] = MappingProxyType({})
    ) -> tuple[np.ndarray, ...]:
        """Features of architectures, one array of shape (n, columns) a group; some graphs may be at hand."""
        kept = 2 if self.sees_graph else 1
        rows = [self.encoder.groups(spec, graphs.get(spec.arch_id))[:kept] for spec in specs]
        return tuple(np.array(group) for group in zip(*rows, strict=True))

    def costs(self, candidates: Sequence[Candidate]) -> np.ndarray:
        """Their objectives but the first, shape (n, objectives - 1)."""
        names = self.problem.objectives[1:]
        costs = [[metric_value(candidate.cost, name) for name in names] for candidate in candidates]
        return np.array(costs, dtype=float).reshape(len(candidates), len(names))

    def members(
        self, candidates: Sequence[Candidate], graphs: Mapping[str, OpGraph] = MappingProxyType({})
    ) -> Members:
        """Candidates as columns; some graphs may be at hand."""
        specs = [candidate.spec for candidate in candidates]
        return Members(specs, self.costs(candidates), lambda: self.features(specs, graphs))


def error_of(observation: Observation) -> float:
    """The first objective of a training, NaN if it failed or any objective is not a number."""
    point = observation.point
    return point[0] if point is not None and all(map(isfinite, point)) else nan


def _distinct(blocks: list[Members], known: Collection[str]) -> Members:
    """The members of some blocks that are not known, each once."""
    blocks = [block for block in blocks if block.specs]
    if not blocks:
        return Members((), np.zeros((0, 0)), tuple)
    specs = [spec for block in blocks for spec in block.specs]
    ids = [name for block in blocks for name in block.ids]
    first = {name: row for row, name in reversed(list(enumerate(ids)))}
    rows = np.array(sorted(row for name, row in first.items() if name not in known), dtype=int)

    def look_up() -> tuple[np.ndarray, ...]:
        groups = zip(*(block.groups for block in blocks), strict=True)
        return tuple(np.concatenate(group)[rows] for group in groups)

    costs = np.concatenate([block.costs for block in blocks])[rows]
    return Members([specs[row] for row in rows], costs, look_up)
