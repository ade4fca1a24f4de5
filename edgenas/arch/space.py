"""SearchSpace: a define-by-run description of all architectures that may be considered."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from functools import cached_property

import numpy as np

from edgenas.arch.chooser import Chooser, RandomChooser, ReplayChooser, enumerate_paths
from edgenas.arch.graph import Op, OpGraph, Shape
from edgenas.arch.spec import ArchSpec, Block, Value
from edgenas.errors import ConfigError, UnsupportedError
from edgenas.registry import Registry


class SearchSpace(ABC):
    """All architectures that a search may consider, for one input shape and number of classes.

    A subclass fills `decide`: it asks a chooser and returns an `ArchSpec`. A name always comes
    with the same options; a choice that makes no sense is not asked. Everything else (sampling,
    mutation, crossover, encoding, enumeration) follows from that.

    Args:
        input_shape: (height, width, channels) of the data.
        classes: Number of classes, 2 or more; of outputs where the head is another.
        head: How its networks end: class probabilities (``softmax``), plain numbers (``linear``) or the
            input again (``reconstruction``).

    Raises:
        ConfigError: Too few classes, or a head that the space cannot make.
    """

    name: str = "unnamed"
    heads: tuple[str, ...] = ("softmax",)
    """The heads that the space can make."""
    descent_steps: int = 400
    """Mutations that are tried to bring a spec within budgets; fewer where building a graph is slow."""
    unshared: str = "it does not say which blocks of two networks are the same"
    """Why no network of the space can lend its weights to another one, with the choice that prevents it."""

    def __init__(self, input_shape: Shape, classes: int, head: str = "softmax") -> None:
        least = 2 if head == "softmax" else 1
        if classes < least:
            raise ConfigError(
                f"{classes} classes were given to space '{self.name}'; at least {least} are expected"
            )
        if head not in self.heads:
            able = [name for name in SPACES.names() if head in SPACES.get(name).heads]
            raise ConfigError(
                f"space '{self.name}' makes networks that end in {' or '.join(self.heads)}, and the task "
                f"needs {head}; expected one of the spaces {', '.join(able) or '(none has it)'} with --space"
            )
        self.input_shape = tuple(input_shape)
        self.classes = classes
        self.head = head

    @abstractmethod
    def decide(self, chooser: Chooser) -> ArchSpec:
        """The architecture that the chooser's answers describe."""

    @property
    def classifier(self) -> Block:
        """The mean over all places, a fully connected layer, and a softmax unless the head is ``linear``."""
        linear: dict[str, Value] = {"activation": "linear"} if self.head == "linear" else {}
        return Block("head", {"classes": self.classes, **linear})

    def graph(self, spec: ArchSpec) -> OpGraph:
        """The operations of a spec of this space."""
        return spec.graph()

    def operations(self) -> Iterator[Op]:
        """Every operation that a network of this space can contain, for a latency sweep.

        Raises:
            ConfigError: The space cannot list them.
        """
        raise ConfigError(f"space '{self.name}' cannot list its operations; sweep space 'micro' instead")

    def sharing(self, spec: ArchSpec) -> tuple[str, ...]:
        """Names of a spec's blocks that are the same in every network that has them, for shared weights.

        Two blocks of one name in two networks use one set of weights, each the part that it needs.

        Returns:
            One name a block, none of them twice.

        Raises:
            UnsupportedError: The space's networks cannot share weights; the message has the choice.
        """
        raise UnsupportedError(
            f"space '{self.name}' cannot share weights: {self.unshared}; train every candidate "
            "(--searcher front), or search space micro or mobile"
        )

    def from_choices(self, choices: Mapping[str, Value]) -> ArchSpec:
        """The architecture of known decisions.

        Raises:
            ConfigError: A decision is missing or not among its options.
        """
        return self.decide(ReplayChooser(choices))

    def sample(self, rng: np.random.Generator) -> ArchSpec:
        """An architecture with uniformly random decisions."""
        return self.decide(RandomChooser(rng))

    def mutate(self, spec: ArchSpec, rng: np.random.Generator) -> ArchSpec:
        """The spec with one decision changed; decisions that this newly asks for are random."""
        replay = ReplayChooser(spec.choices, rng)
        self.decide(replay)
        open_names = [name for name, options in replay.options.items() if len(options) > 1]
        if not open_names:
            return spec
        name = open_names[int(rng.integers(len(open_names)))]
        others = [option for option in replay.options[name] if option != spec.choices.get(name)]
        changed = {**spec.choices, name: others[int(rng.integers(len(others)))]}
        return self.decide(ReplayChooser(changed, rng))

    def crossover(self, first: ArchSpec, second: ArchSpec, rng: np.random.Generator) -> ArchSpec:
        """A child that takes each decision from one of its parents (uniform crossover)."""
        names = sorted(first.choices.keys() | second.choices.keys())
        merged = {}
        for name in names:
            parents = [parent.choices[name] for parent in (first, second) if name in parent.choices]
            merged[name] = parents[int(rng.integers(len(parents)))]
        return self.decide(ReplayChooser(merged, rng))

    def enumerate(self) -> Iterator[ArchSpec]:
        """Every architecture once per combination of decisions, depth first (may be astronomically many)."""
        for chooser in enumerate_paths():
            yield self.decide(chooser)

    @cached_property
    def names(self) -> dict[str, tuple[Value, ...]]:
        """Names of all choices and their options, as 500 seeded samples find them, sorted by name."""
        found: dict[str, tuple[Value, ...]] = {}
        for seed in range(500):
            chooser = RandomChooser(np.random.default_rng(seed))
            self.decide(chooser)
            found.update(chooser.options)
        return dict(sorted(found.items()))

    def encode(self, spec: ArchSpec) -> np.ndarray:
        """A fixed-length vector for surrogate models.

        Returns:
            float64 array of shape (len(names),): the position of each decision among its options,
            scaled to [0, 1]; -1 where the choice was not asked.
        """
        row = np.full(len(self.names), -1.0)
        for position, (name, options) in enumerate(self.names.items()):
            if name in spec.choices:
                row[position] = options.index(spec.choices[name]) / max(1, len(options) - 1)
        return row


SPACES: Registry[type[SearchSpace]] = Registry("space")
