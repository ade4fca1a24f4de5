"""Damaged documents for hypothesis: a whole one with other values, fields less or more, or other bytes."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import strategies as st

from edgenas.testing.damage import damaged_file

_NUMBERS = st.sampled_from(
    [0, -1, 1, 2, 255, 2**31, 2**63, -(2**64), 10**400, 0.5, -0.0, 1e308, float("inf"), float("nan")]
)
_WORDS = st.sampled_from(
    ["", "x", "None", "../x", "/etc/passwd", "a\nb", "\x1b[2J", "\0", "é" * 300, "<script>"]
)
_PLAIN = st.none() | st.booleans() | _NUMBERS | _WORDS | st.integers() | st.floats() | st.text(max_size=8)
VALUES = st.recursive(
    _PLAIN,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=4,
)
"""Anything that JSON can hold, and Python's NaN and infinities."""


@st.composite
def changed_document(draw: st.DrawFn, document: dict[str, Any]) -> dict[str, Any]:
    """A document with one to three changes, each anywhere in it."""
    found = copy.deepcopy(document)
    for _ in range(draw(st.integers(1, 3))):
        _change(draw, found)
    return found


def _change(draw: st.DrawFn, node: Any) -> None:
    """Go down at random and replace, remove, double or add something there."""
    while True:
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        if not keys:
            return
        key = draw(st.sampled_from(keys))
        if isinstance(node[key], (dict, list)) and node[key] and draw(st.integers(0, 3)):
            node = node[key]
            continue
        what = draw(st.integers(0, 9))
        if what == 0:
            del node[key]
        elif what == 1 and isinstance(node, list):
            node.append(node[key])
        elif what == 1:
            node[draw(st.text(max_size=6))] = node[key]
        else:
            node[key] = draw(VALUES)
        return


@st.composite
def damaged_bytes(draw: st.DrawFn, wholes: Sequence[bytes]) -> bytes:
    """A file that was cut, spliced with another, or changed in places."""
    rng = draw(st.randoms(use_true_random=False))
    return damaged_file(draw(st.sampled_from(wholes)), draw(st.sampled_from(wholes)), rng)


def damaged_text(
    documents: Sequence[dict[str, Any]], written: Callable[[dict[str, Any]], str]
) -> st.SearchStrategy[bytes]:
    """Files of documents: seven in eight with other values in a sound file, the rest with other bytes.

    Args:
        documents: Whole ones.
        written: Makes the text of one.
    """
    wholes = [written(document).encode() for document in documents]
    changed = st.sampled_from(list(documents)).flatmap(changed_document)
    sound = changed.map(lambda document: written(document).encode("utf-8", "surrogatepass"))
    return st.integers(0, 7).flatmap(lambda number: sound if number else damaged_bytes(wholes))


def json_text(document: dict[str, Any]) -> str:
    """A document as JSON."""
    return json.dumps(document)


def toml_text(document: dict[str, Any]) -> str:
    """A document as TOML, with tables as inline ones; None within a list stands there all the same."""
    return "".join(
        f"{_key(name)} = {_toml(value)}\n" for name, value in document.items() if value is not None
    )


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_key(name)} = {_toml(inner)}" for name, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, float):
        return str(value)  # nan and inf as TOML writes them
    return json.dumps(value)


def _key(name: Any) -> str:
    return json.dumps(name)


@st.composite
def damaged_csv(draw: st.DrawFn, wholes: Sequence[str]) -> bytes:
    """A table with other cells, rows and columns, or with other bytes."""
    whole = draw(st.sampled_from(wholes))
    if not draw(st.integers(0, 4)):
        return draw(damaged_bytes([whole.encode()]))
    rows = [line.split(",") for line in whole.splitlines()]
    for _ in range(draw(st.integers(1, 4))):
        row = draw(st.sampled_from(rows))
        what = draw(st.integers(0, 7))
        if what == 0:
            rows.remove(row)
            if not rows:
                break
        elif what == 1:
            row.append(draw(st.text(max_size=4)))
        elif row:
            row[draw(st.integers(0, len(row) - 1))] = draw(_CELLS)
    text = draw(st.sampled_from(["\n", "\r\n", "\r", "\n\n"])).join(map(",".join, rows))
    return text.encode(draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16"])), "surrogatepass")


_CELLS = (
    st.sampled_from(
        ["", "nan", "inf", "-1", "1e999", "1_0", '"', '"a\nb"', "split", "test", "\0", "٣", "9" * 5000]
    )
    | st.sampled_from(["x" * 200_000, "../../etc/passwd", "0x10", "True", " 1 ", "\ufeff", "#"])
    | st.text(max_size=10)
    | st.floats().map(str)
    | st.integers().map(str)
)
