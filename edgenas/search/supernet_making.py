"""The making of a search's supernet: its networks, their frames, its training, the anchors of its scores."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace
from itertools import chain
from typing import Any

import numpy as np

from edgenas.arch.spec import ArchSpec
from edgenas.errors import BudgetError, EdgenasError, TrialError
from edgenas.oneshot.anchors import ANCHORS, FEWEST, Anchor, trust_in
from edgenas.oneshot.elastic import extents_of
from edgenas.oneshot.frames import Pool, Region
from edgenas.oneshot.pool import POOL, capped, trained_with
from edgenas.oneshot.supernet import SupernetJob, supernet_recipe
from edgenas.oneshot.trust import spread_over
from edgenas.search.covered import CoveredSpace
from edgenas.search.framed import frames_for, sized
from edgenas.search.problem import Problem
from edgenas.search.supernet_plan import (
    FOLDER,
    SCORE,
    SupernetPlan,
    anchors_of,
    problem_facts,
    standing_path,
    weights_path,
)
from edgenas.search.workshop import Workshop
from edgenas.train.job import Job
from edgenas.train.recipe import Recipe
from edgenas.train.trainer import TrainResult

SHARE = 0.5
"""Share of a search's time that its supernet is trained for, at most."""

ANCHOR_SHARE = 0.15
"""Share of a search's time that networks are trained alone for, at most."""

BUILDING = 6.0
"""Seconds that a training is thought to take before the first."""

ANCHOR_SEED = 99_991
"""Tells the seeds of these trainings from those of candidates."""


