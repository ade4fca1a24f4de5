"""The search spaces; importing this package registers them."""

from edgenas.arch.spaces.cell import CellSpace
from edgenas.arch.spaces.micro import MicroSpace
from edgenas.arch.spaces.mobile import MobileSpace

__all__ = ["CellSpace", "MicroSpace", "MobileSpace"]
