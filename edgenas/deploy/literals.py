"""Numbers and text as C reads them, exact to the bit."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

import numpy as np

WIDTH = 100
"""Characters of a line of a table."""


def float_literal(value: float) -> str:
    """A float32 value as a C literal that reads back to the same bits; NaN and infinity have none."""
    text = f"{np.float32(value):.9g}"
    return f"{text}f" if any(mark in text for mark in ".e") else f"{text}.0f"


def string_literal(text: str) -> str:
    r"""Text as a C string of plain ASCII; what lies outside of it stands as bytes of UTF-8 in octal."""
    escaped = (
        chr(byte) if 32 <= byte < 127 and byte not in b'"\\?' else f"\\{byte:03o}"
        for byte in text.encode("utf-8")
    )
    return f'"{"".join(escaped)}"'


def kotlin_literal(text: str) -> str:
    """A text as Kotlin reads it; its ``$`` would else begin a value."""
    return json.dumps(text).replace("$", "\\$")


def table(values: np.ndarray) -> str:
    """The values of an array, flattened, as the inner lines of a C initializer, two spaces deep.

    Args:
        values: float32 or any integer type.
    """
    flat = np.asarray(values).ravel()
    if flat.dtype == np.float32:
        return lines([float_literal(value) for value in flat.tolist()])
    return lines([str(value) for value in flat.tolist()])


def rows(values: np.ndarray) -> str:
    """An array of two axes or more as one braced initializer for each entry of its first axis."""
    return ",\n".join(f"  {{\n{table(row)}\n  }}" for row in values)


def lines(items: Sequence[str]) -> str:
    """Items with commas between them, broken into lines."""
    out, line = [], ""
    for item in items:
        if len(line) + len(item) + 1 > WIDTH:
            out.append(line)
            line = ""
        line += f"{item},"
    out.append(line)
    return "\n".join(f"  {one}" for one in out).rstrip(",")


def braced(numbers: Iterable[int]) -> str:
    """A few numbers as a C initializer, for example ``{28, 28, 1}``."""
    return "{" + ", ".join(map(str, numbers)) + "}"


def comment(text: str) -> str:
    """Text that is safe within a C comment."""
    return text.replace("*/", "* /").replace("\n", " ")
