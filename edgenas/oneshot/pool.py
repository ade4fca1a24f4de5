"""Which networks a supernet is trained with: random ones within the budgets, from small to large."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from edgenas.arch.space import SearchSpace
from edgenas.arch.spec import ArchSpec
from edgenas.oneshot.elastic import extents_of, parts_of

POOL = 600
"""Networks that a supernet is trained with, in all regions together."""

TRIES = 12
"""Random networks that are looked at for each of the pool, at most."""

DESCENTS = 24
"""Networks that are brought within tight budgets, where random ones hardly ever fit them."""

CAP_QUANTILE = 0.9
"""Without a budget, what has more MACs than so many random networks is left out: the largest of `micro` take
seventy times as long as the usual one."""

Macs = Callable[[ArchSpec], int | None]
"""MACs of a network, or None if it does not fit the budgets."""


def trained_with(
    space: SearchSpace,
    fits: Macs,
    descend: Callable[[ArchSpec, np.random.Generator], ArchSpec],
    seed: int,
    size: int = POOL,
) -> list[tuple[int, ArchSpec]]:
    """Networks within the budgets with their MACs, fewest first.

    Where few random networks fit, some are brought within the budgets and their relatives fill the pool.

    Args:
        space: What they are from.
        fits: Gives the MACs of what fits.
        descend: Brings a network within the budgets, as far as it can.
        seed: One seed gives one pool.
        size: Networks of the pool, at most.
    """
    rng = np.random.default_rng([seed, 4])
    found: dict[str, tuple[int, ArchSpec]] = {}

    def offer(spec: ArchSpec) -> None:
        macs = fits(spec)
        if macs is not None:
            found.setdefault(spec.arch_id, (macs, spec))

    for _ in range(TRIES * size):
        if len(found) == size:
            break
        offer(space.sample(rng))
    if len(found) < size // 4:
        for _ in range(DESCENTS):
            offer(descend(space.sample(rng), rng))
        for _ in range(TRIES * size):
            parents = list(found.values())
            if len(found) >= size or not parents:
                break
            offer(space.mutate(parents[int(rng.integers(len(parents)))][1], rng))
    return sorted(found.values(), key=lambda entry: (entry[0], entry[1].arch_id))


def capped(pool: list[tuple[int, ArchSpec]]) -> list[tuple[int, ArchSpec]]:
    """The pool without its largest networks; for a search without budgets."""
    return pool[: max(1, round(CAP_QUANTILE * len(pool)))]


def covering(space: SearchSpace, specs: Sequence[ArchSpec], number: int) -> list[ArchSpec]:
    """Some networks of a pool that use all of every tensor between them, the rest of them evenly from it.

    Args:
        space: Says what two networks share.
        specs: The pool, fewest MACs first.
        number: How many networks, unless more are needed to use all.
    """
    if len(specs) <= number:
        return list(specs)
    extents, _ = extents_of(space, specs)
    chosen: set[int] = set()
    open_ends = {(name, axis) for name, shape in extents.items() for axis in range(len(shape))}
    for place, spec in enumerate(specs):
        parts = parts_of(space.graph(spec), space.sharing(spec))
        reached = {
            (part.name, axis)
            for part in parts
            for axis, size in enumerate(part.shape)
            if size == extents[part.name][axis]
        }
        if reached & open_ends:
            chosen.add(place)
            open_ends -= reached
    left = [place for place in range(len(specs)) if place not in chosen]
    wanted = max(0, number - len(chosen))
    chosen.update(left[round(row)] for row in np.linspace(0, len(left) - 1, wanted))
    return [specs[place] for place in sorted(chosen)]
