"""Names: registered once, found exactly, and a wrong one answered with the nearest."""

from __future__ import annotations

import pytest

from edgenas.errors import UnknownNameError, UsageError
from edgenas.registry import Registry, unknown_name


@pytest.fixture
def tools() -> Registry[str]:
    registry: Registry[str] = Registry("tool")
    for name in ("hammer", "Saw", "screwdriver"):
        registry.register(name)(f"the {name}")
    return registry


def test_what_is_registered_is_found_by_its_name(tools: Registry[str]) -> None:
    assert tools.get("hammer") == "the hammer"
    assert tools.names() == ["Saw", "hammer", "screwdriver"]


def test_registering_hands_the_entry_back_so_that_it_works_as_a_decorator() -> None:
    registry: Registry[type] = Registry("class")

    @registry.register("it")
    class It:
        pass

    assert registry.get("it") is It


def test_a_name_is_registered_once(tools: Registry[str]) -> None:
    with pytest.raises(ValueError, match="tool 'hammer' is registered twice"):
        tools.register("hammer")("another")
    assert tools.get("hammer") == "the hammer"


NEAREST = {"hamer": "hammer", "HAMMER": "hammer", "saw": "Saw", "screw-driver": "screwdriver"}


@pytest.mark.parametrize(("given", "meant"), NEAREST.items())
def test_a_wrong_name_is_answered_with_the_nearest_and_all_known(
    tools: Registry[str], given: str, meant: str
) -> None:
    with pytest.raises(UnknownNameError) as caught:
        tools.get(given)
    expected = f"unknown tool '{given}'; did you mean '{meant}'? Known: Saw, hammer, screwdriver."
    assert str(caught.value) == expected


def test_a_name_that_resembles_nothing_gets_no_guess(tools: Registry[str]) -> None:
    with pytest.raises(UnknownNameError) as caught:
        tools.get("zzz")
    assert "did you mean" not in str(caught.value)


def test_an_empty_registry_says_that_it_knows_none() -> None:
    assert str(unknown_name("tool", "x", [])).endswith("Known: none.")
    assert isinstance(unknown_name("tool", "x", []), UsageError)
