"""Forms of documents: what a stored document may hold, as plain values that look like the document.

A form is a type, a list of one form (``[float]``), a dictionary, a tuple of alternatives, a frozenset of
texts of which it is one, None, or a form with a condition besides (`Such`). A dictionary names fields
(``"limit": float``); ``"note?"`` may be missing, ``"mean_*"`` is every field that begins so, and ``str``
alone as the key is every field. Other fields may hold anything. A float may be a whole number; a bool is no
number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

Form = Any

LARGEST_WHOLE = 2**63
LONGEST_SHOWN = 60
MOST_REMEMBERED = 10_000


@dataclass(frozen=True, eq=False)
class Such:
    """A form with a condition besides.

    Attributes:
        form: The form.
        holds: Whether a value of it is as it should be.
        words: What is expected, for the message.
    """

    form: Form
    holds: Callable[[Any], object]
    words: str


_WORDS = {
    str: "a text", int: "a whole number", float: "a number", bool: "true or false", list: "a list",
    dict: "a document", type(None): "null",
}  # fmt: skip


def fault(value: Any, form: Form, place: str = "") -> str | None:
    """What is wrong with a document: the place, what stands there, what is expected; None if nothing.

    Args:
        value: Of JSON.
        form: What it should be like.
        place: Where it stands.
    """
    if form is Any:
        return None
    if isinstance(form, dict) and isinstance(value, dict):
        return _fault_in_document(value, form, place)
    if isinstance(form, Such):
        found = fault(value, form.form, place)
        if found is None and not form.holds(value):
            found = f"{place or 'it'} is {_shown(value)}; expected {form.words}"
        return found
    if isinstance(form, frozenset):
        known = isinstance(value, str) and value in form
        return (
            None
            if known
            else f"{place or 'it'} is {_shown(value)}; expected one of {', '.join(sorted(form))}"
        )
    if isinstance(form, tuple):
        faults = []
        for one in form:
            if (found := fault(value, one, place)) is None:
                return None
            faults.append(found)
        nested = [one for one, part in zip(faults, form, strict=True) if isinstance(value, _kind(part))]
        return next((one for one in nested if one), faults[0])
    if not _is(value, _kind(form)):
        return f"{place or 'it'} is {_shown(value)}; expected {_WORDS[_kind(form)]}"
    if isinstance(form, list):
        parts: Iterator[tuple[str, Any, Form]] = (
            (f"{place}[{number}]", one, form[0]) for number, one in enumerate(value)
        )
    else:
        return None
    return next((found for where, one, part in parts if (found := fault(one, part, where))), None)


def _fault_in_document(value: dict[str, Any], form: dict[Any, Form], place: str) -> str | None:
    """The same for a dictionary; of 100,000 trials nearly all have the same names and types of values."""
    signature = (id(form), *value, *map(type, value.values()))
    parts = _SOUND.get(signature)
    if parts is None or _has_large(value):
        names = _names(form)
        if missing := next((name for name in names.required if name not in value), None):
            return f"{place or 'it'} lacks '{missing}'"
        parts = [(key, part) for key in value if (part := names.of(key)) is not Any]
        first = _first(value, parts, place)
        if first is None and len(_SOUND) < MOST_REMEMBERED:
            _SOUND[signature] = [(key, part) for key, part in parts if _by_value(value[key], part)]
        return first
    return _first(value, parts, place)


def _has_large(value: dict[str, Any]) -> bool:
    """Whether a whole number is too large for a database."""
    for one in value.values():  # noqa: SIM110  a generator takes twice as long, 300,000 times for a long run
        if type(one) is int and not -LARGEST_WHOLE < one < LARGEST_WHOLE:
            return True
    return False


def _first(value: dict[str, Any], parts: list[tuple[str, Form]], place: str) -> str | None:
    for key, part in parts:
        if type(part) is frozenset and type(value[key]) is str and value[key] in part:
            continue  # spares a call for each trial's status
        if (found := fault(value[key], part, f"{place}.{key}" if place else key)) is not None:
            return found
    return None


def _by_value(value: Any, form: Form) -> bool:
    """Whether more than the type of a value decides."""
    if isinstance(value, (dict, list)) or isinstance(form, (Such, frozenset)):
        return True
    return isinstance(form, tuple) and any(isinstance(part, (Such, frozenset)) for part in form)


@dataclass(frozen=True, eq=False)
class _Names:
    """The keys of a dictionary's form, taken apart."""

    form: dict[Any, Form]
    required: tuple[str, ...]
    exact: dict[str, Form]
    prefixes: tuple[tuple[str, Form], ...]
    every: Form

    def of(self, key: str) -> Form:
        """The form of one field."""
        if (part := self.exact.get(key, self)) is not self:
            return part
        return next((form for prefix, form in self.prefixes if key.startswith(prefix)), self.every)


_SOUND: dict[tuple[Any, ...], list[tuple[str, Form]]] = {}
"""Names and types of documents that were found sound, with what has to be looked at in each all the same."""

_KNOWN: dict[int, _Names] = {}
"""By the form's identity; forms are constants of modules."""


def _names(form: dict[Any, Form]) -> _Names:
    found = _KNOWN.get(id(form))
    if found is None:
        texts = [name for name in form if name is not str]
        found = _KNOWN[id(form)] = _Names(
            form,
            tuple(name for name in texts if name[-1] not in "?*"),
            {name.removesuffix("?"): form[name] for name in texts if name[-1] != "*"},
            tuple((name[:-1], form[name]) for name in texts if name[-1] == "*"),
            form.get(str, Any),
        )
    return found


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."


def _kind(form: Form) -> type:
    if form is None:
        return type(None)
    if isinstance(form, Such):
        return _kind(form.form)
    if isinstance(form, frozenset):
        return str
    return form if isinstance(form, type) else type(form)


def _is(value: Any, kind: type) -> bool:
    if isinstance(value, bool) or kind is bool:
        return isinstance(value, bool) and kind is bool
    if isinstance(value, int):
        return kind in (int, float) and abs(value) < LARGEST_WHOLE
    return isinstance(value, kind)
