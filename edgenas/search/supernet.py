"""Any searcher on a supernet: candidates get a score with shared weights instead of a training.

The supernet is trained once for a run, or taken from an earlier run of the same space and data: several
budgets and devices are served without training again. The wrapped searcher proposes as ever; what the
supernet has no weights for is kept from it (`CoveredSpace`).
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np

from edgenas.arch.spec import ArchSpec
from edgenas.errors import ConfigError, StoreError, UnsupportedError
from edgenas.oneshot.anchors import Expectation
from edgenas.oneshot.elastic import SharedWeights, parts_of
from edgenas.oneshot.score import ScoreJob
from edgenas.search.around import Around
from edgenas.search.covered import FRAME, CoveredSpace, covers
from edgenas.search.problem import Candidate, Problem
from edgenas.search.searcher import Observation, Searcher
from edgenas.search.supernet_making import Maker
from edgenas.search.supernet_plan import (
    FOLDER,
    SCORE,
    SupernetPlan,
    anchors_of,
    facts_for,
    regions_of,
    standing_path,
    weights_path,
)
from edgenas.search.transfer import Earlier
from edgenas.search.workshop import Workshop
from edgenas.store import Store, storage_errors
from edgenas.task import CLASSIFICATION
from edgenas.train.job import Job
from edgenas.train.weights import load_weights

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
            facts = self._taken_over(workshop) if self.plan.run else self.maker.trained(workshop)
            store.set_meta(**{FOLDER: facts})
        self._use(facts, weights_path(store.folder))
        if store.meta("trust") is None or facts.get("scored") != SCORE:
            facts = self.maker.anchored(workshop, facts, self.evaluation)
            self._use(facts, weights_path(store.folder))
        standing_path(store.folder).unlink(missing_ok=True)
        self.first = [self._of_region(spec) for spec in self.first]

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

    def recall(self, store: Store) -> None:
        """Know the regions of a run that is gone on with, before its results are told again."""
        if facts := store.meta(FOLDER):
            self.covered.regions = regions_of(facts)

    def _of_region(self, spec: ArchSpec) -> ArchSpec:
        """An architecture of the whole space with the decision which region it is of, if it is of any."""
        place = self.covered.region_of(spec)
        return spec if place is None else self.covered.from_choices({**spec.choices, FRAME: place})

    @property
    def maker(self) -> Maker:
        """What makes the supernet, by the plan as it is now."""
        return Maker(self.problem, self.plan, self.seed)

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
        self._expectation = Expectation.of(anchors_of(facts))

    def _taken_over(self, workshop: Workshop) -> dict[str, Any]:
        """Copy the supernet of an earlier run into this one, if it fits."""
        folder = Path(str(self.plan.run))
        facts = facts_for(folder, self.whole, workshop.dataset.fingerprint)
        target = weights_path(workshop.store.folder)
        with storage_errors(workshop.store.folder):
            target.parent.mkdir(exist_ok=True)
            shutil.copyfile(weights_path(folder), target)
        regions = regions_of(facts)
        most = max(region.most_macs for region in regions)
        self.covered.regions = [
            replace(region, most_macs=sys.maxsize) if region.most_macs == most else region
            for region in regions
        ]
        pool = self.maker.pool()
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
