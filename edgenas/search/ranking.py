"""How well a training-free proxy ranked the networks that a run has trained, beside MACs and parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from edgenas.search.searcher import Observation

FEWEST = 3
"""Networks below which a rank correlation says nothing."""

Ranks = dict[str, float | None]


@dataclass(frozen=True)
class Verdict:
    """Rank correlations with the accuracy of the networks that were scored and trained.

    Attributes:
        networks: How many there are.
        kendall: Kendall's tau of ``proxy``, ``macs`` and ``params``; None where nothing can be said.
        spearman: Spearman's correlation of each.
    """

    networks: int
    kendall: Ranks
    spearman: Ranks

    @classmethod
    def of(cls, observations: Sequence[Observation], scores: Mapping[str, float]) -> Verdict:
        """From the results so far; failures and networks without a score are left out."""
        known = [
            (
                scores[one.candidate.spec.arch_id],
                one.candidate.cost.macs,
                one.candidate.cost.params,
                -one.point[0],
            )
            for one in observations
            if one.point is not None and one.candidate.spec.arch_id in scores
        ]
        columns = np.array(known, dtype=float).reshape(-1, 4).T
        kendall: Ranks = {}
        spearman: Ranks = {}
        for name, column in zip(("proxy", "macs", "params"), columns[:3], strict=True):
            kendall[name], spearman[name] = _correlations(column, columns[3])
        return cls(len(known), kendall, spearman)

    @property
    def beats_macs(self) -> bool:
        """Whether the proxy ranks better than MACs, by Kendall's tau."""
        proxy, macs = self.kendall["proxy"], self.kendall["macs"]
        return proxy is not None and (macs is None or proxy > macs)

    def words(self, proxy: str, *, off: bool) -> str:
        """One sentence for people."""
        ranked = ", ".join(
            f"{proxy if name == 'proxy' else name.replace('macs', 'MACs').replace('params', 'parameters')} "
            f"{_number(self.kendall[name])} (Spearman {_number(self.spearman[name])})"
            for name in ("proxy", "macs", "params")
        )
        action = "was switched off, as it ranks no better than MACs" if off else "stays on"
        return f"proxy {proxy} {action}; Kendall with the accuracy of {self.networks} networks: {ranked}"

    def to_json(self) -> dict[str, Any]:
        """A plain document."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Verdict:
        """What `to_json` wrote."""
        return cls(**document)


def _correlations(values: np.ndarray, accuracies: np.ndarray) -> tuple[float | None, float | None]:
    if len(values) < FEWEST or len(set(values)) < 2 or len(set(accuracies)) < 2:
        return None, None
    from scipy.stats import kendalltau, spearmanr

    return tuple(float(of(values, accuracies).statistic) for of in (kendalltau, spearmanr))  # type: ignore[return-value]


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:+.2f}"
