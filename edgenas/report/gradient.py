"""What a gradient search learned: targets against what was reached, probabilities of each decision."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgenas.report.markup import UNKNOWN, count, details, duration, paragraph, percent, quantity, table, text
from edgenas.report.run import Run
from edgenas.search.objective import metric_name

METHODS = {
    "gumbel": "Gumbel-softmax gates (Wu et al. 2019)",
    "binary": "binarized gates (Cai et al. 2019)",
}


def gradient(run: Run) -> str:
    """The section's content as HTML; empty for a run of another searcher."""
    document = run.document("gradient")
    targets = document.get("targets") or []
    if not targets:
        return ""
    said = (
        f"One super-network was trained for each of {count(len(targets), 'target')} with "
        f"{METHODS.get(document['mode'], text(document['mode']))}, weights and distribution on separate "
        "splits of the training data. The network derived from each was then trained alone, like any trial."
    )
    short = [quantity(entry["metric"], entry["target"]) for entry in targets if entry.get("cut_short")]
    if short:
        said += f" The time limit ended the search early for {', '.join(short)}."
    strips = [
        details(
            f"Learned for {quantity(entry['metric'], entry['target'])}",
            _outer(entry) + _strip(entry),
            is_open=len(targets) == 1,
        )
        for entry in targets
    ]
    return paragraph(said) + _targets(targets) + "".join(strips)


def _targets(targets: list[Mapping[str, Any]]) -> str:
    """Targets and what was reached."""
    metric = metric_name(targets[0]["metric"])
    rows = []
    for entry in targets:
        reached, last = entry["reached"], entry["history"][-1]
        rows.append([
            quantity(entry["metric"], entry["target"]),
            UNKNOWN if reached is None else quantity(entry["metric"], reached),
            percent(None if reached is None else reached / entry["target"]),
            percent(last["share_of_target"]),
            f"{last['multiplier']:+.2f}",
            percent(last["entropy"], 0),
            duration(entry["seconds"]),
        ])  # fmt: skip
    headers = [
        "Target", "Reached", "Share<br>of target", "Expectation<br>at the end", "Multiplier",
        "Entropy<br>left", "Time",
    ]  # fmt: skip
    caption = f"Predicted {metric} asked for and reached by the derived networks"
    return table(caption, headers, rows, numeric=range(1, 7), cards=True)


def _outer(entry: Mapping[str, Any]) -> str:
    """What was decided outside."""
    words = ", ".join(f"{text(name)}&nbsp;{text(value)}" for name, value in entry["outer"].items())
    return paragraph(f"Decided before, by a race of a few skeletons: {words}.", "note")


def _strip(entry: Mapping[str, Any]) -> str:
    """One row a decision; the darker an option, the likelier."""
    width = max(len(decision["options"]) for decision in entry["decisions"])
    rows = []
    for decision in entry["decisions"]:
        cells = [
            f'<span class="heat" style="--share:{100 * share:.0f}%">{text(option)}'
            f"<small>{percent(share, 0)}</small></span>"
            for option, share in zip(decision["options"], decision["shares"], strict=True)
        ]
        rows.append([text(decision["name"]), *cells, *[""] * (width - len(cells))])
    headers = ["Decision", *["Option" if at == 0 else "" for at in range(width)]]
    return table("Probabilities that the gradients learned", headers, rows)
