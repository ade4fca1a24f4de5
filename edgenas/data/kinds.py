"""Kinds of data: what one example is, which axes it has, and what messages call it."""

from __future__ import annotations

from dataclasses import dataclass

from edgenas.errors import DataError
from edgenas.registry import Registry


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of data.

    Attributes:
        name: As ``--kind`` takes it.
        one: What a single example is called.
        many: What several are called.
        axes: The axes of the array as a `Split` holds it, the examples first.
        also: The axes that are taken too and filled up with one channel, or None.
        per_channel: Whether raw values are standardised for each entry of the last axis; else all of
            them are mapped to [0, 1] by one scale.
    """

    name: str
    one: str
    many: str
    axes: tuple[str, ...]
    also: tuple[str, ...] | None = None
    per_channel: bool = False

    @property
    def expected(self) -> str:
        """The shapes that are taken, for messages."""
        shapes = [self.also, self.axes] if self.also else [self.axes]
        return " or ".join(f"({', '.join(axes)})" for axes in shapes)

    @property
    def ranks(self) -> tuple[int, ...]:
        """How many axes an array may have."""
        return tuple(len(axes) for axes in (self.also, self.axes) if axes)


KINDS: Registry[Kind] = Registry("kind of data")
IMAGE = KINDS.register("image")(
    Kind("image", "image", "images", ("n", "height", "width", "channels"), ("n", "height", "width"))
)
SERIES = KINDS.register("series")(
    Kind("series", "series", "series", ("n", "time", "channels"), per_channel=True)
)
FEATURES = KINDS.register("features")(Kind("features", "row", "rows", ("n", "features"), per_channel=True))
AUDIO = KINDS.register("audio")(Kind("audio", "clip", "clips", ("n", "frames", "bands", "1")))


def kind_of_rank(rank: int) -> Kind:
    """What an array without a word about its kind holds: rows of features with 2 axes, else images."""
    return FEATURES if rank == 2 else IMAGE


def kind_named(name: str) -> Kind:
    """A kind by its name, as data errors tell of it.

    Raises:
        DataError: There is none of that name.
    """
    if name not in KINDS.names():
        raise DataError(f"kind '{name}' was given; expected one of {', '.join(KINDS.names())}")
    return KINDS.get(name)
