"""Skeleton: the decisions of a space that a gradient can reach, around those that it cannot.

Within a stage, depth, filters, kernel, expansion, skip, squeeze-and-excite and activation are relaxed: all
options live in one network, weighed by gates (`edgenas.oneshot.gradient_net`). What changes the size of the
tensors between stages has no such form and is decided outside: resolution, stem, number of stages, strides,
width multiplier and last convolution. One choice of these is a skeleton.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import prod

import numpy as np

from edgenas.arch.chooser import RandomChooser
from edgenas.arch.graph import Shape
from edgenas.arch.space import SearchSpace
from edgenas.arch.spec import ArchSpec, Block, Value
from edgenas.errors import ConfigError

KINDS = ("depth", "filters", "kernel", "expansion", "skip", "squeeze", "activation")
"""What is relaxed in a stage, in this order."""

OUTER = frozenset({
    "resolution", "stem_filters", "stem_kernel", "stem_stride", "stem_activation", "stages", "width",
    "last_expansion", "last_activation",
})  # fmt: skip
"""Choices that are decided outside, besides the strides of stages."""

BLOCKS = frozenset({"stem", "conv", "ds", "mbconv", "bottleneck", "head"})
_STAGE = re.compile(rf"s(\d+)_({'|'.join((*KINDS, 'stride'))})")

Selection = tuple[int, ...]
"""Position of one option in each decision of a skeleton, in their order."""


@dataclass(frozen=True)
class Decision:
    """One relaxed choice.

    Attributes:
        name: As the space asks it, for example ``s2_kernel``.
        kind: One of `KINDS`.
        stage: Which stage it belongs to, from 0.
        options: What it may be; fewer than the space offers where some cannot fit.
    """

    name: str
    kind: str
    stage: int
    options: tuple[Value, ...]


@dataclass(frozen=True)
class Skeleton:
    """A network with all decisions open that a gradient can reach.

    Attributes:
        outer: What was decided outside, by name.
        decisions: What is open, stage by stage, each stage in the order of `KINDS`.
        image: Shape that it reads.
        stem: Its first block.
        strides: Of the first block of each stage.
        filters: Of each stage, for a space that does not ask for them.
        behind: The blocks after the last stage, the head at the end.
        is_mobile: Whether its blocks are those of space `mobile`.
    """

    outer: Mapping[str, Value]
    decisions: tuple[Decision, ...]
    image: Shape
    stem: Block
    strides: tuple[int, ...]
    filters: tuple[int, ...]
    behind: tuple[Block, ...]
    is_mobile: bool

    @cached_property
    def slices(self) -> tuple[slice, ...]:
        """Where each decision's options lie in one vector of all."""
        ends = np.cumsum([len(decision.options) for decision in self.decisions])
        return tuple(
            slice(int(end) - len(decision.options), int(end))
            for end, decision in zip(ends, self.decisions, strict=True)
        )

    @property
    def size(self) -> int:
        """Options of all decisions together."""
        return sum(len(decision.options) for decision in self.decisions)

    @cached_property
    def places(self) -> Mapping[tuple[int, str], int]:
        """Which decision is of a stage and kind."""
        return {(decision.stage, decision.kind): at for at, decision in enumerate(self.decisions)}

    def options(self, stage: int, kind: str) -> tuple[Value, ...]:
        """What a stage may be; one option where nothing is to be decided."""
        at = self.places.get((stage, kind))
        if at is not None:
            return self.decisions[at].options
        fixed: dict[str, Value] = {"skip": self.is_mobile, "squeeze": False, "activation": "relu6"}
        return (self.filters[stage] if kind == "filters" else fixed[kind],)

    def numbers(self, stage: int, kind: str) -> tuple[int, ...]:
        """The same, of a kind whose options are whole numbers."""
        return tuple(int(option) for option in self.options(stage, kind))

    @property
    def smallest(self) -> Selection:
        """The first option of every decision."""
        return (0,) * len(self.decisions)

    @property
    def largest(self) -> Selection:
        """The last option of every decision."""
        return tuple(len(decision.options) - 1 for decision in self.decisions)

    def choices(self, selection: Selection) -> dict[str, Value]:
        """A selection by name, with what was decided outside."""
        chosen = zip(self.decisions, selection, strict=True)
        return {**self.outer, **{decision.name: decision.options[at] for decision, at in chosen}}

    def spec(self, space: SearchSpace, selection: Selection) -> ArchSpec:
        """The architecture of a selection."""
        return space.from_choices(self.choices(selection))

    def selection(self, spec: ArchSpec) -> Selection | None:
        """Where an architecture lies in it, or None where an option of it was left out."""
        found = []
        for decision in self.decisions:
            value = spec.choices.get(decision.name, decision.options[0])
            if value not in decision.options:
                return None
            found.append(decision.options.index(value))
        return tuple(found)

    def gates(self, selection: Selection) -> np.ndarray:
        """A selection as one vector of all options, 1 where one is taken; float32 (size,)."""
        vector = np.zeros(self.size, np.float32)
        for part, at in zip(self.slices, selection, strict=True):
            vector[part.start + at] = 1.0
        return vector

    def with_options(self, options: Sequence[Sequence[Value]]) -> Skeleton:
        """The same with other options for each decision."""
        changed = (
            replace(decision, options=tuple(left))
            for decision, left in zip(self.decisions, options, strict=True)
        )
        return replace(self, decisions=tuple(changed))

    @property
    def networks(self) -> int:
        """How many selections it has."""
        return prod(len(decision.options) for decision in self.decisions)


