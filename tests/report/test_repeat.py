"""What is needed to repeat a run: a command that the command line reads back, seeds, versions."""

from __future__ import annotations

import shlex
from typing import Any

import pytest

from edgenas.cli.main import make_parser
from edgenas.config import RunConfig, config_from
from edgenas.report.repeat import command
from edgenas.store import Store
from tests.report.conftest import report_of
from tests.report.html_tree import Element
from tests.report.made_up import DESCRIPTION

CONFIGS = {
    "the least": RunConfig("digits"),
    "everything": RunConfig(
        "fashion-mnist", space="micro", device="nucleo-l4r5zi", latency_ms=12.5, ram_kib=0.1 + 0.2,
        flash_kib=256, objectives=("val_error", "peak_ram_bytes", "macs"), searcher="nsga2", trials=50,
        minutes=90, epochs=4, images=10_000, final_epochs=60, winners=7, seed=123_456_789,
    ),
    "a path to quote": RunConfig("/data/it's \"mine\" & $HOME/*.npz; rm -rf ."),
}  # fmt: skip


def parsed(line: str) -> RunConfig:
    """The configuration that a shell and the command line make of a line."""
    program, *words = shlex.split(line)
    assert program == "edgenas"
    args = vars(make_parser()[0].parse_args(words))
    assert args.pop("verb") == "search"
    given = {name: value for name, value in args.items() if name not in ("json", "config")}
    return config_from({name: value for name, value in given.items() if value is not None})


@pytest.mark.parametrize("name", CONFIGS)
def test_the_command_gives_the_same_configuration(name: str) -> None:
    config = CONFIGS[name]
    assert parsed(command(config.changed(out="runs/before").to_json())) == config


def test_the_page_shows_that_command(page: Element) -> None:
    shown = page.section("repeat").one("pre").text
    config = config_from(DESCRIPTION["config"])
    assert parsed(shown) == RunConfig(**{**vars(config), "out": None})


def facts(section: Element) -> dict[str, str]:
    return {
        entry.one("dt").text: entry.one("dd").text for part in section.all("dl") for entry in part.all("div")
    }


def test_seed_versions_data_and_machine_are_listed(page: Element) -> None:
    listed = facts(page.section("repeat"))
    for name, version in DESCRIPTION["versions"].items():
        assert listed[name] == (version or "not installed")
    assert listed["seed"] == "3"
    assert listed["fingerprint"] == "sha256:0f3a9c"
    assert (listed["train"], listed["validation"], listed["test"]) == ("1,257", "270", "270")
    assert listed["processor"] == "Some CPU at 2 GHz"
    assert listed["memory (GiB)"] == "7.8"
    assert listed["device id"] == "arduino-nano-33-ble"
    assert listed["whole run"] == "22 min"
    assert listed["the search ended because"] == "all trials are done"


@pytest.mark.parametrize("minutes", [None, 5.0])
def test_a_run_limited_by_time_is_said_to_depend_on_it(new: Store, minutes: Any) -> None:
    new.set_meta(config={"data": "digits", "minutes": minutes})
    section = report_of(new).section("repeat").text
    assert ("in the same time it may train more or fewer networks" in section) == (minutes is not None)


def test_a_search_from_python_has_no_command(new: Store) -> None:
    section = report_of(new).section("repeat")
    assert not section.all("pre")
    assert "run the same program" in section.text
