"""Differentiable search: distributions over architectures that gradients have learned propose the networks.

FBNet (Wu et al. 2019) in mode ``gumbel``, ProxylessNAS (Cai et al. 2019) in mode ``binary``, on the
super-network of `edgenas.oneshot.gradient`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from edgenas.arch.spec import ArchSpec, Value
from edgenas.errors import BudgetError, EdgenasError, TrialError
from edgenas.oneshot.gradient import BATCH, EPOCHS, GradientJob, Relaxed
from edgenas.oneshot.gradient_derive import LOOKS, derived
from edgenas.oneshot.gradient_goal import Goal
from edgenas.oneshot.gradient_result import Outcome, read_outcome
from edgenas.oneshot.gradient_space import Selection, refuse_rigid
from edgenas.search.objective import metric_value
from edgenas.search.problem import Problem
from edgenas.search.searcher import SEARCHERS
from edgenas.search.searchers.reinforce import Logits, Policy, ReinforceSearcher
from edgenas.search.targets import SKELETONS, goals_of, looks, skeletons_for, within, work_of
from edgenas.search.workshop import Workshop
from edgenas.store import storage_errors
from edgenas.whole import write_whole

FOLDER = "gradient"
"""Folder of a run that holds, for each target, the search's file and ``N.json`` with what it came to."""

OUTER_LOGIT = 3.0
"""Logit of what was decided outside, in the policies that further proposals are drawn from."""

SHARE = 0.5
"""Share of the time that is left for a search which one target may take, at most."""

LEAST_SHARE = 1e-3
"""Probability that every option has at least when the policies begin."""

EXPONENT = -0.07  # MnasNet's


@SEARCHERS.register("gradient")
class GradientSearcher(ReinforceSearcher):
    """Trains a super-network for each target, derives a network from each, and draws further ones.

    The distributions that gradients learned are where the policies of `ReinforceSearcher` begin; each
    further result moves them. Unprepared, they begin uniform.

    Attributes:
        mode: See `edgenas.oneshot.gradient_gates`.
        skeletons: How many skeletons race for each target.
    """

    mode = "gumbel"
    skeletons = SKELETONS

    @classmethod
    def refuse(cls, problem: Problem) -> None:
        """Refuse a space with a choice or a block that cannot be relaxed.

        Raises:
            ConfigError: It has one; the message names it.
        """
        refuse_rigid(problem.space)

    def prepare(self, workshop: Workshop) -> None:
        """Search for each target and derive a network.

        Raises:
            ConfigError: The space has a choice that cannot be relaxed.
            EdgenasError: The super-network's loss became NaN, or it took more memory than it may.
        """
        self.refuse(self.problem)
        folder = workshop.store.folder / FOLDER
        documents: list[dict[str, Any]] = []
        inherited: Path | None = None
        for number, goal in enumerate(goals_of(self.problem, self.seed)):
            path = folder / f"{number}.json"
            if not path.exists():
                if documents and out_of_time(workshop, documents):
                    break
                self._search(workshop, goal, folder / f"{number}.npz", inherited)
            documents.append(json.loads(path.read_text(encoding="utf-8")))
            inherited = folder / f"{number}.npz"
        workshop.store.set_meta(gradient={"mode": self.mode, "targets": documents})
        self._begin_with(documents)

    def _search(self, workshop: Workshop, goal: Goal, path: Path, inherited: Path | None) -> None:
        """One search, and what it came to as a document beside its file."""
        started = time.monotonic()
        relaxed = skeletons_for(self.problem, goal, self.seed, self.skeletons)
        choosing = time.monotonic() - started
        if not relaxed:
            raise BudgetError(f"no network within the budgets was found for a target of {goal.target:g}")
        spec = relaxed[0].skeleton.spec(self.problem.space, relaxed[0].skeleton.smallest)
        checkpoint = path.with_suffix(".checkpoint.npz")
        left = workshop.seconds_left() if workshop.seconds_left else None
        recipe = replace(workshop.recipe, batch_size=min(BATCH, workshop.recipe.batch_size))
        job = GradientJob(
            spec, recipe, path, task=workshop.dataset.task, checkpoint_path=checkpoint,
            limits=replace(workshop.executor.allotment.limits, minutes=None),  # those are a candidate's
            relaxed=tuple(relaxed), goal=goal, mode=self.mode, inherited=inherited,
            seconds=None if left is None else max(1.0, SHARE * left),
        )  # fmt: skip
        with storage_errors(path.parent):
            path.parent.mkdir(exist_ok=True)
        try:
            result = workshop.train(job)
        except TrialError as error:
            raise EdgenasError(
                f"the gradient search for {goal.metric} {goal.target:g} failed: {error}"
            ) from error
        outcome = read_outcome(path)
        document = self._document(goal, relaxed[outcome.number], outcome, choosing + result.seconds)
        write_whole(path.with_suffix(".json"), json.dumps(document, indent=1) + "\n", "outcome")
        checkpoint.unlink(missing_ok=True)

    def _document(self, goal: Goal, relaxed: Relaxed, outcome: Outcome, seconds: float) -> dict[str, Any]:
        skeleton = relaxed.skeleton
        bounded = within(self.problem, goal)

        def exact(selection: Selection) -> tuple[float, bool, int]:
            cost = bounded.cost_of(skeleton.spec(bounded.space, selection))
            return metric_value(cost, goal.metric), not bounded.violated(cost), work_of(cost, goal)

        found = derived(outcome.logits, relaxed.costs, goal, exact, further=looks(bounded, LOOKS))
        return {
            "metric": goal.metric,
            "target": goal.target,
            "reached": found[0][1] if found else None,
            "spec": skeleton.spec(bounded.space, found[0][0]).to_json() if found else None,
            "outer": dict(skeleton.outer),
            "decisions": outcome.probabilities(skeleton),
            "history": list(outcome.history),
            "multipliers": list(outcome.multipliers),
            "seconds": seconds,
            "cut_short": len(outcome.history) < EPOCHS,
        }

    def _begin_with(self, documents: list[dict[str, Any]]) -> None:
        """Propose the derived networks first, then draw; a resumed run has results already."""
        specs = [ArchSpec.from_json(document["spec"]) for document in documents if document["spec"]]
        self.first = (*specs, *self.first)
        names = self.problem.space.names
        self._policies = [Policy(EXPONENT, policy_logits(document, names)) for document in documents]
        observations, self.observations = self.observations, []
        for observation in observations:
            self.tell(observation)


@SEARCHERS.register("gradient-binary")
class BinaryGradientSearcher(GradientSearcher):
    """The same with binarized gates: less memory, as only sampled networks are computed."""

    mode = "binary"


def policy_logits(document: Mapping[str, Any], names: Mapping[str, tuple[Value, ...]]) -> Logits:
    """The logits of a policy that draws what a search has learned.

    Args:
        document: What the search came to.
        names: All options of each choice; those that the search had left out get the smallest share.
    """
    logits: Logits = {name: {value: OUTER_LOGIT} for name, value in document["outer"].items()}
    for decision in document["decisions"]:
        learned = dict(zip(decision["options"], decision["shares"], strict=True))
        logits[decision["name"]] = {
            option: float(np.log(learned.get(option, 0.0) + LEAST_SHARE))
            for option in names[decision["name"]]
        }
    return logits


def out_of_time(workshop: Workshop, documents: list[dict[str, Any]]) -> bool:
    """Whether another search would take more than `SHARE` of the time that is left."""
    if workshop.seconds_left is None:
        return False
    return SHARE * workshop.seconds_left() < float(documents[-1]["seconds"])
