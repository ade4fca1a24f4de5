"""Explanations for people: what mattered, what a step up costs, what a larger budget would bring."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from edgenas.report.grown import Grown, Offer, grown
from edgenas.report.importance import METHOD, Importance, importance
from edgenas.report.markup import gained, listed, paragraph, points, table, text
from edgenas.report.run import Run, cost_of
from edgenas.report.steps import SURE, Step, Steps, steps
from edgenas.search.objective import VAL_ERROR, format_metric, metric_name
from edgenas.task import CLASSIFICATION

SHOWN = 8
"""Choices that are listed."""


def importance_of(run: Run) -> Importance:
    """Which choices mattered for the error and the first cost, over all comparable trials."""
    metric = run.objectives[1]
    trials = [trial for trial in run.trained if cost_of(trial, metric) is not None]
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
                _searched(self.run),
                _delivered(self.run),
                _mattered(self.run, self.importance),
                _climbing(self.run, self.steps),
                *(offer_words(self.run, offer) for offer in self.grown.offers),
                _limits(self),
            )
            if sentence
        ]


def _offer_document(offer: Offer) -> dict[str, Any]:
    document = {**asdict(offer), "clear": offer.clear}
    return {**document, "cost": None if offer.cost is None else offer.cost.to_json()}


def error_words(run: Run, error: float) -> str:
    """A validation error as the figure that people read."""
    if run.task == CLASSIFICATION:
        return f"{100 * (1 - error):.1f} %"
    return f"AUC {1 - error:.3f}" if run.task.metric == "auc" else f"relative RMSE {error:.3f}"


def effect_words(run: Run, effect: float) -> str:
    """A difference of validation errors, for people."""
    return f"{100 * effect:.1f} points" if run.task == CLASSIFICATION else f"{effect:.3f} of the error"


def gain_words(run: Run, gain: float) -> str:
    """A gain of the task's figure with its unit."""
    if run.task == CLASSIFICATION:
        return f"{points(gain)} points"
    sign = 1 if run.task.higher_is_better else -1
    return f"{gained(run.task, sign * gain)} {run.task.label}".replace("&nbsp;", " ")


def step_words(run: Run, step: Step) -> str:
    """A step in one sentence."""
    costs = [
        f"{format_metric(name, before)} → {format_metric(name, after)} {metric_name(name)} "
        f"({100 * (after / before - 1):+.0f} %)"
        for name, (before, after) in step.costs.items()
        if before
    ]
    return (
        f"{step.low} → {step.high}: {gain_words(run, step.gain)} for {listed(costs)}{_certainty(run, step)}"
    )


def _certainty(run: Run, step: Step) -> str:
    if step.noise is None:
        return ""
    return "" if step.clear else f"; within noise (one standard deviation is {_amount(run, step.noise)})"


def _amount(run: Run, value: float) -> str:
    return f"{100 * value:.1f} points" if run.task == CLASSIFICATION else run.task.format(value)


def offer_words(run: Run, offer: Offer) -> str:
    """What a budget a tenth larger would bring, in one or two sentences that say it is a prediction."""
    name = metric_name(offer.metric)
    more = f"{format_metric(offer.metric, offer.limit)} to {format_metric(offer.metric, 1.1 * offer.limit)}"
    if offer.cost is None:
        return f"If the budget of {name} grew by a tenth ({more}), no further network was found that it would admit."
    needs = format_metric(offer.metric, float(getattr(offer.cost, offer.metric)))
    ends = [error_words(run, offer.low), error_words(run, offer.high)]
    verdict = "a clear gain over" if offer.clear else "no gain that could be told from"
    return (
        f"If the budget of {name} grew by a tenth ({more}), {offer.candidates} further networks of those sampled "
        f"would fit; the best of them is predicted, not measured, to come to {error_words(run, offer.error)} "
        f"(90 % interval {ends[0]} to {ends[1]}) with {needs}: {verdict} the "
        f"{error_words(run, offer.now)} of the best within budget, after the short training of the search."
    )


def _searched(run: Run) -> str:
    data, device = run.document("data"), run.document("device")
    if not run.trained:
        return "No network has been trained so far, so there is nothing to explain."
    refused = sum(run.refusals.values())
    where = f" for {device['name']}" if device.get("name") else ""
    limits = " and ".join(
        f"{metric_name(name)} of at most {format_metric(name, limit)}" for name, limit in run.budgets
    )
    return (
        f"The search on {data.get('name', 'the data')}{where} trained {run.networks:,} networks of space "
        f"{run.meta['space'] or 'unknown'}"
        + (f" under budgets of {limits}" if limits else "")
        + (f"; {refused:,} were refused before training because they exceed a budget." if refused else ".")
    )


