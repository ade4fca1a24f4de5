"""Choosers: who decides. A space asks ``choice``, ``int`` and ``flag``; a chooser answers.

One definition of a space thereby serves seeded sampling, mutation, crossover, encoding,
enumeration and, through `edgenas.search.hypermodel`, keras-tuner's HyperParameters.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol, TypeVar, cast

import numpy as np

from edgenas.arch.spec import Value
from edgenas.errors import ConfigError

V = TypeVar("V", bound=Value)


class Chooser(Protocol):
    """What a space may ask. A name always comes with the same options, whenever it is asked.

    Attributes:
        values: Decisions so far, by name.
    """

    values: dict[str, Value]

    def choice(self, name: str, options: Sequence[V]) -> V:
        """One of ``options``."""
        ...

    def int(self, name: str, low: int, high: int) -> int:
        """A whole number from ``low`` to ``high``, both included."""
        ...

    def flag(self, name: str) -> bool:
        """True or False."""
        ...


class RecordingChooser:
    """Base of the choosers here: everything is a choice, and decisions and options are kept.

    Attributes:
        values: Decisions so far, by name.
        options: The options of each name asked so far.
    """

    def __init__(self) -> None:
        self.values: dict[str, Value] = {}
        self.options: dict[str, tuple[Value, ...]] = {}

    def pick(self, name: str, options: tuple[Value, ...]) -> Value:
        """Decide; the one method that subclasses fill."""
        raise NotImplementedError

    def choice(self, name: str, options: Sequence[V]) -> V:
        """One of ``options``; the same name asked again gets the same answer."""
        if name not in self.values:
            self.options[name] = tuple(options)
            self.values[name] = self.pick(name, self.options[name])
        return cast(V, self.values[name])

    def int(self, name: str, low: int, high: int) -> int:
        """A whole number from ``low`` to ``high``, both included."""
        return self.choice(name, range(low, high + 1))

    def flag(self, name: str) -> bool:
        """True or False."""
        return self.choice(name, (False, True))


class RandomChooser(RecordingChooser):
    """Uniform choices from a seeded generator."""

    def __init__(self, rng: np.random.Generator) -> None:
        super().__init__()
        self.rng = rng

    def pick(self, name: str, options: tuple[Value, ...]) -> Value:
        """Uniform over the options."""
        return options[int(self.rng.integers(len(options)))]


class ReplayChooser(RecordingChooser):
    """Repeats known decisions; names that are new are left to a generator, or refused.

    Raises (from the asking methods):
        ConfigError: A name has no known decision and there is no generator, or the known decision
            is not among the options.
    """

    def __init__(self, known: Mapping[str, Value], rng: np.random.Generator | None = None) -> None:
        super().__init__()
        self.known = known
        self.rng = rng

    def pick(self, name: str, options: tuple[Value, ...]) -> Value:
        """The known decision, else a random one."""
        if name in self.known and (self.known[name] in options or self.rng is None):
            if self.known[name] not in options:
                raise ConfigError(f"choice {name}={self.known[name]!r} was given; expected one of {options}")
            return self.known[name]
        if self.rng is None:
            raise ConfigError(f"no decision was given for choice '{name}'; expected one of {options}")
        return options[int(self.rng.integers(len(options)))]


class FixedChooser:
    """Lets another chooser decide, with some decisions fixed: it is not asked for those, only told of them.

    Args:
        inner: Decides the rest.
        fixed: Decisions by name; one that is no option of its choice is left to ``inner``.

    Attributes:
        values: Decisions so far, those of ``inner``.
    """

    def __init__(self, inner: Chooser, fixed: Mapping[str, Value]) -> None:
        self.inner, self.fixed = inner, fixed
        self.values = inner.values

    def choice(self, name: str, options: Sequence[V]) -> V:
        """The fixed decision, or that of the other chooser."""
        if (fixed := self.fixed.get(name)) in options:
            self.values[name] = cast(V, fixed)
            return cast(V, fixed)
        return self.inner.choice(name, options)

    def int(self, name: str, low: int, high: int) -> int:
        """A whole number from ``low`` to ``high``, both included."""
        return self.choice(name, range(low, high + 1))

    def flag(self, name: str) -> bool:
        """True or False."""
        return self.choice(name, (False, True))


class _PathChooser(RecordingChooser):
    """Follows a list of option positions and takes the first option beyond its end."""

    def __init__(self, path: list[int]) -> None:
        super().__init__()
        self.path = path
        self.widths: list[int] = []

    def pick(self, name: str, options: tuple[Value, ...]) -> Value:
        depth = len(self.widths)
        self.widths.append(len(options))
        if depth == len(self.path):
            self.path.append(0)
        return options[self.path[depth]]


def enumerate_paths() -> Iterator[_PathChooser]:
    """Choosers that visit every combination of decisions once, in depth-first order."""
    path: list[int] = []
    while True:
        chooser = _PathChooser(list(path))
        yield chooser
        path = chooser.path
        while path and path[-1] + 1 >= chooser.widths[len(path) - 1]:
            path.pop()
        if not path:
            return
        path[-1] += 1
