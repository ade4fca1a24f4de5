"""How far winners can be trusted: their seeds, the spread of these, and how well the search ranked them."""

from __future__ import annotations

from math import hypot
from typing import Any

from edgenas.report.markup import UNKNOWN, gained, paragraph, shown, table, text
from edgenas.report.run import Run, Winner
from edgenas.task import CLASSIFICATION

FEWEST_RANKED = 3
"""Networks below which a rank correlation says nothing."""


def seeds_table(run: Run) -> str:
    """Each retrained network: what the search saw, mean and spread over seeds, and what these say."""
    retrained = [winner for winner in run.shortlist if winner.mean("val") is not None]
    if not retrained:
        return ""
    if all(winner.deviation("val") is None for winner in retrained):
        return paragraph(
            "Each winner was trained once, so the spread between seeds is unknown and its rank may be luck; "
            "<code>--seeds 3</code> shows it.",
            "note",
        ) + _correlation_words(run)
    headers = [
        "Trial", "Seeds", "Search", "Validation<br>mean ± sd", "Validation<br>best", "Test<br>mean ± sd",
        "Verdict",
    ]  # fmt: skip
    rows = [
        [
            text(winner.trial_id),
            str(len(winner.seeds)),
            shown(run.task, run.val_figure(winner.trial)),
            _spread(winner, "val"),
            shown(run.task, winner.float_val),
            _spread(winner, "test"),
            text(verdict(run, winner)),
        ]
        for winner in retrained
    ]
    figure = "Accuracy" if run.task == CLASSIFICATION else text(run.task.full_label)
    unit = ", in percent" if run.task == CLASSIFICATION else ""
    caption = f"{figure} of the Keras models by seed{unit}; dropped networks were never tested"
    words = (
        "Winners are ranked by the mean over seeds on validation images; delivered is the seed that is best "
        "there, so its own figure is a little optimistic and the mean is what to expect of another training."
    )
    return (
        table(caption, headers, rows, numeric=range(1, 6))
        + paragraph(words, "note")
        + _correlation_words(run)
    )


def verdict(run: Run, winner: Winner) -> str:
    """What the seeds of a winner say about its place."""
    if winner.note.reason is not None:
        lucky = winner.note.reason.startswith("only a lucky seed")
        return "only a lucky seed, dropped" if lucky else "dropped"
    found = within_spread(run, winner)
    if found is None:
        return "holds"
    lead, spread = gained(run.task, found["lead"]), gained(run.task, found["spread"])[1:]
    unit = " points" if run.task == CLASSIFICATION else ""
    return f"lead over {found['over']} of {lead}{unit} may be luck (spread {spread})"


def within_spread(run: Run, winner: Winner) -> dict[str, Any] | None:
    """The best of the cheaper winners, if the lead over its mean is smaller than the spread of seeds.

    Returns:
        ``over`` (its trial), ``lead`` and ``spread`` (both 0 to 1; the spread is the root of the summed
        variances of both), or None where the lead is larger or nothing can be said.
    """
    mean, own = winner.mean("val"), winner.deviation("val")
    if mean is None or own is None or winner not in run.kept:
        return None
    cheaper = [other for other in run.kept[: run.kept.index(winner)] if other.deviation("val") is not None]
    if not cheaper:
        return None
    sign = 1 if run.task.higher_is_better else -1
    nearest = max(cheaper, key=lambda other: sign * (other.mean("val") or 0.0))
    lead = sign * (mean - (nearest.mean("val") or 0.0))
    spread = hypot(own, nearest.deviation("val") or 0.0)
    return {"over": nearest.trial_id, "lead": lead, "spread": spread} if lead < spread else None


def rank_correlation(run: Run) -> dict[str, Any] | None:
    """Spearman's correlation of search scores with mean final accuracies, over all retrained networks.

    Returns:
        ``spearman`` (-1 to 1) and ``networks``, or None where there are fewer than three or all are alike.
    """
    pairs = [
        (searched, final)
        for winner in run.shortlist
        if (searched := run.val_figure(winner.trial)) is not None
        and (final := winner.mean("val")) is not None
    ]
    if len(pairs) < FEWEST_RANKED or any(len(set(values)) < 2 for values in zip(*pairs, strict=True)):
        return None
    from scipy.stats import spearmanr

    return {"spearman": float(spearmanr(*zip(*pairs, strict=True)).statistic), "networks": len(pairs)}


def _correlation_words(run: Run) -> str:
    found = rank_correlation(run)
    if found is None:
        return ""
    return paragraph(
        f"Search scores and final accuracies of the {found['networks']} retrained networks are ranked with a "
        f"Spearman correlation of <b>{found['spearman']:+.2f}</b>: 1 would mean that "
        f"{text(run.judged.ranked)} had ranked them all as the long ones did. They were chosen for "
        "being good, and so lie close together, which makes it lower than over all networks."
    )


def _spread(winner: Winner, split: str) -> str:
    mean, deviation = winner.mean(split), winner.deviation(split)
    if mean is None:
        return UNKNOWN
    figures = [mean] if deviation is None else [mean, deviation]
    if winner.task == CLASSIFICATION:
        return "&nbsp;±&nbsp;".join(f"{100 * figure:.1f}" for figure in figures)
    return "&nbsp;±&nbsp;".join(text(winner.task.format(figure)) for figure in figures)