def _delivered(run: Run) -> str:
    best = run.best
    if best is None or best.val_figure is None:
        return ""
    task, costs = run.task, [name for name in run.objectives if name != VAL_ERROR]
    figures = listed([f"{format_metric(name, value)} {metric_name(name)}" for name in costs
                      if (value := cost_of(best.trial, name)) is not None])  # fmt: skip
    tested = (
        f", {task.format(best.int8_test)} on test data as an int8 file" if best.int8_test is not None else ""
    )
    return (
        f"The best of {len(run.kept)} winners on validation data is trial {best.trial_id}: {task.label} "
        f"{task.format(best.val_figure)}{tested}, at {figures}."
    )


def _mattered(run: Run, found: Importance) -> str:
    if found.reason:
        return f"Which choices mattered cannot be said: {found.reason}."
    clear = [choice for choice in found.choices if choice.clear][:3]
    if not clear:
        return f"No single choice explains more of the results than chance would ({METHOD}, {found.trials:,} trials)."
    parts = [
        f"{choice.name} ({100 * choice.share:.0f} % of the variance; {choice.best} is better than {choice.worst} by "
        f"{effect_words(run, choice.effect)} on average)"
        for choice in clear
    ]
    return f"What mattered most for {run.task.label} was {listed(parts)}, by {METHOD} over {found.trials:,} trials."


def _climbing(run: Run, found: Steps) -> str:
    if not found.steps:
        return ""
    last = found.steps[-1]
    where = "between winners" if found.final else "on the front of the search"
    unclear = [f"{step.low} → {step.high}" for step in found.steps if step.clear is False]
    words = f"The last step up {where} is {step_words(run, last)}."
    if unclear:
        words += f" Within noise are the steps {listed(unclear)}: the cheaper network of each may do."
    return words


def _limits(found: Explanation) -> str:
    run = found.run
    if not run.trained:
        return ""
    words = [f"noise is taken from {found.steps.noise}"] if found.steps.steps else []
    if found.grown.fit is not None and found.grown.offers:
        words.append(
            f"the surrogate behind predictions explains {100 * max(0.0, found.grown.fit):.0f} % of the variance of "
            "results left out, and the best of many predictions tends to be too good"
        )
    words.append("importance counts every option alike, also where the search tried few of it")
    return f"Limits: {'; '.join(words)}."


# --- in the report ---


def explained(run: Run) -> str:
    """The section of the report."""
    found = Explanation(run)
    return (
        _importance_table(run, found.importance)
        + _steps_list(run, found.steps)
        + _grown_list(run, found.grown)
        + "<h3>For a design review</h3>"
        + "".join(paragraph(text(sentence)) for sentence in found.review())
    )


def _importance_table(run: Run, found: Importance) -> str:
    head = "<h3>Which choices mattered</h3>"
    if found.reason:
        return head + paragraph(text(f"Cannot be said: {found.reason}."), "note")
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
        f"Choices together explain another {100 * found.together:.0f} %. Results dealt out at random gave a single "
        f"choice up to {100 * found.chance:.0f} %."
    )
    return head + table(text(caption), headers, rows, numeric=(1, 2, 5)) + paragraph(words, "note")


def _percent(share: float) -> str:
    return f"{100 * share:.0f}&nbsp;%"


def _steps_list(run: Run, found: Steps) -> str:
    head = "<h3>What the next step up costs</h3>"
    if not found.steps:
        return head + paragraph("There are not two networks of which one is better and dearer.", "note")
    items = "".join(f"<li>{text(step_words(run, step))}</li>" for step in found.steps)
    what = "Winners after their final training" if found.final else "The front after short trainings"
    note = (
        f"{what}, validation data. Noise is taken from {found.noise}; a gain counts from {SURE:g} times it."
    )
    return head + f'<ul class="warnings">{items}</ul>' + paragraph(text(note), "note")


def _grown_list(run: Run, found: Grown) -> str:
    head = "<h3>If a budget grew by a tenth</h3>"
    if found.reason:
        return head + paragraph(text(f"Cannot be said: {found.reason}."), "note")
    return head + "".join(paragraph(text(offer_words(run, offer))) for offer in found.offers)
