"""Fields of a device file, each checked for its kind; the errors name device and field."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgenas.errors import ConfigError

LONGEST_SHOWN = 80


def shown(value: object) -> str:
    """A value as a message shows it: on one line, without control characters, cut if it is long."""
    whole = value if isinstance(value, str) and value.isprintable() else repr(value)
    return whole if len(whole) <= LONGEST_SHOWN else f"{whole[:LONGEST_SHOWN]}..."


def is_line(value: object) -> bool:
    """Whether a value is a text of one line, with something on it and no control characters."""
    return isinstance(value, str) and bool(value.strip()) and value.isprintable()


def text(what: str, document: Mapping[str, Any], name: str) -> str:
    """A field that must be a text of one line.

    Raises:
        ConfigError: It is something else.
    """
    value = document.get(name)
    if not is_line(value):
        raise ConfigError(f"{what}{name} = {shown(value)}; expected a text of one line")
    return str(value)


def texts(what: str, document: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """A field that must be a list of texts; empty if it is left out.

    Raises:
        ConfigError: It is something else.
    """
    value = document.get(name, [])
    if not isinstance(value, list) or not all(is_line(line) for line in value):
        raise ConfigError(f"{what}{shown(name)} = {shown(value)}; expected a list of texts of one line each")
    return tuple(value)


def number(what: str, document: Mapping[str, Any], name: str) -> float | None:
    """A field that must be a number above 0; None if it is left out.

    Raises:
        ConfigError: It is something else.
    """
    value = document.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < 1e18:
        raise ConfigError(f"{what}{name} = {shown(value)}; expected a number above 0, or leave it out")
    return value


def integer(what: str, document: Mapping[str, Any], name: str) -> int | None:
    """A field that must be a whole number above 0; None if it is left out.

    Raises:
        ConfigError: It is something else.
    """
    value = number(what, document, name)
    if isinstance(value, float):
        raise ConfigError(f"{what}{name} = {shown(value)}; expected a whole number above 0, or leave it out")
    return value


def table(what: str, document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A field that must be a table; empty if it is left out.

    Raises:
        ConfigError: It is something else.
    """
    value = document.get(name, {})
    if not isinstance(value, dict):
        raise ConfigError(f"{what}{name} = {shown(value)}; expected a table")
    return value
