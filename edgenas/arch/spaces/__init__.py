"""The search spaces; importing this package registers them."""

from edgenas.arch.spaces.micro import MicroSpace

__all__ = ["MicroSpace"]
