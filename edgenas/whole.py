"""Files that are there whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from edgenas.errors import ConfigError


def write_whole(path: Path, text: str, what: str) -> None:
    """Write a file in one step: a reader sees the old one or the new one, never half.

    Args:
        what: What the file is, for the error, for example ``latency table``.

    Raises:
        ConfigError: The place cannot be written to.
    """
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        raise ConfigError(f"{what} {path} cannot be written ({error.strerror}); give --out") from None


def write_bytes_whole(path: Path, content: bytes) -> None:
    """Write a file of bytes in one step.

    Raises:
        OSError: The place cannot be written to; nothing is left there.
    """
    temporary = path.with_name(f"{path.name}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(content)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
