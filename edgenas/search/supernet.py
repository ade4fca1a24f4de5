"""Any searcher on a supernet: candidates get a score with shared weights instead of a training.

The supernet is trained once for a run, or taken from an earlier run of the same space and data: several
budgets and devices are served without training again. The wrapped searcher proposes as ever; what the
supernet has no weights for is kept from it (`CoveredSpace`).
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, cast

import numpy as np

from edgenas.arch.spec import ArchSpec, Value
from edgenas.errors import BudgetError, ConfigError, EdgenasError, StoreError, TrialError, UnsupportedError
from edgenas.oneshot.elastic import SharedWeights, extents_of, parts_of
from edgenas.oneshot.frames import Frame, RaceJob, frame_of, is_in, race_images, racers_of, winner_of
from edgenas.oneshot.pool import capped, trained_with
from edgenas.oneshot.score import ScoreJob
from edgenas.oneshot.supernet import SupernetJob, supernet_recipe
from edgenas.search.around import Around
from edgenas.search.covered import CoveredSpace, covers
from edgenas.search.problem import Candidate, Problem
from edgenas.search.searcher import Observation, Searcher
from edgenas.search.supernet_plan import (
    FOLDER,
    SupernetPlan,
    facts_for,
    problem_facts,
    race_path,
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

SHARE = 0.5
"""Share of a search's time that its supernet is trained for, at most."""

RACE_SHARE = 0.1
"""Share of a search's time that is spent on choosing a frame, at most."""

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
        standing_path(store.folder).unlink(missing_ok=True)
        self._use(facts, weights_path(store.folder))

    def evaluation(self, job: Job) -> Job:
        """The score of a candidate with weights cut from the supernet.

        Raises:
            TrialError: The supernet has no weights for it.
        """
        assert self._weights is not None
        names = self.whole.space.sharing(job.spec)
        cut = self._weights.cut(parts_of(self.whole.space.graph(job.spec), names))
        return ScoreJob(
            job.spec, job.recipe, job.weights_path, limits=job.limits, task=job.task,
            names=names, weights=tuple(cut),
        )  # fmt: skip

    def _use(self, facts: Mapping[str, Any], path: Path) -> None:
        try:
            arrays = load_weights(path)
            self._weights = SharedWeights(dict(zip(sorted(facts["tensors"]), arrays, strict=True)))
        except (StoreError, ValueError) as error:
            raise StoreError(
                f"the supernet {path} cannot be read: {error}; bring it back or search in another folder"
            ) from error
        self.covered.frame = facts.get("frame", {})
        self.covered.covers = covers(self.whole.space, self._weights, facts["most_macs"], self.covered.frame)

    def _pool(self) -> list[tuple[int, ArchSpec]]:
        """Networks of the frame within the budgets, with MACs; without a budget all but the largest."""
        problem = self.problem

        def fits(spec: ArchSpec) -> int | None:
            cost = problem.cost_of(spec)
            return None if problem.violated(cost) else cost.macs

        def descend(spec: ArchSpec, rng: np.random.Generator) -> ArchSpec:
            return problem.descend(spec, rng).spec

        pool = trained_with(problem.space, fits, descend, self.seed)
        return pool if problem.constraints else capped(pool)

    def _framed(
        self, workshop: Workshop, pool: Sequence[tuple[int, ArchSpec]], recipe: Recipe
    ) -> dict[str, Value]:
        """The frame in which the supernet's networks are to be looked for, found by a race."""
        path = race_path(workshop.store.folder)
        racers = tuple(racers_of([spec for _, spec in pool]))
        if len(racers) == 1:
            return frame_of(racers[0])
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
        return frame_of(winner_of(path, racers))

    def _pool_of(self, frame: Frame, pool: Sequence[tuple[int, ArchSpec]]) -> list[tuple[int, ArchSpec]]:
        """Networks of a frame; where budgets are so tight that none is found again, those that are known."""
        self.covered.frame = frame
        return self._pool() or [one for one in pool if is_in(frame, one[1])]

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
            pool = self._pool_of(self._framed(workshop, pool, recipe), pool)
            specs = tuple(spec for _, spec in pool)
            job = SupernetJob(
                specs[-1], recipe, weights_path(store.folder), checkpoint_path=standing_path(store.folder),
                limits=workshop.executor.allotment.limits.for_longer(len(specs)), task=workshop.dataset.task,
                space=problem.space, specs=specs, shrinking=self.plan.shrinking,
                seconds=_seconds_for(workshop),
            )  # fmt: skip
            result = workshop.train(job)
        except TrialError as error:
            raise EdgenasError(f"the supernet of {store.folder} could not be trained: {error}") from error
        extents, _ = extents_of(problem.space, specs)
        return {
            **problem_facts(problem, workshop.dataset.fingerprint),
            "frame": dict(self.covered.frame),
            "tensors": {name: list(shape) for name, shape in extents.items()},
            "networks": len(specs),
            "least_macs": pool[0][0],
            "most_macs": pool[-1][0],
            "capped": not problem.constraints,
            "shrinking": self.plan.shrinking,
            "recipe": recipe.to_json(),
            "result": asdict(result),
            "run": None,
        }

    def _taken_over(self, workshop: Workshop) -> dict[str, Any]:
        """Copy the supernet of an earlier run into this one, if it fits."""
        folder = Path(str(self.plan.run))
        facts = facts_for(folder, self.whole, workshop.dataset.fingerprint)
        target = weights_path(workshop.store.folder)
        with storage_errors(workshop.store.folder):
            target.parent.mkdir(exist_ok=True)
            shutil.copyfile(weights_path(folder), target)
        self.covered.frame = facts.get("frame", {})
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
        return {**facts, "run": str(folder)}


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
