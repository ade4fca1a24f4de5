"""Texts on the command line as values."""

from __future__ import annotations


def names(text: str) -> tuple[str, ...]:
    """Names with commas between them, empty ones left out."""
    return tuple(name.strip() for name in text.split(",") if name.strip())
