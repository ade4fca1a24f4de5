"""Numbers and names of TFLite's builtin operators (`BuiltinOperator` of ``schema.fbs``)."""

from __future__ import annotations

from functools import cache

CUSTOM = 32


@cache
def _names() -> dict[int, str]:
    from ai_edge_litert import schema_py_generated as schema

    return {number: name for name, number in vars(schema.BuiltinOperator).items() if isinstance(number, int)}


def operator_name(code: int) -> str:
    """Name of a builtin operator, for example ``CONV_2D``."""
    return _names().get(code, f"operator {code}")
