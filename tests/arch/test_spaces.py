"""Every registered space keeps the contract of `edgenas.testing.spaces`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from edgenas.arch import SPACES, ArchSpec, Block, SearchSpace
from edgenas.arch.chooser import Chooser
from edgenas.errors import ConfigError, UnknownNameError
from edgenas.testing.spaces import SpaceContract

SHAPES = ((8, 8, 1), (20, 36, 2), (29, 12), (24, 1), (20,))


def fits(name: str, shape: tuple[int, ...]) -> bool:
    try:
        SPACES.get(name)(shape, 10)
    except ConfigError:
        return False
    return True


CASES = [(name, shape) for name in SPACES.names() for shape in SHAPES if fits(name, shape)]
"""Every registered space with every shape that it takes."""


@pytest.fixture(params=CASES, ids=lambda case: f"{case[0]}-{'x'.join(map(str, case[1]))}", autouse=True)
def case(request: pytest.FixtureRequest) -> Callable[[], SearchSpace]:
    name, shape = request.param
    request.instance.make = lambda: SPACES.get(name)(shape, 10)
    return request.instance.make


class TestRegisteredSpaces(SpaceContract):
    pass


class Tiny(SearchSpace):
    name = "tiny"

    def decide(self, chooser: Chooser) -> ArchSpec:
        blocks = [Block("stem", {"filters": chooser.int("filters", 2, 4), "kernel": 3, "stride": 1})]
        if chooser.flag("deep"):
            args = {"filters": chooser.choice("width", (4, 8)), "kernel": 3, "stride": 1, "skip": False}
            blocks.append(Block("ds", args))
        blocks.append(Block("head", {"classes": self.classes}))
        return ArchSpec(self.name, self.input_shape, self.classes, tuple(blocks), dict(chooser.values))


class TestByHand:
    @pytest.fixture(autouse=True)
    def case(self) -> None:
        """These need no registered space."""

    def test_enumeration_visits_every_combination_once(self) -> None:
        specs = list(Tiny((8, 8, 1), 3).enumerate())
        assert len(specs) == 3 * (1 + 2)
        assert len({spec.arch_id for spec in specs}) == 9

    def test_an_unknown_space_says_what_was_meant(self) -> None:
        with pytest.raises(UnknownNameError, match="did you mean 'micro'"):
            SPACES.get("mirco")

    def test_micro_reads_images_only(self) -> None:
        with pytest.raises(ConfigError, match="height, width, channels"):
            SPACES.get("micro")((128,), 10)

    def test_a_series_needs_time(self) -> None:
        for shape in ((128,), (1, 3), (2, 3, 4, 5)):
            with pytest.raises(ConfigError, match="time"):
                SPACES.get("sequence")(shape, 10)

    def test_only_dense_gives_its_input_again(self) -> None:
        with pytest.raises(ConfigError, match="dense"):
            SPACES.get("sequence")((24, 1), 2, "reconstruction")
        spec = SPACES.get("dense")((8, 8, 1), 1, "reconstruction").sample(np.random.default_rng(0))
        ops = spec.graph().ops
        assert (ops[-1].kind, ops[-1].out_shape, ops[-2].out_shape) == ("reshape", (8, 8, 1), (64,))
        assert ArchSpec.from_json(spec.to_json()) == spec

    def test_a_linear_head_gives_one_number(self) -> None:
        for name, shape in (("sequence", (24, 1)), ("dense", (20,))):
            space = SPACES.get(name)(shape, 1, "linear")
            for seed in range(20):
                last = space.sample(np.random.default_rng(seed)).graph().ops[-1]
                assert (last.kind, last.out_shape, last.activation) == ("dense", (1,), "linear")

    def test_one_class_is_no_task(self) -> None:
        with pytest.raises(ConfigError, match="at least 2"):
            SPACES.get("micro")((8, 8, 1), 1)
