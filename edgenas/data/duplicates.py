"""Images that stand in two splits: found by hash and taken out of the split that matters less.

The rule, for any data: an image with exactly the pixels of a test image is dropped from validation
and train, and one with exactly the pixels of a validation image is dropped from train; the test
split is never changed. Collections often hold a few such images (Fashion-MNIST and CIFAR-10 hold no
exact copies), so up to 1 % of a held-out split is dropped with a warning that the report shows. More
than that points to a mistake in the data and is an error, unless the user asks for dropping
(``drop_duplicates=True``). Copies within one split stay.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from edgenas.data.dataset import Array
from edgenas.errors import DataError

MAX_SHARE = 0.01
"""Share of a held-out split that may also stand in another split without an error."""


@dataclass(frozen=True, slots=True)
class Part:
    """One split as the search for duplicates sees it.

    Attributes:
        name: ``train``, ``validation`` or ``test``.
        hashes: uint64 of shape (n,), one per image.
        positions: int64 of shape (n,), where each image stood in the arrays or files as given.
    """

    name: str
    hashes: Array
    positions: Array

    def keep(self, mask: Array) -> Part:
        """The part with only the images of a bool mask of shape (n,)."""
        return Part(self.name, self.hashes[mask], self.positions[mask])


def image_hashes(x: Array) -> Array:
    """BLAKE2b of each image's bytes, cut to 64 bits: uint64 of shape (n,).

    Two different images among a million share a hash with a probability of 3e-8.
    """
    digests = (hashlib.blake2b(np.ascontiguousarray(image).data, digest_size=8).digest() for image in x)
    return np.frombuffer(b"".join(digests), np.uint64)


def first_few(positions: Array) -> str:
    """The first positions as text, for a message."""
    text = ", ".join(str(int(position)) for position in positions[:3])
    return f"{text} ..." if len(positions) > 3 else text


def separate(lesser: Part, held_out: Part, *, name: str, drop_all: bool) -> tuple[Part, list[str]]:
    """Drop from one split what also stands in a split that is held out from it.

    Args:
        lesser: The split to drop from.
        held_out: The split that stays as it is.
        name: Name of the data, for messages.
        drop_all: Drop however many there are.

    Returns:
        What stays of ``lesser``, and a warning if anything was dropped.

    Raises:
        DataError: More than 1 % of the held-out images stand in ``lesser`` too.
    """
    seen = np.isin(held_out.hashes, lesser.hashes)
    if not seen.any():
        return lesser, []
    share = float(seen.mean())
    if share > MAX_SHARE and not drop_all:
        raise DataError(
            f"data '{name}': {int(seen.sum())} of {len(seen)} {held_out.name} images ({share:.1%}) stand in "
            f"{lesser.name} too (first: {held_out.name} {first_few(held_out.positions[seen])}); at most "
            f"{MAX_SHARE:.0%} is expected: remove them, or have them dropped from {lesser.name} "
            "with drop_duplicates"
        )
    twice = np.isin(lesser.hashes, held_out.hashes)
    warning = (
        f"{int(twice.sum())} {lesser.name} images were dropped because they stand in {held_out.name} too "
        f"(first: {lesser.name} {first_few(lesser.positions[twice])})"
    )
    return lesser.keep(~twice), [warning]
