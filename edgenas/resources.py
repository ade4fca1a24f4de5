"""Where the data files that ship with edgenas lie: `devices/` and `latency_tables/`."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def shipped(folder: str) -> Path:
    """The folder ``devices`` or ``latency_tables``: in the wheel, or beside the package in a checkout."""
    in_wheel = _PACKAGE / f"_{folder}"
    return in_wheel if in_wheel.is_dir() else _PACKAGE.parent / folder
