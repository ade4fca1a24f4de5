"""Why each winner was chosen, and what its neighbours on the front would cost or give."""

from __future__ import annotations

from edgenas.records import TrialRecord
from edgenas.report.markup import gained, listed, paragraph, text
from edgenas.report.run import Run, Winner, cost_of
from edgenas.search.objective import metric_name
from edgenas.task import CLASSIFICATION


def reasons(run: Run) -> str:
    """One entry for each candidate of the short list, those dropped afterwards at the end."""
    if not run.shortlist:
        return paragraph("No winners yet.", "muted")
    items = [
        f"<dt>Trial {text(winner.trial_id)}</dt><dd>{_why(winner)}{_neighbours(run, winner.trial)}</dd>"
        for winner in run.kept
    ]
    items += [
        f'<dt class="dropped">Trial {text(winner.trial_id)} <span>dropped</span></dt>'
        f"<dd>{_why(winner)}<p>Not kept: {text(winner.note.reason)}.</p></dd>"
        for winner in run.dropped
    ]
    what = "Accuracies" if run.task == CLASSIFICATION else "Figures"
    note = f"{what} compared here are on validation data, from {text(run.judged.ranked)}."
    return f'<dl class="reasons">{"".join(items)}</dl>' + paragraph(note, "note")


def _why(winner: Winner) -> str:
    words = winner.note.why
    return f"<p>{text(words[:1].upper() + words[1:])}.</p>"


def _neighbours(run: Run, trial: TrialRecord) -> str:
    """What the neighbours along the first cost would change."""
    metric = run.objectives[1]
    own = cost_of(trial, metric) or 0.0
    others = [other for other in run.front if other.trial_id != trial.trial_id]
    cheaper = [other for other in others if (cost_of(other, metric) or 0.0) < own]
    dearer = [other for other in others if (cost_of(other, metric) or 0.0) > own]
    parts = []
    if cheaper:
        parts.append(f"Against the next cheaper, {_exchange(run, cheaper[-1], trial, 'it gives')}")
    if dearer:
        parts.append(f"The next more expensive, {_exchange(run, trial, dearer[0], 'gives', named=dearer[0])}")
    return f"<ul>{''.join(f'<li>{part}</li>' for part in parts)}</ul>" if parts else ""


def _exchange(
    run: Run, low: TrialRecord, high: TrialRecord, verb: str, *, named: TrialRecord | None = None
) -> str:
    gain = gained(run.task, (run.val_figure(high) or 0.0) - (run.val_figure(low) or 0.0))
    unit = "&nbsp;points</b> of accuracy" if run.task == CLASSIFICATION else f"</b> {run.task.label}"
    costs = [
        f"<b>{_factor((cost_of(high, metric) or 0.0) / before)}×</b> the {metric_name(metric)}"
        for metric in run.objectives[1:]
        if (before := cost_of(low, metric))
    ]
    trial = text((named or low).trial_id)
    return f"trial {trial}, {verb} <b>{gain}{unit} for {listed(costs)}."


def _factor(ratio: float) -> str:
    return f"{ratio:.0f}" if ratio >= 10 else f"{ratio:.1f}" if ratio >= 1.95 else f"{ratio:.2f}"
