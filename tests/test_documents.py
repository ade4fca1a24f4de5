"""Documents of another form are one line; what fits is left alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import numpy as np
import pytest
from typing_extensions import TypeAliasType

from edgenas.documents import check_fields, fits, reading
from edgenas.errors import ConfigError, DataError

Scalar = TypeVar("Scalar", bound=np.generic)
ALIAS: Any = TypeAliasType("ALIAS", np.ndarray[Any, np.dtype[Scalar]], type_params=(Scalar,))
"""What ``NDArray`` is from NumPy 2.5 on: the alias of a ``type`` statement."""


@dataclass(frozen=True)
class Part:
    size: int


@dataclass(frozen=True)
class Whole:
    name: str
    parts: tuple[Part, ...]
    most: float | None = None


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (1, int), (1, float), (1.5, float), (float("nan"), float), (True, bool), ("a", str),
        (None, int | None), ((1, 2), tuple[int, ...]), ((), tuple[int, ...]), ((1, "a"), tuple[int, str]),
        ("a", Literal["a", "b"]), ({"a": 1}, Mapping[str, float]), (object(), Any),
        (frozenset({"a"}), frozenset[str]),
        (np.zeros(2), np.ndarray[Any, np.dtype[np.float64]]),
        (np.zeros(2), ALIAS), (np.zeros(2), ALIAS[np.float64]), (None, ALIAS[np.float64] | None),
    ],
)  # fmt: skip
def test_what_fits(value: object, kind: Any) -> None:
    assert fits(value, kind)


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (True, int), (True, float), (1, bool), (1.0, int), (2**63, int), (10**400, float), ("1", int),
        (None, int), ([1], tuple[int, ...]), ((1, "a"), tuple[int, ...]), ((1,), tuple[int, str]),
        ("c", Literal["a", "b"]), ({1: 1}, Mapping[str, int]), ({"a": "b"}, Mapping[str, int]),
        ([], Mapping[str, int]), (frozenset({1}), frozenset[str]), ("a", int | None),
        ([0.0], ALIAS[np.float64]),
    ],
)  # fmt: skip
def test_what_does_not_fit(value: object, kind: Any) -> None:
    assert not fits(value, kind)


def test_a_field_of_another_kind_is_named_also_within_parts() -> None:
    check_fields(Whole("a", (Part(1),)), "thing", "write it anew")
    with pytest.raises(
        ConfigError, match=r"damaged thing was given \(name = 3; expected str\); write it anew"
    ):
        check_fields(Whole(3, ()), "thing", "write it anew")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"size = 'xx.*\.\.\.; expected int"):
        check_fields(Whole("a", (Part("x" * 500),)), "thing", "write it anew")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "error", [KeyError("x"), TypeError("a\nb"), OverflowError("big"), RecursionError("deep")]
)
def test_what_python_raises_over_a_document_becomes_one_line(error: Exception) -> None:
    with (
        pytest.raises(ConfigError, match=r"a damaged thing was given \(.+\); mend it") as found,
        reading("thing", "mend it"),
    ):
        raise error
    assert "\n" not in str(found.value)


def test_errors_of_edgenas_and_of_the_machine_pass() -> None:
    with pytest.raises(DataError, match="mine"), reading("thing", "mend it"):
        raise DataError("mine")
    with pytest.raises(OSError, match="disk"), reading("thing", "mend it"):
        raise OSError("disk")
