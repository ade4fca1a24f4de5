"""Any searcher on a supernet: candidates get a score with shared weights instead of a training.

The supernet is trained once for a run, or taken from an earlier run of the same space and data: several
budgets and devices are served without training again. The wrapped searcher proposes as ever; what the
supernet has no weights for is kept from it (`CoveredSpace`).
"""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from itertools import chain
from pathlib import Path
from typing import Any, cast

import numpy as np

from edgenas.arch.spec import ArchSpec
from edgenas.errors import BudgetError, ConfigError, EdgenasError, StoreError, TrialError, UnsupportedError
from edgenas.oneshot.anchors import ANCHORS, Anchor, Expectation, trust_in
from edgenas.oneshot.elastic import SharedWeights, extents_of, parts_of
from edgenas.oneshot.frames import (
    Frame,
    Pool,
    RaceJob,
    Region,
    frame_of,
    parted,
    race_images,
    racers_of,
    winners_of,
)
from edgenas.oneshot.pool import POOL, capped, trained_with
from edgenas.oneshot.score import ScoreJob
from edgenas.oneshot.supernet import SupernetJob, supernet_recipe
from edgenas.oneshot.trust import spread_over
from edgenas.search.around import Around
from edgenas.search.covered import CoveredSpace, covers
from edgenas.search.problem import Candidate, Problem
from edgenas.search.searcher import Observation, Searcher
from edgenas.search.supernet_plan import (
    FOLDER,
    SupernetPlan,
    anchors_of,
    facts_for,
    problem_facts,
    race_path,
    regions_of,
    standing_path,
    weights_path,
)
from edgenas.search.transfer import Earlier
from edgenas.search.workshop import Workshop
from edgenas.store import storage_errors
from edgenas.task import CLASSIFICATION
from edgenas.train.job import Job
from edgenas.train.recipe import Recipe
from edgenas.train.weights import load_weights

SCORE = "expected accuracy"
"""What a score is; runs with another kind of score are not gone on with."""

SHARE = 0.5
"""Share of a search's time that its supernet is trained for, at most."""

RACE_SHARE = 0.1
"""Share of a search's time that is spent on choosing a frame, at most."""

ANCHOR_SHARE = 0.15
"""Share of a search's time that networks are trained alone for, at most."""

ANCHOR_SEED = 99_991
"""Tells the seeds of these trainings from those of candidates."""

OF_FRAME = 60
"""Random networks of a frame that tell what it is good for."""

COVERED = 0.9
"""Share of the networks within new budgets that an earlier supernet must have weights for."""


