"""Fields of a device file, each checked for its kind; the errors name device and field."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgenas.errors import ConfigError


def text(what: str, document: Mapping[str, Any], name: str) -> str:
    """A field that must be a text of one line.

    Raises:
        ConfigError: It is something else.
    """
    value = document.get(name)
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise ConfigError(f"{what}{name} = {value!r}; expected a text of one line")
    return value


def texts(what: str, document: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """A field that must be a list of texts; empty if it is left out.

    Raises:
        ConfigError: It is something else.
    """
    value = document.get(name, [])
    if not isinstance(value, list) or not all(isinstance(line, str) for line in value):
        raise ConfigError(f"{what}{name} = {value!r}; expected a list of texts")
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
        raise ConfigError(f"{what}{name} = {value!r}; expected a number above 0, or leave it out")
    return value


def integer(what: str, document: Mapping[str, Any], name: str) -> int | None:
    """A field that must be a whole number above 0; None if it is left out.

    Raises:
        ConfigError: It is something else.
    """
    value = number(what, document, name)
    if isinstance(value, float):
        raise ConfigError(f"{what}{name} = {value!r}; expected a whole number above 0, or leave it out")
    return value


def table(what: str, document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A field that must be a table; empty if it is left out.

    Raises:
        ConfigError: It is something else.
    """
    value = document.get(name, {})
    if not isinstance(value, dict):
        raise ConfigError(f"{what}{name} = {value!r}; expected a table")
    return value
