"""Explanations for people: what mattered, what a step up costs, what a larger budget would bring."""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import Any

from edgenas.report.grown import Grown, Offer, grown
from edgenas.report.importance import METHOD, Importance, even, importance
from edgenas.report.markup import paragraph, table, text
from edgenas.report.review import (
    climbing,
    delivered,
    effect_words,
    limits,
    mattered,
    offer_words,
    searched,
    step_words,
)
from edgenas.report.run import Run, cost_of
from edgenas.report.steps import SURE, Steps, steps
from edgenas.search.objective import metric_name

SHOWN = 8
"""Choices that are listed."""


def importance_of(run: Run) -> Importance:
    """Which choices mattered for the error and the first cost, over all comparable trials."""
    metric = run.objectives[1]
    known = [trial for trial in run.trained if cost_of(trial, metric) is not None]
    trials = [known[row] for row in even(len(known))]  # before their specs are read
    return importance(
        [trial.spec.choices for trial in trials],
        [trial.val_error or 0.0 for trial in trials],
        [cost_of(trial, metric) or 0.0 for trial in trials],
    )


class Explanation:
    """All that is said of a run, computed once.

    Args:
        run: As read from its store.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.importance = importance_of(run)
        self.steps = steps(run)
        self.grown = grown(run)

    def document(self) -> dict[str, Any]:
        """Plain data.

        Returns:
            ``run``; ``importance`` with ``method, trials, fit, chance, choices, together, reason``; ``steps``
            with ``final, noise`` and for each step ``low, high, gain, noise, clear, costs``; ``grown`` with
            ``fit, reason`` and for each budget an offer; ``review``, sentences for a design review.
        """
        return {
            "run": str(self.run.folder),
            "importance": {"method": METHOD, **asdict(self.importance)},
            "steps": {
                "final": self.steps.final,
                "noise": self.steps.noise,
                "steps": [{**asdict(step), "clear": step.clear} for step in self.steps.steps],
            },
            "grown": {
                "fit": self.grown.fit,
                "reason": self.grown.reason,
                "offers": [_offer_document(offer) for offer in self.grown.offers],
            },
            "review": self.review(),
        }

    def text(self) -> dict[str, list[str]]:
        """Lines for people, by heading."""
        run, known = self.run, self.importance
        choices = [
            f"{100 * choice.share:3.0f} %  {choice.name}: {choice.best} is better than {choice.worst} by "
            f"{effect_words(run, choice.effect)}" + ("" if choice.clear else "; may be chance")
            for choice in known.choices[:SHOWN]
        ]
        mattered = [f"cannot be said: {known.reason}"] if known.reason else choices
        climbed = [step_words(run, step) for step in self.steps.steps] or ["there is none"]
        offers = [offer_words(run, offer) for offer in self.grown.offers]
        return {
            f"Which choices mattered for {run.task.label} (share of the variance; {METHOD})": mattered,
            "What the next step up costs": climbed,
            "If a budget grew by a tenth": offers or [f"cannot be said: {self.grown.reason}"],
            "For a design review": [" ".join(self.review())],
        }

    def review(self) -> list[str]:
        """Sentences that a person can put into a design review."""
        return [
            sentence
            for sentence in (
                searched(self.run),
                delivered(self.run),
                mattered(self.run, self.importance),
                climbing(self.run, self.steps),
                *(offer_words(self.run, offer) for offer in self.grown.offers),
                limits(self.run, self.importance, self.steps, self.grown),
            )
            if sentence
        ]


def _offer_document(offer: Offer) -> dict[str, Any]:
    document = {**asdict(offer), "clear": offer.clear}
    return {**document, "cost": None if offer.cost is None else offer.cost.to_json()}


def explained(run: Run) -> str:
    """The section of the report."""
    found = Explanation(run)
    return (
        _importance_table(run, found.importance)
        + _steps_list(run, found.steps)
        + _grown_list(run, found.grown)
        + "<h3>For a design review</h3>"
        + "".join(paragraph(_text(sentence)) for sentence in found.review())
    )


def _importance_table(run: Run, found: Importance) -> str:
    head = "<h3>Which choices mattered</h3>"
    if found.reason:
        return head + paragraph(_text(f"Cannot be said: {found.reason}."), "note")
    rows = [
        [
            text(choice.name), _percent(choice.share), _percent(choice.cost_share), text(choice.best),
            text(choice.worst), text(effect_words(run, choice.effect)), "yes" if choice.clear else "no",
        ]
        for choice in found.choices[:SHOWN]
    ]  # fmt: skip
    cost = metric_name(run.objectives[1])
    headers = ["Choice", f"Share of<br>{text(run.task.label)}", f"Share of<br>{cost}", "Best", "Worst",
               "Difference", "More than chance"]  # fmt: skip
    caption = (
        f"Share of the variance that each choice explains alone; {METHOD}, {found.trials:,} trials, "
        f"R² {found.fit or 0.0:.2f} out of bag"
    )
    words = (
        f"Choices together explain another {100 * found.together:.0f} %. Results dealt out at random gave "
        f"a single choice up to {100 * found.chance:.0f} %."
    )
    return head + table(text(caption), headers, rows, numeric=(1, 2, 5)) + paragraph(words, "note")


def _percent(share: float) -> str:
    return f"{100 * share:.0f}&nbsp;%"


def _steps_list(run: Run, found: Steps) -> str:
    head = "<h3>What the next step up costs</h3>"
    if not found.steps:
        return head + paragraph("There are not two networks of which one is better and dearer.", "note")
    items = "".join(f"<li>{_text(step_words(run, step))}</li>" for step in found.steps)
    what = "Winners after their final training" if found.final else f"The front by {run.judged.ranked}"
    note = f"{what}, validation data; {found.noise}. A gain counts from {SURE:g} times its noise."
    return head + f'<ul class="warnings">{items}</ul>' + paragraph(_text(note), "note")


def _grown_list(run: Run, found: Grown) -> str:
    head = "<h3>If a budget grew by a tenth</h3>"
    if found.reason:
        return head + paragraph(_text(f"Cannot be said: {found.reason}."), "note")
    return head + "".join(paragraph(_text(offer_words(run, offer))) for offer in found.offers)


def _text(sentence: str) -> str:
    """A sentence as HTML whose figures stay with their units."""
    return re.sub(r"(\d) (%|KiB|ms|µs|[kM]|points)(?!\w)", "\\1&nbsp;\\2", text(sentence))
