"""Runners, one file each; importing this registers all of them."""

from edgenas.profile.runners.litert import LiteRTRunner

__all__ = ["LiteRTRunner"]
