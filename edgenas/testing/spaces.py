"""Contract of a search space: what every registered space, and any of yours, must keep.

A third party writes one class and inherits the suite::

    class TestMySpace(SpaceContract):
        def make(self) -> SearchSpace:
            return MySpace((32, 32, 3), 10)
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice

import numpy as np
import pytest

from edgenas.arch.chooser import RandomChooser
from edgenas.arch.space import SearchSpace
from edgenas.arch.spec import ArchSpec, Value
from edgenas.errors import ConfigError


def generator(seed: int) -> np.random.Generator:
    """A seeded generator."""
    return np.random.default_rng(seed)


class SpaceContract:
    """Inherit, fill `make`, and pytest runs the suite."""

    samples = 60

    def make(self) -> SearchSpace:
        """A space to test."""
        raise NotImplementedError

    def specs(self) -> list[ArchSpec]:
        """Seeded samples of the space."""
        space = self.make()
        return [space.sample(generator(seed)) for seed in range(self.samples)]

    def test_one_seed_gives_one_spec(self) -> None:
        """Sampling is a function of the generator."""
        space = self.make()
        assert space.sample(generator(3)) == space.sample(generator(3))
        assert len({spec.arch_id for spec in self.specs()}) > self.samples // 2

    def test_choices_rebuild_the_spec(self) -> None:
        """A spec's own choices lead to the same spec."""
        space = self.make()
        for spec in self.specs():
            assert space.from_choices(spec.choices) == spec

    def test_a_name_always_has_the_same_options(self) -> None:
        """Names can be encoded and crossed over because their options never change."""
        space = self.make()
        seen: dict[str, tuple[Value, ...]] = {}
        for seed in range(self.samples):
            chooser = RandomChooser(generator(seed))
            space.decide(chooser)
            for name, options in chooser.options.items():
                assert seen.setdefault(name, options) == options

    def test_mutation_stays_in_the_space_and_changes_something(self) -> None:
        """A mutant differs in its choices and is a spec of the space."""
        space, rng = self.make(), generator(0)
        for spec in self.specs():
            mutant = space.mutate(spec, rng)
            assert mutant.choices != spec.choices
            assert space.from_choices(mutant.choices) == mutant

    def test_crossover_takes_decisions_from_its_parents(self) -> None:
        """A decision that both parents share is the child's too."""
        space, rng, specs = self.make(), generator(0), self.specs()
        for first, second in zip(specs, specs[1:], strict=False):
            child = space.crossover(first, second, rng)
            assert space.from_choices(child.choices) == child
            for name, value in child.choices.items():
                parents = [parent.choices[name] for parent in (first, second) if name in parent.choices]
                assert not parents or value in parents

    def test_encoding_has_one_length_and_tells_choices_apart(self) -> None:
        """Equal vectors mean equal choices; entries are -1 or within [0, 1]."""
        space = self.make()
        rows: dict[bytes, Mapping[str, Value]] = {}
        for spec in self.specs():
            row = space.encode(spec)
            assert row.shape == (len(space.names),)
            assert ((row == -1) | ((row >= 0) & (row <= 1))).all()
            assert rows.setdefault(row.tobytes(), spec.choices) == spec.choices

    def test_enumeration_repeats_nothing(self) -> None:
        """The first combinations are all different."""
        choices = [tuple(spec.choices.items()) for spec in islice(self.make().enumerate(), 200)]
        assert len(set(choices)) == len(choices)

    def test_operations_cover_every_network(self) -> None:
        """Whatever a network contains, a sweep of the space has measured."""
        space = self.make()
        try:
            known = {_shape_of(op) for op in space.operations()}
        except ConfigError:
            pytest.skip("this space cannot list its operations")
        for spec in self.specs():
            assert {_shape_of(op) for op in space.graph(spec).ops} <= known

    def test_a_missing_or_wrong_decision_is_refused(self) -> None:
        """No silent default stands in for a decision."""
        space = self.make()
        choices = dict(self.specs()[0].choices)
        name = next(iter(choices))
        with pytest.raises(ConfigError, match=name):
            space.from_choices({**choices, name: "no such option"})
        del choices[name]
        with pytest.raises(ConfigError, match=name):
            space.from_choices(choices)


def _shape_of(op: object) -> tuple[object, ...]:
    fields = ("kind", "in_shape", "out_shape", "kernel", "stride", "padding", "activation")
    return tuple(getattr(op, field) for field in fields)
