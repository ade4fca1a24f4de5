"""Whole networks of families never seen, predicted on each phone and board from the other families."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import groupby
from typing import Any

import numpy as np
from phones_data import Row

from edgenas.cost.transfer_kernels import core_network_features, core_prior
from edgenas.cost.transfer_log import leave_out

FEWEST_FAMILIES, FEWEST_ROWS = 3, 8
"""Fewer do not make a test of leaving a family out; such settings are listed with what they have."""


def settings(rows: Sequence[Row]) -> list[list[Row]]:
    """Rows of one setting and precision together."""

    def key(row: Row) -> tuple[str, str]:
        return row.setting, row.precision

    return [list(group) for _, group in groupby(sorted(rows, key=key), key=key)]


def family_out(rows: Sequence[Row]) -> dict[str, Any]:
    """One setting: each family predicted from a fit to the others."""
    head = {"setting": rows[0].setting, "precision": rows[0].precision, "networks": len(rows)}
    families = [row.family for row in rows]
    if len(set(families)) < FEWEST_FAMILIES or len(rows) < FEWEST_ROWS:
        return {**head, "families": sorted(set(families)), "too_few": True}
    counts = np.array([core_network_features(row.graph, row.precision) for row in rows])
    measured = np.array([row.latency_ms for row in rows])
    prior = partial(core_prior, rows[0].precision)
    found = leave_out(prior, counts, measured, families)
    return {
        **head,
        "within_10_percent": round(float(np.mean(np.abs(found.errors) < 0.10)), 3),
        "mean_error": round(float(np.abs(found.errors).mean()), 4),
        "worst_error": round(float(np.abs(found.errors).max()), 3),
        "bias_by_family": {
            family: round(
                float(np.mean([e for e, f in zip(found.errors, families, strict=True) if f == family])), 3
            )
            for family in sorted(set(families))
        },
        "constant_per_mac_within_10_percent": round(float(np.mean(np.abs(per_mac(rows)) < 0.10)), 3),
        "errors": [round(float(error), 4) for error in found.errors],
    }


def per_mac(rows: Sequence[Row]) -> np.ndarray:
    """Errors when latency is a constant times MACs, the constant the median of the other families."""
    rates = np.array([row.latency_ms / row.graph.macs for row in rows])
    families = np.array([row.family for row in rows])
    return np.array(
        [
            np.median(rates[families != family]) / rate - 1
            for rate, family in zip(rates, families, strict=True)
        ]
    )
