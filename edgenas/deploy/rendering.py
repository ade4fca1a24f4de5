"""Files of a bundle from the templates beside this module.

Each folder of ``templates/`` is a group that is written to one folder of a bundle. A template is named
and placed as its file, with ``.in`` at its end. ``@{name}`` stands for a value; nothing else is special,
so CMake's, Kotlin's and the shell's own marks stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

TEMPLATES = Path(__file__).parent / "templates"
SUFFIX = ".in"
_VALUE = re.compile(r"@\{(\w+)\}")


def write_group(group: str, folder: Path, values: Mapping[str, str]) -> None:
    """Write all files of a group, in UTF-8, with their folders.

    Args:
        group: A folder of ``templates/``.
        folder: Where its files go.
        values: What stands for each ``@{name}``.

    Raises:
        KeyError: A template asks for a value that is not given.
        OSError: A file cannot be written.
    """
    home = TEMPLATES / group
    for template in sorted(home.rglob(f"*{SUFFIX}")):
        path = folder / template.relative_to(home).as_posix().removesuffix(SUFFIX)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_rendered(template, values), encoding="utf-8", newline="\n")


def _rendered(template: Path, values: Mapping[str, str]) -> str:
    return _VALUE.sub(lambda match: values[match[1]], template.read_text(encoding="utf-8"))
