"""What can be built: specs, graphs of operations, blocks and search spaces. No TensorFlow here."""

from edgenas.arch import sequence_blocks  # noqa: F401  its blocks register themselves
from edgenas.arch.graph import GraphBuilder, Op, OpGraph
from edgenas.arch.space import SPACES, SearchSpace
from edgenas.arch.spaces import CellSpace, DenseSpace, MicroSpace, MobileSpace, SequenceSpace
from edgenas.arch.spec import ArchSpec, Block

__all__ = [
    "SPACES", "ArchSpec", "Block", "CellSpace", "DenseSpace", "GraphBuilder", "MicroSpace", "MobileSpace",
    "Op", "OpGraph", "SearchSpace", "SequenceSpace",
]  # fmt: skip
