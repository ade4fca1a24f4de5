"""Contract of a searcher: what every registered searcher, and any of yours, must keep.

A third party writes one class and inherits the suite::

    class TestMySearcher(SearcherContract):
        def make(self, problem: Problem, seed: int = 0) -> Searcher:
            return MySearcher(problem, seed)

The suite needs no training: `ToySpace` has real networks, `ExactSource` counts their real costs, and
`toy_error` makes up how accurate each would be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import exp, prod

import numpy as np
import pytest

from edgenas.arch.chooser import Chooser
from edgenas.arch.graph import OpGraph
from edgenas.arch.space import SearchSpace
from edgenas.arch.spec import ArchSpec, Block
from edgenas.cost.types import Cost, CostSource
from edgenas.search.objective import VAL_ERROR, Constraint
from edgenas.search.pareto import hypervolume
from edgenas.search.problem import Candidate, Problem
from edgenas.search.searcher import Observation, Searcher, SpaceExhaustedError

Evaluate = Callable[[ArchSpec], float | None]
"""Gives the validation error of a spec, or None for a training that failed."""


class ExactSource(CostSource):
    """Counts what can be counted exactly: MACs, parameters, and the largest pair of tensors as RAM."""

    device = "toy"
    runtime = "none"

    def estimate(self, graph: OpGraph, *, per_op: bool = False) -> Cost:
        """A static cost without a latency."""
        largest = max(prod(op.in_shape) + prod(op.out_shape) for op in graph.ops)
        return Cost(
            self.device, self.runtime, "int8", "static", None, None, None,
            largest, graph.params + 1000, graph.macs, graph.params,
        )  # fmt: skip


class ToySpace(SearchSpace):
    """One to four depthwise-separable stages: some 170,000 networks."""

    name = "toy"

    def decide(self, chooser: Chooser) -> ArchSpec:
        """Filters, kernel and stride of each stage."""
        blocks = [Block("stem", {"filters": 4, "kernel": 3, "stride": 1})]
        for stage in range(chooser.int("stages", 1, 4)):
            args = {
                "filters": chooser.choice(f"filters{stage}", (4, 8, 16, 24, 32)),
                "kernel": chooser.choice(f"kernel{stage}", (3, 5)),
                "stride": chooser.choice(f"stride{stage}", (1, 2)),
                "skip": False,
            }
            blocks.append(Block("ds", args))
        blocks.append(Block("head", {"classes": self.classes}))
        return ArchSpec(self.name, self.input_shape, self.classes, tuple(blocks), dict(chooser.values))


class TinySpace(SearchSpace):
    """Twelve networks."""

    name = "tiny"

    def decide(self, chooser: Chooser) -> ArchSpec:
        """Filters of one stage, its kernel, and whether there is a second one."""
        stage = {
            "filters": chooser.choice("filters", (4, 8, 16)),
            "kernel": chooser.choice("kernel", (3, 5)),
            "stride": 2,
            "skip": False,
        }
        blocks = [Block("stem", {"filters": 4, "kernel": 3, "stride": 1}), Block("ds", stage)]
        if chooser.flag("deep"):
            blocks.append(Block("ds", {**stage, "stride": 1}))
        blocks.append(Block("head", {"classes": self.classes}))
        return ArchSpec(self.name, self.input_shape, self.classes, tuple(blocks), dict(chooser.values))


def toy_error(spec: ArchSpec) -> float:
    """A made-up validation error, 0.03 to 0.9: late filters and early strides pay, as in real networks."""
    use = 0.0
    for position, block in enumerate(spec.blocks[1:-1]):
        args = block.args
        use += (0.4 + 0.4 * position) * float(args["filters"]) / 32 * (1.1 if args["kernel"] == 5 else 1.0)
        use += 0.25 if args["stride"] == 2 and position < 2 else 0.0
    return 0.03 + 0.87 * exp(-1.1 * use)


def toy_problem(
    *constraints: Constraint, space: SearchSpace | None = None, costs: Iterable[str] = ("macs",)
) -> Problem:
    """A problem on `ToySpace` with the costs named as further objectives."""
    return Problem(space or ToySpace((16, 16, 1), 4), ExactSource(), tuple(constraints), (VAL_ERROR, *costs))


def go_on(searcher: Searcher, trials: int, evaluate: Evaluate = toy_error) -> list[Observation]:
    """Ask and tell so many times; the new observations."""
    found = []
    for _ in range(trials):
        candidate = searcher.ask()
        error = evaluate(candidate.spec)
        point = None if error is None else searcher.problem.point(candidate, error)
        found.append(Observation(candidate, point))
        searcher.tell(found[-1])
    return found


def names_of(observations: list[Observation]) -> list[str]:
    """The architectures of observations, in order."""
    return [observation.candidate.spec.arch_id for observation in observations]


def names_of_batches(searcher: Searcher, trials: int, at_a_time: int, look_ahead_every: int = 0) -> list[str]:
    """The architectures of so many trials of which so many go on at a time; every fifth training fails."""
    awaited: list[Candidate] = []
    names = []
    for number in range(trials):
        if number >= at_a_time:
            done = awaited.pop(0)
            failed = number % 5 == 0
            point = None if failed else searcher.problem.point(done, toy_error(done.spec))
            searcher.tell(Observation(done, point))
        awaited.append(searcher.ask())
        names.append(awaited[-1].spec.arch_id)
        if look_ahead_every and number % look_ahead_every == 0:
            searcher.look_ahead()
    return names


def dominated_volume(observations: list[Observation]) -> float:
    """Hypervolume of (error, log10 of the cost) below the error 1 and 10 M of cost."""
    points = np.array([observation.point for observation in observations if observation.point])
    return hypervolume(np.c_[points[:, 0], np.log10(points[:, 1])], np.array([1.0, 7.0]))


class SearcherContract:
    """Inherit, fill `make`, and pytest runs the suite."""

    trials = 40

    def make(self, problem: Problem, seed: int = 0) -> Searcher:
        """A new searcher for a problem."""
        raise NotImplementedError

    def test_one_seed_gives_one_sequence(self) -> None:
        """Candidates are a function of seed and results."""
        runs = [names_of(go_on(self.make(toy_problem(), seed), self.trials)) for seed in (5, 5, 6)]
        assert runs[0] == runs[1]
        assert runs[0] != runs[2]

    def test_replayed_results_lead_to_the_same_candidates(self) -> None:
        """A resumed search goes on as if it had never stopped, failures and refusals included."""
        problem = toy_problem(Constraint("macs", 80_000))
        whole = self.make(problem)
        first = go_on(whole, 20, lambda spec: None if "3" in spec.arch_id[:2] else toy_error(spec))
        refused = whole.refused.copy()
        expected = go_on(whole, 20)
        resumed = self.make(problem)
        resumed.refused.update(refused)
        for observation in first:
            resumed.note_asked(observation.candidate.spec)
            resumed.tell(observation)
        assert names_of(go_on(resumed, 20)) == names_of(expected)
        assert resumed.refused == whole.refused

    @pytest.mark.parametrize("at_a_time", [1, 10])
    def test_looking_ahead_changes_nothing(self, at_a_time: int) -> None:
        """Proposals and refusals are the same whether a searcher thinks while trainings go on or not."""
        problem = toy_problem(Constraint("macs", 120_000))
        found = []
        for every in (0, 1, 3):
            searcher = self.make(problem)
            names = names_of_batches(searcher, self.trials, at_a_time, every)
            found.append((names, searcher.refused))
        assert found[0] == found[1] == found[2]

    def test_nothing_over_budget_is_proposed(self) -> None:
        """All candidates fit all budgets, and what was refused is counted by budget."""
        limits = {"macs": 60_000.0, "peak_ram_bytes": 2_200.0}
        searcher = self.make(toy_problem(*(Constraint(metric, limit) for metric, limit in limits.items())))
        for observation in go_on(searcher, self.trials):
            for metric, limit in limits.items():
                assert getattr(observation.candidate.cost, metric) <= limit
        assert set(searcher.refused) <= set(limits)
        assert all(searcher.refused[metric] > 0 for metric in limits)

    def test_a_small_corner_within_the_budget_is_found(self) -> None:
        """Where one network in hundreds fits, candidates are still found."""
        searcher = self.make(toy_problem(Constraint("macs", 22_000)))
        assert all(seen.candidate.cost.macs <= 22_000 for seen in go_on(searcher, 10))

    def test_no_candidate_comes_twice(self) -> None:
        """Each architecture is asked for once."""
        names = names_of(go_on(self.make(toy_problem()), 3 * self.trials))
        assert len(set(names)) == len(names)

    @pytest.mark.parametrize("every", [1, 3])
    def test_failed_trainings_are_survived(self, every: int) -> None:
        """Also when all of them fail."""
        searcher = self.make(toy_problem())
        for number in range(self.trials):
            fails = number % every == 0
            go_on(searcher, 1, lambda spec, fails=fails: None if fails else toy_error(spec))  # type: ignore[misc]
        assert len(searcher.observations) == self.trials

    @pytest.mark.parametrize("error", [0.0, 1.0])
    def test_equal_errors_are_survived(self, error: float) -> None:
        """An objective that never changes tells nothing and breaks nothing."""
        names = names_of(go_on(self.make(toy_problem()), self.trials, lambda spec: error))
        assert len(set(names)) == self.trials

    @pytest.mark.parametrize(
        "costs", [("macs",), ("params", "peak_ram_bytes"), ("macs", "params", "flash_bytes")]
    )
    def test_two_to_four_objectives(self, costs: tuple[str, ...]) -> None:
        """Points have one value an objective, in their order."""
        searcher = self.make(toy_problem(costs=costs))
        for observation in go_on(searcher, self.trials):
            assert observation.point is not None
            assert observation.point[1:] == tuple(getattr(observation.candidate.cost, name) for name in costs)

    def test_a_used_up_space_ends_the_search(self) -> None:
        """Everything within the budget is asked, then asking again says that nothing is left."""
        space = TinySpace((16, 16, 1), 4)
        limit = 40_000
        fitting = {spec.arch_id for spec in space.enumerate() if spec.graph().macs <= limit}
        assert 0 < len(fitting) < 12
        searcher = self.make(toy_problem(Constraint("macs", limit), space=space))
        assert set(names_of(go_on(searcher, len(fitting)))) == fitting
        for _ in range(2):
            with pytest.raises(SpaceExhaustedError, match="nothing new within the budgets"):
                searcher.ask()

    def test_the_front_grows(self) -> None:
        """More trials dominate more."""
        found = go_on(self.make(toy_problem()), 2 * self.trials)
        assert dominated_volume(found) > dominated_volume(found[:8])
