"""The section that draws each winner's network, with the cost of each layer."""

from __future__ import annotations

from edgenas.report.diagram import draw_network, draw_silhouette
from edgenas.report.markup import details, paragraph, text
from edgenas.report.operations import operation_rows
from edgenas.report.run import Run, Winner
from edgenas.report.wording import describe_spec
from edgenas.search.objective import format_metric

_FAMILIES = {"conv": "convolution", "depthwise": "depthwise convolution", "dense": "fully connected",
             "add": "addition", "other": "other"}  # fmt: skip


def networks(run: Run) -> str:
    """One drawing a winner; the best one's is open."""
    if not run.kept:
        return paragraph("No winners yet.", "muted")
    note = (
        "One row is one layer as the device runs it, from the input down: a convolution includes its batch "
        "normalization and activation; “/2” is a stride of 2, which halves the image; an arc is a skip "
        "connection. Bars compare the layers of one network: the longest is where the cost lies."
    )
    items = "".join(f'<li><i class="key {family}"></i>{words}</li>' for family, words in _FAMILIES.items())
    drawings = "".join(_network(winner, is_open=winner is run.best) for winner in run.kept)
    return paragraph(note, "note") + f'<ul class="legend">{items}</ul>' + drawings


def _network(winner: Winner, *, is_open: bool) -> str:
    trial = winner.trial
    rows, shape = operation_rows(trial), trial.spec.input_shape
    words = "".join(f"<li>{text(phrase)}</li>" for phrase in describe_spec(trial.spec))
    title = f'<span class="trial">Trial {text(trial.trial_id)}</span>'
    if rows:
        figures = f"{len(rows)} layers, {format_metric('macs', trial.cost.macs)} MACs"
        title += f'<span class="figures">{text(figures)}</span>'
        title += draw_silhouette(rows, shape) if trial.spec.blocks else ""
        drawing = draw_network(rows, shape, f"Layers of trial {trial.trial_id} in running order")
    else:
        drawing = paragraph(
            "Its layers are known only to the build function that made it, so it is not drawn.", "muted"
        )
    return details(title, f'<ul class="choices">{words}</ul>{drawing}', is_open=is_open)
