"""The search spaces; importing this package registers them."""

from edgenas.arch.spaces.dense import DenseSpace
from edgenas.arch.spaces.micro import MicroSpace
from edgenas.arch.spaces.sequence import SequenceSpace

__all__ = ["DenseSpace", "MicroSpace", "SequenceSpace"]
