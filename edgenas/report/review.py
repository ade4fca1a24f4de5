"""Explanations in words: sentences that a person can put into a design review."""

from __future__ import annotations

from edgenas.report.grown import GROWTH, Grown, Offer
from edgenas.report.importance import METHOD, Importance
from edgenas.report.markup import gained, listed, points
from edgenas.report.run import Run, cost_of
from edgenas.report.steps import Step, Steps
from edgenas.search.objective import VAL_ERROR, format_metric, metric_name
from edgenas.task import CLASSIFICATION


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
    ends = [format_metric(offer.metric, limit) for limit in (offer.limit, GROWTH * offer.limit)]
    grew = f"If the budget of {name} grew by a tenth ({ends[0]} to {ends[1]})"
    if offer.cost is None:
        return f"{grew}, no further network was found that it would admit."
    needs = format_metric(offer.metric, float(getattr(offer.cost, offer.metric)))
    span = [error_words(run, offer.low), error_words(run, offer.high)]
    if run.task.higher_is_better:
        span.reverse()
    verdict = "a clear gain over" if offer.clear else "no gain that could be told from"
    return (
        f"{grew}, {offer.candidates} further networks of those sampled would fit; the best of them is "
        f"predicted, not measured, to come to {error_words(run, offer.error)} (90 % interval {span[0]} to "
        f"{span[1]}) with {needs}: {verdict} the {error_words(run, offer.now)} of the best within budget, "
        f"by {run.judged.ranked}."
    )


def searched(run: Run) -> str:
    """What was searched."""
    data, device = run.document("data"), run.document("device")
    if not run.trained:
        return f"No network has been {run.judged.verb} so far, so there is nothing to explain."
    refused = sum(run.refusals.values())
    where = f" for {device['name']}" if device.get("name") else ""
    limits = " and ".join(
        f"{metric_name(name)} of at most {format_metric(name, limit)}" for name, limit in run.budgets
    )
    return (
        f"The search on {data.get('name', 'the data')}{where} {run.judged.verb} {run.networks:,} networks of "
        f"space {run.meta['space'] or 'unknown'}"
        + (f" under budgets of {limits}" if limits else "")
        + (f"; {refused:,} were refused before training because they exceed a budget." if refused else ".")
    )


def delivered(run: Run) -> str:
    """The best winner."""
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


def mattered(run: Run, found: Importance) -> str:
    """Which choices mattered."""
    if found.reason:
        return f"Which choices mattered cannot be said: {found.reason}."
    clear = [choice for choice in found.choices if choice.clear][:3]
    if not clear:
        by = f"{METHOD}, {found.trials:,} trials"
        return f"No single choice explains more of the results than chance would ({by})."
    parts = [
        f"{choice.name} ({100 * choice.share:.0f} % of the variance; {choice.best} is better than "
        f"{choice.worst} by {effect_words(run, choice.effect)} on average)"
        for choice in clear
    ]
    by = f"by {METHOD} over {found.trials:,} trials"
    return f"What mattered most for {run.task.label} was {listed(parts)}, {by}."


def climbing(run: Run, found: Steps) -> str:
    """The last step up, and the steps within noise."""
    if not found.steps:
        return ""
    last = found.steps[-1]
    where = "between winners" if found.final else "on the front of the search"
    unclear = [f"{step.low} → {step.high}" for step in found.steps[:-1] if step.clear is False]
    words = f"The last step up {where} is {step_words(run, last)}."
    if unclear:
        kind = "is the step" if len(unclear) == 1 else "are the steps"
        words += f" Within noise {kind} {listed(unclear)}: the cheaper network may do."
    return words


def limits(run: Run, known: Importance, stairs: Steps, more: Grown) -> str:
    """What the rest is to be taken with."""
    if not run.trained:
        return ""
    words = [stairs.noise] if stairs.steps else []
    if more.fit is not None and more.offers:
        words.append(
            f"the surrogate behind predictions explains {100 * max(0.0, more.fit):.0f} % of the variance "
            "of results left out, and the best of many predictions tends to be too good"
        )
    if known.choices:
        words.append("importance counts every option alike, also where the search tried few of it")
    return f"Limits: {'; '.join(words)}." if words else ""
