"""Named implementations, and an answer to a name that does not exist."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from edgenas.errors import UnknownNameError

T = TypeVar("T")


def unknown_name(what: str, given: str, known: Iterable[str]) -> UnknownNameError:
    """The error for a name that is not among those known, with the nearest one.

    Args:
        what: What the name stands for, for example ``"device"``.
        given: The name as the user wrote it.
        known: All names that would have been right.
    """
    names = sorted(known)
    near = difflib.get_close_matches(given.lower(), [name.lower() for name in names], n=1, cutoff=0.5)
    hint = next((f"; did you mean '{name}'?" for name in names if near and name.lower() == near[0]), "")
    return UnknownNameError(f"unknown {what} '{given}'{hint or '.'} Known: {', '.join(names) or 'none'}.")


class Registry(Generic[T]):
    """Implementations of one extension point by name.

    Adding an implementation is one file and one ``@REGISTRY.register("name")``; the contract
    suites of ``edgenas.testing`` run over everything that is registered.
    """

    def __init__(self, what: str) -> None:
        self.what = what
        self._entries: dict[str, T] = {}

    def register(self, name: str) -> Callable[[T], T]:
        """Decorator that files an implementation under ``name``.

        Raises:
            ValueError: The name is taken.
        """

        def add(entry: T) -> T:
            if name in self._entries:
                raise ValueError(f"{self.what} '{name}' is registered twice")
            self._entries[name] = entry
            return entry

        return add

    def get(self, name: str) -> T:
        """The implementation of that name.

        Raises:
            UnknownNameError: There is none; the message names the nearest.
        """
        if name not in self._entries:
            raise unknown_name(self.what, name, self._entries)
        return self._entries[name]

    def names(self) -> list[str]:
        """All registered names, sorted."""
        return sorted(self._entries)
