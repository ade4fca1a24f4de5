"""What can be built: specs, graphs of operations, blocks and search spaces. No TensorFlow here."""

from edgenas.arch.graph import GraphBuilder, Op, OpGraph
from edgenas.arch.space import SPACES, SearchSpace
from edgenas.arch.spaces import CellSpace, MicroSpace, MobileSpace
from edgenas.arch.spec import ArchSpec, Block

__all__ = [
    "SPACES", "ArchSpec", "Block", "CellSpace", "GraphBuilder", "MicroSpace", "MobileSpace", "Op", "OpGraph",
    "SearchSpace",
]  # fmt: skip
