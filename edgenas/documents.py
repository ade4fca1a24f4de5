"""Documents that others wrote: what is wrong with one is said in one line, whatever it is.

JSON and TOML can hold anything where a number or a list is expected. `reading` stands around the code
that takes a document apart, `check_fields` compares the value that came of it with the types of its fields.
"""

from __future__ import annotations

import contextlib
import types
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from edgenas.errors import ConfigError, EdgenasError

LONGEST_SHOWN = 80
LARGEST_WHOLE = 2**63
"""Whole numbers of a document lie below it, as NumPy's and SQLite's do."""

WRONG_FORM = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What Python raises over a document of another form than the code expects."""

_KINDS: dict[type, dict[str, Any]] = {}
"""What fields hold, by class; hints are slow to resolve."""


@contextlib.contextmanager
def reading(what: str, mend: str) -> Iterator[None]:
    """Turn what goes wrong over a document of another form into one line.

    Args:
        what: What is read, for example ``manifest``.
        mend: What to do, for example ``export again``.

    Raises:
        ConfigError: The document has another form.
    """
    try:
        yield
    except EdgenasError:
        raise
    except WRONG_FORM as error:
        reason = " ".join(str(error).split())[: 2 * LONGEST_SHOWN]
        kind = "" if isinstance(error, (TypeError, ValueError)) else f"{type(error).__name__}: "
        raise ConfigError(f"a damaged {what} was given ({kind}{reason}); {mend}") from None


def check_fields(value: Any, what: str, mend: str) -> None:
    """Make sure that the fields of a dataclass hold what their annotations say, and those of its parts.

    Raises:
        ConfigError: One does not; it is named.
    """
    for name, kind in _kinds(type(value)).items():
        found = getattr(value, name)
        if not fits(found, kind):
            text = repr(found)
            shown = text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."
            wanted = getattr(kind, "__name__", None) if not get_args(kind) else str(kind)
            raise ConfigError(f"a damaged {what} was given ({name} = {shown}; expected {wanted}); {mend}")
        for part in found if isinstance(found, tuple) else (found,):
            if is_dataclass(part):
                check_fields(part, what, mend)


def fits(value: object, kind: Any) -> bool:
    """Whether a value is of a kind: a class, or a union, literal, tuple or mapping of kinds.

    A whole number also counts as a float; a bool is neither.
    """
    while (alias := getattr(get_origin(kind) or kind, "__value__", None)) is not None:
        kind = alias  # a ``type`` statement, as NumPy 2.5 has for NDArray
    origin, parts = get_origin(kind), get_args(kind)
    if kind is Any:
        return True
    if origin in (Union, types.UnionType):
        return any(fits(value, part) for part in parts)
    if origin is Literal:
        return value in parts
    if origin is tuple:
        if not isinstance(value, tuple):
            return False
        if len(parts) == 2 and parts[1] is Ellipsis:
            return all(fits(item, parts[0]) for item in value)
        return len(value) == len(parts) and all(map(fits, value, parts))
    if origin is frozenset:
        return isinstance(value, frozenset) and all(fits(item, parts[0]) for item in value)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return isinstance(value, Mapping) and all(
            fits(key, parts[0]) and fits(item, parts[1]) for key, item in value.items()
        )
    return _is(value, type(None) if kind is None else origin or kind)


def _is(value: object, kind: Any) -> bool:
    if isinstance(value, bool):
        return kind is bool
    if isinstance(value, int):
        return kind in (int, float) and abs(value) < LARGEST_WHOLE
    if isinstance(value, float):
        return kind is float
    return isinstance(value, kind)


def _kinds(cls: type) -> dict[str, Any]:
    if cls not in _KINDS:
        hints = get_type_hints(cls)
        _KINDS[cls] = {field.name: hints[field.name] for field in fields(cls)}
    return _KINDS[cls]