class OnSupernet(Around):
    """Lets a searcher propose, and a supernet score.

    Args:
        problem: What is searched.
        seed: One seed gives one sequence of candidates for one sequence of results.
        kind: The searcher that proposes.
        plan: Where the supernet comes from.
    """

    def __init__(
        self, problem: Problem, seed: int = 0, *, kind: type[Searcher], plan: SupernetPlan | None = None
    ) -> None:
        self.covered = CoveredSpace(problem.space)
        super().__init__(kind(replace(problem, space=self.covered), seed))
        self.whole = problem
        self.plan = plan or SupernetPlan()
        self._weights: SharedWeights | None = None
        self._expectation: Expectation | None = None

    @classmethod
    def refuse(cls, problem: Problem) -> None:
        """Refuse what a supernet cannot be made for.

        Raises:
            UnsupportedError: There can be none.
        """
        refuse_unshared(problem)

    def _is_new(self, candidate: Candidate) -> bool:
        covers = self.covered.covers
        return (covers is None or covers(candidate.spec)) and super()._is_new(candidate)

    def note_asked(self, spec: ArchSpec, fidelity: float = 1.0) -> None:
        """Count a spec as asked, here and in the inner searcher."""
        self._asked.add(spec.arch_id)
        super().note_asked(spec, fidelity)

    def learn_from(self, earlier: Earlier) -> None:
        """Begin with the earlier front, and let the inner searcher learn."""
        self.first = earlier.seeds
        super().learn_from(earlier)

    def tell(self, observation: Observation) -> None:
        """Take note of a score."""
        super().tell(observation)
        self.inner.tell(observation)

    def prepare(self, workshop: Workshop) -> None:
        """Train the supernet, or go on with it, or take over that of an earlier run.

        Raises:
            BudgetError: No network was found within the budgets.
            UnsupportedError: The space cannot share weights, or the earlier supernet lacks those for most
                networks within these budgets.
            ConfigError: The earlier run has no supernet, or one of other data.
            EdgenasError: Its loss became NaN or infinite.
        """
        self.refuse(self.whole)
        store = workshop.store
        facts = store.meta(FOLDER)
        if facts is None:
            facts = self._taken_over(workshop) if self.plan.run else self._trained(workshop)
            store.set_meta(**{FOLDER: facts})
        self._use(facts, weights_path(store.folder))
        if store.meta("trust") is None:
            facts = self._anchored(workshop, facts)
        standing_path(store.folder).unlink(missing_ok=True)
        self._expectation = Expectation.of(anchors_of(facts))

    def evaluation(self, job: Job) -> Job:
        """The score of a candidate with weights cut from the supernet.

        Raises:
            TrialError: The supernet has no weights for it.
        """
        assert self._weights is not None
        space = self.covered
        cut = self._weights.cut(parts_of(space.graph(job.spec), space.sharing(job.spec)))
        return ScoreJob(
            job.spec, replace(job.recipe, learning_rate=None), job.weights_path, limits=job.limits,
            task=job.task, space=self.whole.space, weights=tuple(cut), expectation=self._expectation,
        )  # fmt: skip

    def _use(self, facts: Mapping[str, Any], path: Path) -> None:
        try:
            arrays = load_weights(path)
            self._weights = SharedWeights(dict(zip(sorted(facts["tensors"]), arrays, strict=True)))
        except (StoreError, ValueError) as error:
            raise StoreError(
                f"the supernet {path} cannot be read: {error}; bring it back or search in another folder"
            ) from error
        self.covered.regions = regions_of(facts)
        self.covered.covers = covers(self.covered, self._weights)

    def _pool(self, size: int = POOL) -> list[tuple[int, ArchSpec]]:
        """Networks of the regions within the budgets, with MACs; all but the largest without both."""
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

    def _of_frame(self, part: Pool) -> Callable[[Frame], Pool]:
        """What gives random networks of a frame within the budgets and a part's range of MACs."""

        def networks_of(frame: Frame) -> Pool:
            self.covered.regions = [Region(frame, part[0][0], part[-1][0])]
            rng = np.random.default_rng([self.seed, 5])
            found = [self.covered.sample(rng) for _ in range(OF_FRAME)]
            return sorted(
                ((macs, spec) for spec in found if (macs := self._fits(spec)) is not None),
                key=lambda one: one[0],
            )

        return networks_of

    def _raced(
        self, workshop: Workshop, races: Sequence[Sequence[ArchSpec]], recipe: Recipe
    ) -> list[ArchSpec]:
        """The networks whose frames the supernet's are to have, one of each race."""
        path, racers = race_path(workshop.store.folder), tuple(chain.from_iterable(races))
        if len(racers) == len(races):
            return list(racers)
        if not path.exists():
            left = workshop.seconds_left() if workshop.seconds_left else None
            with storage_errors(path.parent):
                path.parent.mkdir(exist_ok=True)
            workshop.train(RaceJob(
                racers[0], replace(workshop.recipe, learning_rate=self.plan.rate), path,
                limits=workshop.executor.allotment.limits.for_longer(len(racers)), task=workshop.dataset.task,
                space=self.whole.space, specs=racers, images=race_images(recipe, len(racers)),
                seconds=None if left is None else RACE_SHARE * left,
            ))  # fmt: skip
        return winners_of(path, races)

    def _pools(self, regions: Sequence[Region], known: Pool) -> list[list[tuple[int, ArchSpec]]]:
        """Networks of each region; where random ones hardly ever are of one, those that are known count."""
        found = []
        for region in regions:
            self.covered.regions = (region,)
            found.append(self._pool(POOL // len(regions)) or [one for one in known if region.has(one[1])])
        self.covered.regions = regions
        return found

    def _trained(self, workshop: Workshop) -> dict[str, Any]:
        """Train a supernet; what is known of it then."""
        problem, store = self.whole, workshop.store
        pool = self._pool()
        if not pool:
            raise BudgetError(
                "no network within the budgets was found to train a supernet with; widen the budgets, or use "
                "--searcher front"
            )
        recipe = supernet_recipe(
            len(workshop.dataset.train),
            workshop.recipe,
            epochs=self.plan.epochs,
            learning_rate=self.plan.rate,
        )
        try:
            parts = parted(pool)
            winners = self._raced(workshop, [racers_of(part, self._of_frame(part)) for part in parts], recipe)
            regions = [
                Region(frame_of(winner), part[0][0], part[-1][0])
                for winner, part in zip(winners, parts, strict=True)
            ]
            pools = self._pools(regions, pool)
            job = SupernetJob(
                pools[-1][-1][1], recipe, weights_path(store.folder),
                checkpoint_path=standing_path(store.folder),
                limits=workshop.executor.allotment.limits.for_longer(sum(map(len, pools))),
                task=workshop.dataset.task, space=self.covered,
                pools=tuple(tuple(spec for _, spec in one) for one in pools),
                shrinking=self.plan.shrinking, seconds=_seconds_for(workshop),
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
            "least_macs": pools[0][0][0],
            "most_macs": pools[-1][-1][0],
            "capped": not problem.constraints,
            "shrinking": self.plan.shrinking,
            "recipe": recipe.to_json(),
            "result": asdict(result),
            "run": None,
        }

    def _anchored(self, workshop: Workshop, facts: dict[str, Any]) -> dict[str, Any]:
        """Train some networks alone, evenly over the MACs of those within the budgets, to make scores by.

        Those of an earlier run are taken over unless others were asked for. Each is kept as it ends.

        Returns:
            What is known of the supernet, with them.
        """
        store, asked = workshop.store, self.plan.trust
        number = ANCHORS if asked is None else asked
        if facts["run"] is not None and not asked and facts.get("anchors"):
            number = 0
        elif "asked" not in facts:
            facts = {**facts, "anchors": [], "failed": 0, "asked": number}
        for spec in self._waiting(number, facts, workshop):
            recipe = replace(workshop.recipe, seed=workshop.recipe.seed * 100_003 + ANCHOR_SEED)
            job = Job(
                spec, recipe, checkpoint_path=standing_path(store.folder),
                limits=workshop.executor.allotment.limits, task=workshop.dataset.task,
            )  # fmt: skip
            try:
                brief, alone = workshop.train(self.evaluation(job)), workshop.train(job)
            except TrialError:
                facts = {**facts, "failed": facts["failed"] + 1}
            else:
                graph = self.whole.space.graph(spec)
                one = Anchor(
                    spec.arch_id, brief.val_loss, graph.macs, graph.params, float(alone.val_accuracy or 0.0),
                    alone.seconds,
                )  # fmt: skip
                facts = {**facts, "anchors": [*facts["anchors"], asdict(one)]}
            store.set_meta(**{FOLDER: facts})
        anchors = anchors_of(facts)
        store.set_meta(trust=trust_in(anchors, facts.get("failed", 0)) if anchors or number else None)
        return facts

    def _waiting(self, number: int, facts: Mapping[str, Any], workshop: Workshop) -> Iterator[ArchSpec]:
        """Networks that are still to be trained alone, in an order that any beginning of spreads out."""
        if number == 0:
            return
        pool = self._pool()
        rows = spread_over([math.log(macs) for macs, _ in pool], number)
        order = np.random.default_rng([self.seed, 6]).permutation(rows)
        done = len(facts["anchors"]) + facts["failed"]
        left = workshop.seconds_left() if workshop.seconds_left else None
        started = time.monotonic()
        for place, row in enumerate(order[done:]):
            each = (time.monotonic() - started) / max(1, place)
            if left is not None and (place + 1) * each > ANCHOR_SHARE * left:
                return
            yield pool[row][1]

    def _taken_over(self, workshop: Workshop) -> dict[str, Any]:
        """Copy the supernet of an earlier run into this one, if it fits."""
        folder = Path(str(self.plan.run))
        facts = facts_for(folder, self.whole, workshop.dataset.fingerprint)
        target = weights_path(workshop.store.folder)
        with storage_errors(workshop.store.folder):
            target.parent.mkdir(exist_ok=True)
            shutil.copyfile(weights_path(folder), target)
        self.covered.regions = regions_of(facts)
        pool = self._pool()
        self._use(facts, target)
        assert self.covered.covers is not None
        share = sum(self.covered.covers(spec) for _, spec in pool) / max(1, len(pool))
        if share < COVERED:
            raise UnsupportedError(
                f"the supernet of {folder} has weights for {100 * share:.0f} % of the networks within these "
                f"budgets, as it was trained within others; expected {100 * COVERED:.0f} %: give tighter "
                "budgets, or train a supernet of its own (leave out --supernet)"
            )
        known = {name: value for name, value in facts.items() if name != "asked"}
        return {**known, "run": str(folder)}


def refuse_unshared(problem: Problem) -> None:
    """Refuse what a supernet cannot be made for, before anything is trained.

    Raises:
        UnsupportedError: The networks of the space cannot share weights, or the task is no classification.
    """
    if problem.task != CLASSIFICATION.name:
        raise UnsupportedError(
            f"a search by shared weights was asked for {problem.task}; expected it for classification: use "
            "--searcher front"
        )
    spec = problem.space.sample(np.random.default_rng(0))
    parts_of(problem.space.graph(spec), problem.space.sharing(spec))


def refuse_beside(kind: type[Searcher], plan: SupernetPlan | None, trained: Mapping[str, Any]) -> None:
    """Refuse settings that say how candidates are trained, where a supernet scores them.

    Args:
        kind: The class of the searcher.
        plan: Where a supernet comes from, or None for the searcher's own way to evaluate.
        trained: Such settings by name; empty ones were not given.

    Raises:
        ConfigError: One of those was given.
    """
    if plan and not issubclass(kind, OnSupernet) and kind.prepare is not Searcher.prepare:
        raise ConfigError(
            "a supernet was given for a searcher that trains a network of its own to propose by; leave out "
            "--supernet, or take another --searcher, such as nsga2"
        )
    given = [name for name, value in trained.items() if value]
    if given and (plan or issubclass(kind, OnSupernet)):
        raise ConfigError(
            f"{' and '.join(given)} and a supernet were given; with one no candidate is trained in the "
            "search: leave one of them out"
        )


def with_supernet(kind: type[Searcher], problem: Problem, seed: int, plan: SupernetPlan | None) -> Searcher:
    """A searcher, on a supernet where one was asked for.

    Args:
        kind: The class of the searcher.
        problem: What is searched.
        seed: Of the search.
        plan: Where a supernet comes from, or None for the searcher's own way to evaluate.

    Raises:
        UsageError: The searcher cannot search the problem, or no supernet can be made for it.
    """
    kind.refuse(problem)
    if not (issubclass(kind, OnSupernet) or plan):
        return kind(problem, seed)
    OnSupernet.refuse(problem)
    if issubclass(kind, OnSupernet):  # it brings the kind that proposes
        searcher = cast(Callable[[Problem, int], OnSupernet], kind)(problem, seed)
        searcher.plan = plan or searcher.plan
        return searcher
    return OnSupernet(problem, seed, kind=kind, plan=plan)


def _seconds_for(workshop: Workshop) -> float | None:
    """How long a supernet may train, stops left out; a resumed run keeps what it began with."""
    if workshop.seconds_left is None:
        return None
    seconds = workshop.store.meta("supernet_seconds")
    if seconds is None:
        seconds = max(1.0, SHARE * workshop.seconds_left())
        workshop.store.set_meta(supernet_seconds=seconds)
    return float(seconds)