def refuse_rigid(space: SearchSpace) -> None:
    """Make sure that a space can be relaxed.

    Raises:
        ConfigError: It has a choice or a block without a relaxed form; names it.
    """
    chooser = RandomChooser(np.random.default_rng(0))
    spec = space.decide(chooser)
    _refuse_choices(space.name, dict(sorted(chooser.options.items())))  # all names take a build function long
    _refuse_choices(space.name, space.names)
    for block in spec.blocks:
        if block.kind not in BLOCKS:
            raise ConfigError(
                f"space '{space.name}' cannot be searched by gradient: its block '{block.kind}' has no "
                f"relaxed form; expected {', '.join(sorted(BLOCKS))}; choose another --searcher"
            )


def _refuse_choices(space: str, choices: Mapping[str, Sequence[Value]]) -> None:
    for name, options in choices.items():
        if name not in OUTER and not _STAGE.fullmatch(name):
            raise ConfigError(
                f"space '{space}' cannot be searched by gradient: its choice '{name}' "
                f"({', '.join(map(str, options))}) has no relaxed form; expected stages with "
                f"{', '.join(KINDS)}, as in micro and mobile; choose another --searcher, such as front"
            )


def skeleton_of(space: SearchSpace, spec: ArchSpec) -> Skeleton:
    """The skeleton that an architecture stands in, with all options of the space.

    Args:
        space: One that `refuse_rigid` lets pass.
        spec: An architecture of it.
    """
    stages = int(spec.choices["stages"])
    outer = {name: value for name, value in spec.choices.items() if _is_outer(name)}
    decisions = []
    for stage in range(stages):
        for kind in KINDS:
            name = f"s{stage + 1}_{kind}"
            if name in space.names:
                decisions.append(Decision(name, kind, stage, space.names[name]))
    firsts = list(_first_blocks(spec, stages))
    last = firsts[-1] + int(spec.choices[f"s{stages}_depth"])
    heads = [spec.blocks[at] for at in firsts]
    return Skeleton(
        outer, tuple(decisions), spec.input_shape, spec.blocks[0],
        tuple(int(block.args["stride"]) for block in heads),
        tuple(int(block.args["filters"]) for block in heads),
        spec.blocks[last:], spec.blocks[0].kind == "conv",
    )  # fmt: skip


def _is_outer(name: str) -> bool:
    return name in OUTER or name.endswith("_stride")


def _first_blocks(spec: ArchSpec, stages: int) -> Iterator[int]:
    at = 1
    for stage in range(1, stages + 1):
        yield at
        at += int(spec.choices[f"s{stage}_depth"])
