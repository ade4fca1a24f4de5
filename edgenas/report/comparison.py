"""Winners side by side: their figures, why each was chosen, and how far the test set agrees."""

from __future__ import annotations

from edgenas.report.intervals import wilson
from edgenas.report.markup import UNKNOWN, details, paragraph, percent, points, table, text
from edgenas.report.run import Run, Winner, cost_of, val_accuracy
from edgenas.search.objective import format_metric, metric_name
from edgenas.store import TrialRecord


def winners_table(run: Run) -> str:
    """All figures of the winners, one row each, and their files."""
    if not run.kept:
        return paragraph("No winners yet.", "muted")
    headers = [
        "Trial", "Test<br>int8", "Validation<br>int8", "Validation<br>float", "int8 −<br>float", "Latency",
        "Peak RAM", "Flash", "MACs", "Params",
    ]  # fmt: skip
    rows = [_figures(winner, best=winner is run.best) for winner in run.kept]
    caption = "Winners, accuracies in percent, differences in points; costs for int8, batch 1"
    ids = [winner.trial_id for winner in run.kept]
    shown = table(caption, headers, rows, numeric=range(1, 10), cards=True, row_ids=ids)
    return shown + _notes(run) + _files(run)


def _figures(winner: Winner, *, best: bool) -> list[str]:
    cost = winner.trial.cost
    reference = winner.float_bundle if winner.float_bundle is not None else winner.float_val
    gap = UNKNOWN
    if winner.int8_val is not None and reference is not None:
        gap = points(winner.int8_val - reference)
    return [
        f"{text(winner.trial_id)}{' <span class=best>best</span>' if best else ''}",
        percent(winner.int8_test),
        percent(winner.int8_val),
        percent(winner.float_val),
        gap,
        _latency(winner),
        *(_metric(metric, value) for metric, value in (
            ("peak_ram_bytes", cost.peak_ram_bytes), ("flash_bytes", winner.flash_bytes),
            ("macs", cost.macs), ("params", cost.params),
        )),
    ]  # fmt: skip


def _metric(metric: str, value: float) -> str:
    return text(format_metric(metric, value)).replace(" ", "&nbsp;")


def _latency(winner: Winner) -> str:
    cost = winner.trial.cost
    if cost.latency_ms is None:
        return UNKNOWN
    interval = ""
    if cost.latency_low_ms is not None and cost.latency_high_ms is not None:
        interval = f"<small>{cost.latency_low_ms:.3g} to {cost.latency_high_ms:.3g}</small>"
    return _metric("latency_ms", cost.latency_ms) + interval


def _notes(run: Run) -> str:
    cost = run.kept[0].trial.cost
    notes = []
    if cost.latency_ms is None:
        notes.append(f"Nothing is known of latency on {text(cost.device)} with {text(cost.runtime)}.")
    else:
        notes.append(
            f"Latency is for {text(cost.device)} with {text(cost.runtime)}, {cost.threads} "
            f"thread{'s' * (cost.threads != 1)}; its origin is “{text(cost.source)}”, and nine times in ten "
            "the true value lies in the interval below it."
        )
    notes.append(
        "Peak RAM is predicted; flash is the size of the int8 file where it was written, else predicted."
    )
    return paragraph(" ".join(notes), "note")


def _files(run: Run) -> str:
    rows = [
        [
            f"{text(winner.trial_id)}/{text(file.file)}",
            text(f"{file.format} {file.precision}".strip()),
            _metric("flash_bytes", file.size_bytes) if file.size_bytes is not None else UNKNOWN,
            percent(file.accuracy.get("test")),
            f'<code title="{text(file.sha256)}">{text(file.sha256[:12])}</code>' if file.sha256 else UNKNOWN,
        ]
        for winner in run.kept
        for file in winner.delivered.files
    ]
    if not rows:
        return ""
    headers = ["File", "Format", "Size", "Test accuracy", "SHA-256 begins"]
    shown = table("Files below <code>winners/</code>", headers, rows, numeric=(2, 3), cards=True)
    return details(f"Files of all winners ({len(rows)})", shown)


def reasons(run: Run) -> str:
    """Why each winner was chosen, and what its neighbours on the front would cost or give."""
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
    note = (
        "Accuracies compared here are those after the short training of the search, equal for all candidates."
    )
    return f'<dl class="reasons">{"".join(items)}</dl>' + paragraph(note, "note")


def _why(winner: Winner) -> str:
    words = winner.note.why
    return f"<p>{text(words[:1].upper() + words[1:])}.</p>"


def _neighbours(run: Run, trial: TrialRecord) -> str:
    metric = run.objectives[1]
    own = cost_of(trial, metric)
    others = [other for other in run.front if other.trial_id != trial.trial_id]
    if own is None or not others:
        return ""
    cheaper = [other for other in others if (cost_of(other, metric) or 0.0) < own]
    dearer = [other for other in others if (cost_of(other, metric) or 0.0) > own]
    parts = []
    if cheaper:
        parts.append(_exchange("Against the next cheaper", cheaper[-1], cheaper[-1], trial, metric))
    if dearer:
        parts.append(_exchange("The next more expensive", dearer[0], trial, dearer[0], metric))
    return f"<ul>{''.join(f'<li>{part}</li>' for part in parts)}</ul>" if parts else ""


def _exchange(opening: str, named: TrialRecord, low: TrialRecord, high: TrialRecord, metric: str) -> str:
    gain = (val_accuracy(high) or 0.0) - (val_accuracy(low) or 0.0)
    factor = (cost_of(high, metric) or 0.0) / max(cost_of(low, metric) or 0.0, 1e-12)
    verb = "gives" if named is high else "it gives"
    return (
        f"{opening}, trial {text(named.trial_id)}{'' if named is high else ','} {verb} "
        f"<b>{points(gain)}&nbsp;points</b> for <b>{factor:.2g}×</b> the {text(metric_name(metric))}."
    )


def overfitting(run: Run) -> str:
    """Validation against test accuracy of the winners, with the test's interval."""
    images = run.document("data").get("test")
    known = [
        winner for winner in run.kept if winner.int8_test is not None and _validation(winner) is not None
    ]
    if not known or not images:
        return paragraph(
            "The test set has not been touched yet; only exported winners meet it, once.", "muted"
        )
    rows, above = [], 0
    for winner in known:
        test, validation = winner.int8_test or 0.0, _validation(winner) or 0.0
        low, high = wilson(test, images)
        above += validation > high
        rows.append(
            [
                text(winner.trial_id),
                percent(validation),
                percent(test),
                points(test - validation),
                f"{100 * low:.1f} to {100 * high:.1f}",
            ]
        )
    headers = ["Trial", "Validation", "Test", "Test − validation", "95 % interval of test"]
    caption = f"Accuracy in percent of the int8 files; {images:,} test images"
    shown = table(caption, headers, rows, numeric=range(1, 5))
    return shown + paragraph(_verdict(len(known), above, images))


def _validation(winner: Winner) -> float | None:
    return winner.int8_val if winner.int8_val is not None else winner.float_val


def _verdict(winners: int, above: int, images: int) -> str:
    if above:
        return (
            f"{above} of {winners} winners did better on validation than the test’s interval allows: the "
            "search has fitted itself to the validation images to some degree, and the test figures are the "
            "ones to trust."
        )
    width = (
        "A test set this small has a wide interval, so a small effect would not show. "
        if images < 2000
        else ""
    )
    return (
        "No winner’s validation accuracy lies above the interval of its test accuracy: there is no sign that "
        f"the search has fitted itself to the validation images. {width}"
        "Expect a small optimism of validation anyway, because the search chose by it."
    )
