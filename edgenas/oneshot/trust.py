"""How far scores by shared weights can be trusted: their rank correlation with trainings of each alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import atanh, sqrt, tanh
from typing import Any

import numpy as np

FEWEST = 5
"""Networks below which no interval is given: its formula does not hold."""

NORMAL_95 = 1.96


def spread_over(scores: Sequence[float], count: int) -> list[int]:
    """Positions of some scores, as evenly over their range as they allow, ascending by score."""
    order = [int(row) for row in np.argsort(scores, kind="stable")]
    if len(order) <= count:
        return order
    chosen: list[int] = []
    for target in np.linspace(scores[order[0]], scores[order[-1]], count):
        left = [row for row in order if row not in chosen]
        chosen.append(min(left, key=lambda row: abs(scores[row] - target)))
    return sorted(chosen, key=lambda row: (scores[row], row))


def compared(pairs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """How scores, and how plain MACs, agree with trainings of each alone: scores have to do better.

    Args:
        pairs: ``score``, ``macs`` and ``alone`` (accuracy) of each network.

    Returns:
        ``agreement`` of the scores and ``agreement_of_macs``, both from `agreement`.
    """
    alone = [pair["alone"] for pair in pairs]
    return {
        "agreement": agreement([pair["score"] for pair in pairs], alone),
        "agreement_of_macs": agreement([pair["macs"] for pair in pairs], alone),
    }


def agreement(scores: Sequence[float], alone: Sequence[float]) -> dict[str, Any] | None:
    """Rank correlations of scores with accuracies of trainings alone.

    The interval is that of Fieller, Hartley and Pearson (1957): Fisher's transform of Kendall's tau has a
    standard error of about sqrt(0.437 / (n - 4)). A correlation of 1 counts as half a pair less, since so few
    networks cannot show more.

    Returns:
        ``networks``, ``kendall`` (tau b), ``low`` and ``high`` (95 %; None below five networks) and
        ``spearman``, or None below three networks or where all of one side are alike.
    """
    if len(scores) < 3 or len(set(scores)) < 2 or len(set(alone)) < 2:
        return None
    from scipy.stats import kendalltau, spearmanr

    tau = float(kendalltau(scores, alone).statistic)
    networks = len(scores)
    low = high = None
    if networks >= FEWEST:
        most = 1.0 - 2.0 / (networks * (networks - 1))
        centre = atanh(max(-most, min(most, tau)))
        reach = NORMAL_95 * sqrt(0.437 / (networks - 4))
        low, high = min(tau, tanh(centre - reach)), max(tau, tanh(centre + reach))
    spearman = float(spearmanr(scores, alone).statistic)
    return {"networks": networks, "kendall": tau, "low": low, "high": high, "spearman": spearman}
