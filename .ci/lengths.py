"""Modules of at most 400 lines, functions of at most 40: fails with the places that are longer."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

MODULE_LINES, FUNCTION_LINES = 400, 40


def too_long(path: Path) -> list[str]:
    """Places in one file that are over a limit."""
    text = path.read_text(encoding="utf-8")
    found = []
    if (lines := len(text.splitlines())) > MODULE_LINES:
        found.append(f"{path}: {lines} lines, at most {MODULE_LINES}")
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            has_docstring = ast.get_docstring(node) is not None
            first = node.body[1] if has_docstring and len(node.body) > 1 else node.body[0]
            if (lines := (node.end_lineno or 0) - first.lineno + 1) > FUNCTION_LINES:
                found.append(f"{path}:{node.lineno}: {node.name} has {lines} lines, at most {FUNCTION_LINES}")
    return found


if __name__ == "__main__":
    places = [place for path in sorted(Path("edgenas").rglob("*.py")) for place in too_long(path)]
    print("\n".join(places) or "module and function lengths are fine")
    sys.exit(bool(places))
