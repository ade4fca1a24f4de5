"""The contracts over your own layer, block and space: `python -m pytest examples/own_layer_test.py`."""

import keras
import own_space

from edgenas.arch import ArchSpec, Block, SearchSpace
from edgenas.build.builder import build_model
from edgenas.build.read_keras import graph_from_keras
from edgenas.testing.blocks import BlockContract
from edgenas.testing.spaces import SpaceContract


class TestPatches(BlockContract):
    # No space of edgenas uses space_to_depth, so its structures are known less exactly.
    ram_tolerance_bytes = 16

    def make(self) -> ArchSpec:
        blocks = (Block("patches", {"filters": 8}), Block("head", {"classes": 4}))
        return ArchSpec("by hand", (8, 8, 1), 4, blocks, {})

    def test_a_keras_model_with_the_layer_has_the_same_costs(self) -> None:
        graph = self.make().graph()
        read = graph_from_keras(build_model(graph, keras))
        assert [(op.kind, op.out_shape, op.macs) for op in read.ops] == [
            (op.kind, op.out_shape, op.macs) for op in graph.ops
        ]


class TestResidual(BlockContract):
    ram_tolerance_bytes = 16

    def make(self) -> ArchSpec:
        blocks = (
            Block("patches", {"filters": 8}),
            Block("plain_residual", {"filters": 16}),
            Block("head", {"classes": 4}),
        )
        return ArchSpec("by hand", (8, 8, 1), 4, blocks, {})


class TestPatchSpace(SpaceContract):
    samples = 20

    def make(self) -> SearchSpace:
        return own_space.PatchSpace((8, 8, 1), 10)
