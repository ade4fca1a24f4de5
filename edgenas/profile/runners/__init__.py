"""Runners, one file each; importing this registers all of them."""

from edgenas.profile.runners.adb import AdbRunner
from edgenas.profile.runners.local import LiteRTRunner, LocalRunner, OnnxRuntimeRunner
from edgenas.profile.runners.ssh import SshRunner

__all__ = ["AdbRunner", "LiteRTRunner", "LocalRunner", "OnnxRuntimeRunner", "SshRunner"]