class Maker:
    """Makes what a search by shared weights rests on.

    Args:
        problem: What is searched, over the part of its space that the supernet covers.
        plan: How the supernet is trained, and with how many anchors.
        seed: One seed makes one supernet.
    """

    def __init__(self, problem: Problem, plan: SupernetPlan, seed: int) -> None:
        assert isinstance(problem.space, CoveredSpace)
        self.problem, self.covered, self.plan, self.seed = problem, problem.space, plan, seed

    def pool(self, size: int = POOL) -> list[tuple[int, ArchSpec]]:
        """Networks of the regions within the budgets, with MACs; without either, all but the largest."""
        problem = self.problem

        def descend(spec: ArchSpec, rng: np.random.Generator) -> ArchSpec:
            return problem.descend(spec, rng).spec

        pool = trained_with(problem.space, self._fits, descend, self.seed, size)
        return pool if problem.constraints or self.covered.regions else capped(pool)

    def _fits(self, spec: ArchSpec) -> int | None:
        """MACs of a network of the regions that is within the budgets."""
        if self.covered.regions and self.covered.region_of(spec) is None:
            return None
        cost = self.problem.cost_of(spec)
        return None if self.problem.violated(cost) else cost.macs

    def pools(self, regions: Sequence[Region], known: Pool) -> list[list[tuple[int, ArchSpec]]]:
        """Networks of each region; where random ones hardly ever are of one, those that are known count."""
        found = []
        for region in regions:
            self.covered.regions = (region,)
            own, share = self.pool(POOL // len(regions)), POOL // len(regions)
            if len(own) < share // 4:
                more = [spec for _, spec in [*known, *own] if region.has(spec)]
                own = sized({spec.arch_id: spec for spec in more}.values())
            found.append(own)
        self.covered.regions = regions
        return found

    def _recipe(self, workshop: Workshop) -> Recipe:
        """How the supernet is trained."""
        plan, images = self.plan, len(workshop.dataset.train)
        return supernet_recipe(images, workshop.recipe, epochs=plan.epochs, learning_rate=plan.rate)

    def trained(self, workshop: Workshop) -> dict[str, Any]:
        """Train a supernet; what is known of it then.

        Raises:
            BudgetError: No network was found within the budgets.
            EdgenasError: Its loss became NaN or infinite.
        """
        problem, store = self.problem, workshop.store
        self.covered.regions, self.covered.covers = (), None
        pool = self.pool()
        if not pool:
            raise BudgetError(
                "no network within the budgets was found to train a supernet with; widen the budgets, or use "
                "--searcher front"
            )
        recipe = self._recipe(workshop)
        try:
            frames = frames_for(problem, pool, self.seed, self.plan.frames or 1)
            regions = [Region(frame, 0, pool[-1][0]) for frame in frames]
            pools = self.pools(regions, pool)
            job = SupernetJob(
                pools[-1][-1][1], recipe, weights_path(store.folder),
                checkpoint_path=standing_path(store.folder),
                limits=workshop.executor.allotment.limits.for_longer(sum(map(len, pools))),
                task=workshop.dataset.task, space=self.covered,
                pools=tuple(tuple(spec for _, spec in one) for one in pools),
                shrinking=self.plan.shrinking, seconds=seconds_for(workshop, "supernet_seconds", SHARE),
            )  # fmt: skip
            result = workshop.train(job)
        except TrialError as error:
            raise EdgenasError(f"the supernet of {store.folder} could not be trained: {error}") from error
        extents, _ = extents_of(self.covered, chain.from_iterable(job.pools))
        return {
            **problem_facts(problem, workshop.dataset.fingerprint),
            "frames": [asdict(region) for region in regions],
            "tensors": {name: list(shape) for name, shape in extents.items()},
            "networks": sum(map(len, pools)),
            "least_macs": min(one[0][0] for one in pools),
            "most_macs": max(one[-1][0] for one in pools),
            "capped": not problem.constraints,
            "shrinking": self.plan.shrinking,
            "recipe": recipe.to_json(),
            "result": asdict(result),
            "run": None,
        }

    def anchored(
        self, workshop: Workshop, facts: dict[str, Any], scored: Callable[[Job], Job]
    ) -> dict[str, Any]:
        """Train some networks alone, evenly over the MACs of those within the budgets, to make scores by.

        Those of an earlier run are taken over unless others were asked for. Each is kept as it ends.

        Args:
            workshop: Where they are trained.
            facts: What is known of the supernet.
            scored: The score of what a job would train.

        Returns:
            What is known of the supernet, with them.
        """
        store = workshop.store
        if facts.get("scored") != SCORE:
            kept = {
                name: value for name, value in facts.items() if name not in ("anchors", "asked", "failed")
            }
            facts = {**kept, "scored": SCORE}
        if "asked" not in facts and not self._takes_over(facts, workshop.recipe):
            asked = ANCHORS if self.plan.trust is None else self.plan.trust
            facts = {**facts, "anchors": [], "failed": 0, "asked": asked}
        with ExitStack() as stack:
            train: Callable[[Job], TrainResult] | None = None
            for spec in self._waiting(facts, workshop):
                train = train or stack.enter_context(workshop.opened())
                try:
                    one = self._anchor(spec, workshop, scored, train)
                    facts = {**facts, "anchors": [*facts["anchors"], asdict(one)]}
                except TrialError:
                    facts = {**facts, "failed": facts["failed"] + 1}
                store.set_meta(**{FOLDER: facts})
        anchors = anchors_of(facts)
        store.set_meta(
            trust=trust_in(anchors, facts.get("failed", 0)) if anchors or facts.get("asked") else None
        )
        return facts

    def _takes_over(self, facts: Mapping[str, Any], recipe: Recipe) -> bool:
        """Whether the anchors of an earlier run make scores here; a loss has its class weights."""
        if facts["run"] is None or self.plan.trust:
            return False
        weights = tuple(facts["recipe"].get("class_weights", ()))
        enough = len(anchors_of(facts)) >= FEWEST and weights == tuple(recipe.class_weights)
        return enough or self.plan.trust == 0

    def _anchor(
        self,
        spec: ArchSpec,
        workshop: Workshop,
        scored: Callable[[Job], Job],
        train: Callable[[Job], TrainResult],
    ) -> Anchor:
        job = Job(
            spec, replace(workshop.recipe, seed=workshop.recipe.seed * 100_003 + ANCHOR_SEED),
            checkpoint_path=standing_path(workshop.store.folder),
            limits=workshop.executor.allotment.limits, task=workshop.dataset.task,
        )  # fmt: skip
        brief, alone, graph = train(scored(job)), train(job), self.covered.graph(spec)
        assert alone.val_accuracy is not None  # of a classifier
        return Anchor(
            spec.arch_id, brief.val_loss, graph.macs, graph.params, alone.val_accuracy, alone.seconds
        )

    def _waiting(self, facts: Mapping[str, Any], workshop: Workshop) -> Iterator[ArchSpec]:
        """Networks that are still to be trained alone, in an order that any beginning of spreads out."""
        if not (number := facts.get("asked", 0)):
            return
        pool = self.pool()
        rows = spread_over([math.log(macs) for macs, _ in pool], number)
        order = np.random.default_rng([self.seed, 6]).permutation(rows)
        done = len(facts["anchors"]) + facts["failed"]
        allowed = seconds_for(workshop, "anchor_seconds", ANCHOR_SHARE)
        spent = sum(one["seconds"] for one in facts["anchors"])
        for place, row in enumerate(order[done:], done):
            each = spent / place if place else BUILDING
            if allowed is not None and max(place + 1, min(FEWEST, number)) * each > allowed:
                return
            started = time.monotonic()
            yield pool[row][1]
            spent += time.monotonic() - started


def seconds_for(workshop: Workshop, what: str, share: float) -> float | None:
    """What may take a share of the time left, stops left out; a resumed run keeps what it began with.

    Args:
        workshop: Of the run.
        what: Under which name it is kept.
        share: Of the time left when it is first asked for.
    """
    if workshop.seconds_left is None:
        return None
    seconds = workshop.store.meta(what)
    if seconds is None:
        seconds = max(1.0, share * workshop.seconds_left())
        workshop.store.set_meta(**{what: seconds})
    return float(seconds)
