"""How far the scores of a supernet can be trusted: words and a chart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from edgenas.oneshot.anchors import FEWEST
from edgenas.oneshot.frames import Region
from edgenas.report.axes import Frame, draw_x_axis, draw_y_axis, scale_for
from edgenas.report.markup import count, duration, figure, paragraph, text, two_sizes
from edgenas.report.run import Run
from edgenas.search.supernet_plan import regions_of


def trust_words(trust: Mapping[str, Any] | None) -> str:
    """One sentence on how the ranks of scores and of trainings alone agree; empty where it was not asked."""
    if not trust:
        return ""
    found = trust["agreement"]
    lost = f"; {trust['failed']:,} more could not be trained alone" if trust["failed"] else ""
    if found is None:
        return (
            "how far the supernet's scores can be trusted was not measured: fewer than three networks were "
            f"trained alone, or all came out alike{lost}"
        )
    interval = "" if found["low"] is None else f" (95 % interval {found['low']:+.2f} to {found['high']:+.2f})"
    return (
        f"the supernet's scores and {found['networks']} networks trained alone are ranked with a Kendall "
        f"correlation of {found['kendall']:+.2f}{interval}, Spearman {found['spearman']:+.2f}"
        f"{_rival(found, trust['agreement_of_macs'])}{lost}"
    )


def _rival(found: Mapping[str, Any], macs: Mapping[str, Any] | None) -> str:
    """What MACs alone would have been worth, and what to do where that is as much."""
    if macs is None:
        return ""
    told = f"; MACs alone rank them with {macs['kendall']:+.2f}"
    if found["kendall"] > macs["kendall"]:
        return told
    return f"{told}, so the scores rank them no better: train the supernet longer, or take --searcher front"


def trust_section(run: Run) -> str:
    """What was measured, for the report; empty for a run without a supernet."""
    supernet, trust = run.document("supernet"), run.document("trust")
    if not supernet:
        return ""
    told = text(_about(supernet)) + _length(supernet["result"])
    if not trust:
        return paragraph(told)
    words = trust_words(trust)
    shown = paragraph(told) + paragraph(text(f"{words[:1].upper()}{words[1:]}."))
    pairs = trust["pairs"]
    if len(pairs) < 2:
        return shown
    drawing = two_sizes(_chart(pairs, Frame(640, 300)), _chart(pairs, Frame(368, 280, left=44)))
    caption = f"Score by the supernet against validation accuracy of {len(pairs)} networks trained alone."
    return shown + figure(drawing, caption) + paragraph(_note(supernet), "note")


def _about(supernet: Mapping[str, Any]) -> str:
    """Where the supernet comes from, and what its networks have in common."""
    origin = "was trained once for this run" if supernet["run"] is None else f"is that of {supernet['run']}"
    about = (
        f"No candidate was trained in the search: each got a score with weights cut from one supernet, which "
        f"{origin} and has those of {supernet['networks']:,} networks of {supernet['least_macs']:,} to "
        f"{supernet['most_macs']:,} MACs."
    )
    regions = regions_of(supernet)
    if len(regions) > 1:
        about += f" They are of {len(regions)} frames, each with tensors of its own:"
        about += ";".join(
            f" {place}{_bound(region, regions)}: {_decisions(region.frame)}"
            for place, region in enumerate(regions)
        )
        about += "."
    elif regions[0].frame:
        about += f" All of them have one frame: {_decisions(regions[0].frame)}."
    if supernet["capped"]:
        about += " Networks of more MACs were left out, as no budget was given."
    return about


def _bound(region: Region, regions: Sequence[Region]) -> str:
    """Up to how many MACs its networks go, if others go to another number, as in runs of earlier versions."""
    differ = len({one.most_macs for one in regions}) > 1
    return f", up to {region.most_macs:,} MACs" if differ else ""


def _note(supernet: Mapping[str, Any]) -> str:
    """How the networks trained alone were chosen and used."""
    luck = "A training alone has luck of its own, so even a perfect score would not reach 1."
    if "anchors" not in supernet:
        return (
            "The networks were chosen evenly over the range of scores, which makes a correlation higher than "
            f"among networks that are all good. {luck}"
        )
    used = "Scores are made by all of them; here the score of each was made without its own training. "
    return (
        "The networks were chosen evenly over the range of MACs, which makes a correlation higher than among "
        f"networks of one size. {used if len(supernet['anchors']) >= FEWEST else ''}{luck}"
    )


def _decisions(frame: Mapping[str, Any]) -> str:
    """What the networks of a frame share, in words."""
    return ", ".join(f"{name} {value}" for name, value in frame.items())


def _length(result: Mapping[str, Any]) -> str:
    """How long a supernet was trained, as HTML."""
    end = ", cut short by the time limit" if result["stopped_early"] else ""
    return f" Its training took {duration(result['seconds'])} and {count(result['epochs'], 'epoch')}{end}."


def _chart(pairs: Sequence[Mapping[str, Any]], frame: Frame) -> str:
    """Scores and accuracies in percent, one dot a network."""
    scores = [100 * pair["score"] for pair in pairs]
    alone = [100 * pair["alone"] for pair in pairs]
    x, y = scale_for(scores, *frame.x_range), scale_for(alone, *frame.y_range)
    words = [
        f"network {pair['trial']}: score {score:.1f} %, trained alone {accuracy:.1f} %"
        for pair, score, accuracy in zip(pairs, scores, alone, strict=True)
    ]
    dots = "".join(
        f'<circle class="on" cx="{x(score)}" cy="{y(accuracy)}" r="4"><title>{text(name)}</title></circle>'
        for name, score, accuracy in zip(words, scores, alone, strict=True)
    )
    axes = draw_y_axis(frame, y, 5, " %") + draw_x_axis(frame, x, "score by the supernet, %", 6)
    return frame.svg(f"Score against accuracy alone of {len(pairs)} networks", axes + dots)
