"""Checks of `edgenas verify`: what was tried, and how it went."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was tried.

    Attributes:
        subject: What was tried, for example a file.
        means: With what, for example a runtime.
        passed: Whether it works; None if it could not be tried.
        detail: Figures, or what is wrong or missing.
    """

    subject: str
    means: str
    passed: bool | None
    detail: str

    def to_json(self) -> dict[str, Any]:
        """A plain document."""
        return asdict(self)


def counts(checks: Sequence[Check]) -> dict[str, int]:
    """How many passed, failed and could not be tried."""
    words = {True: "passed", False: "failed", None: "not_tried"}
    found = dict.fromkeys(words.values(), 0)
    for check in checks:
        found[words[check.passed]] += 1
    return found
