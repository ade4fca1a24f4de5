"""The search spaces; importing this package registers them."""

from edgenas.arch.spaces.cell import CellSpace
from edgenas.arch.spaces.dense import DenseSpace
from edgenas.arch.spaces.micro import MicroSpace
from edgenas.arch.spaces.mobile import MobileSpace
from edgenas.arch.spaces.sequence import SequenceSpace
from edgenas.arch.spaces.tiny import TinySpace

__all__ = ["CellSpace", "DenseSpace", "MicroSpace", "MobileSpace", "SequenceSpace", "TinySpace"]
