"""Examples that stand in two splits: found by hash and taken out of the split that matters less.

The rule, for any data: an example with exactly the values of one of test is dropped from validation
and train, and one with exactly the values of one of validation is dropped from train; the test
split is never changed. Collections often hold a few such examples (Fashion-MNIST and CIFAR-10 hold no
exact copies), so up to 1 % of a held-out split is dropped with a warning that the report shows. More
than that points to a mistake in the data and is an error, unless the user asks for dropping
(``drop_duplicates=True``). Splits that come with the data are compared before anything is cut from
train, then all three. Copies within one split stay.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from edgenas.data.disk import Array
from edgenas.data.kinds import IMAGE, Kind
from edgenas.errors import DataError

MAX_SHARE = 0.01
"""Share of a held-out split that may also stand in another split without an error."""


PAIRS = (("validation", "test"), ("train", "test"), ("train", "validation"))
"""(the split that gives way, the split that is held out from it), in the order they are compared."""


@dataclass(frozen=True, slots=True)
class Part:
    """One split as the search for duplicates sees it.

    Attributes:
        name: ``train``, ``validation`` or ``test``.
        hashes: uint64 of shape (n,), one per example.
        positions: int64 of shape (n,), where each example stood in the arrays or files as given.
    """

    name: str
    hashes: Array
    positions: Array

    @classmethod
    def of(cls, name: str, x: Array) -> Part:
        """All examples as given; they lie along the first axis."""
        return cls(name, example_hashes(x), np.arange(len(x)))

    def take(self, chosen: Array, name: str) -> Part:
        """The examples that a bool mask or positions in this part choose, as a part of that name."""
        return Part(name, self.hashes[chosen], self.positions[chosen])


def example_hashes(x: Array) -> Array:
    """BLAKE2b of each example's bytes, cut to 64 bits: uint64 of shape (n,).

    Two different examples among a million share a hash with a probability of 3e-8.
    """
    digests = (hashlib.blake2b(np.ascontiguousarray(one).data, digest_size=8).digest() for one in x)
    return np.frombuffer(b"".join(digests), np.uint64)


def first_few(positions: Array) -> str:
    """The first positions as text, for a message."""
    text = ", ".join(str(int(position)) for position in positions[:3])
    return f"{text} ..." if len(positions) > 3 else text


class Sieve:
    """Drops copies by the rule above and remembers what it dropped.

    Args:
        name: Name of the data, for messages.
        drop_all: Drop however many copies there are.
        kind: What the examples are.

    Attributes:
        dropped: How many examples were dropped from ``train`` and ``validation``.
        warnings: One line for each pair of splits that shared examples.
    """

    def __init__(self, name: str, drop_all: bool, kind: Kind = IMAGE) -> None:
        self.name = name
        self.drop_all = drop_all
        self.many = kind.many
        self.dropped = {"train": 0, "validation": 0}
        self.warnings: list[str] = []

    def disjoint(self, parts: dict[str, Part]) -> dict[str, Part]:
        """The parts without copies between them; ``train`` is among them, the others may be missing.

        Raises:
            DataError: More copies than the rule allows, or no training images are left.
        """
        parts = dict(parts)
        for lesser, held_out in PAIRS:
            if lesser in parts and held_out in parts:
                parts[lesser] = self._drop(parts[lesser], parts[held_out])
        if len(parts["train"].positions) == 0:
            raise DataError(
                f"data '{self.name}': no training {self.many} are left after dropping duplicates; "
                f"give training {self.many} that are not in validation or test"
            )
        return parts

    def _drop(self, lesser: Part, held_out: Part) -> Part:
        seen = np.isin(held_out.hashes, lesser.hashes)
        if not seen.any():
            return lesser
        share = float(seen.mean())
        if share > MAX_SHARE and not self.drop_all:
            raise DataError(
                f"data '{self.name}': {int(seen.sum())} of {len(seen)} {held_out.name} {self.many} "
                f"({share:.1%}) stand in {lesser.name} too "
                f"(first: {held_out.name} {first_few(held_out.positions[seen])}); "
                f"at most {MAX_SHARE:.0%} is expected: remove them, or have them dropped from {lesser.name} "
                "with --drop-duplicates (drop_duplicates=True from Python)"
            )
        twice = np.isin(lesser.hashes, held_out.hashes)
        self.dropped[lesser.name] += int(twice.sum())
        self.warnings.append(
            f"{int(twice.sum())} {lesser.name} {self.many} were dropped because they stand in "
            f"{held_out.name} too "
            f"(first: {lesser.name} {first_few(lesser.positions[twice])})"
        )
        return lesser.take(~twice, lesser.name)
