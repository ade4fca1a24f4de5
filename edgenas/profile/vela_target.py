"""VelaTarget: how the Vela compiler knows an Ethos-U, as facts of a device file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgenas.errors import ConfigError
from edgenas.profile.device_fields import shown, text
from edgenas.registry import unknown_name

_FIELDS = ("accelerator", "system_config", "memory_mode")
_WORD = re.compile(r"[A-Za-z0-9_.-]{1,100}")


@dataclass(frozen=True, slots=True)
class VelaTarget:
    """What Vela compiles for.

    Attributes:
        accelerator: Vela's accelerator configuration, for example ``ethos-u55-128``.
        system_config: Name of a system configuration: clock, and speed of the memories.
        memory_mode: Name of a memory mode: what lies where.
        config: Vela configuration file with the two; None for the one that comes with Vela.
    """

    accelerator: str
    system_config: str
    memory_mode: str
    config: Path | None = None

    def to_json(self) -> dict[str, Any]:
        """A plain document."""
        document = {name: getattr(self, name) for name in _FIELDS}
        return {**document, "config": None if self.config is None else str(self.config)}

    @classmethod
    def from_document(cls, device_id: str, document: Mapping[str, Any], folder: Path) -> VelaTarget:
        """The target that the table ``[vela]`` of a device file describes.

        Args:
            device_id: The device's id.
            document: The table.
            folder: What ``config`` is relative to.

        Raises:
            ConfigError: A field is missing, unknown or of the wrong kind.
        """
        what = f"device '{device_id}' has vela."
        known = {*_FIELDS, "config"}
        for name in sorted(document.keys() - known):
            raise ConfigError(f"device '{device_id}': {unknown_name('field of vela', shown(name), known)}")
        words = {name: text(what, document, name) for name in _FIELDS}
        for name, word in words.items():
            if not _WORD.fullmatch(word):
                raise ConfigError(
                    f"{what}{name} = {shown(word)}; expected letters, digits, dots, dashes and underscores"
                )
        config = folder / text(what, document, "config") if "config" in document else None
        return cls(**words, config=config)
