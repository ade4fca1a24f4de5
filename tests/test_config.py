"""Run configurations: checked, and the same after a trip through TOML."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgenas.config import DEFAULT_TRIALS, RunConfig, config_from, read_config
from edgenas.errors import BudgetError, ConfigError, UnknownNameError

WORDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x7f"), min_size=1, max_size=20)
POSITIVE = st.one_of(st.none(), st.floats(1e-3, 1e6))
COUNTS = st.one_of(st.none(), st.integers(1, 10**6))
CONFIGS = st.builds(
    RunConfig,
    data=WORDS, space=WORDS, device=WORDS, latency_ms=POSITIVE, ram_kib=POSITIVE, flash_kib=POSITIVE,
    objectives=st.one_of(st.none(), st.lists(WORDS, min_size=1, max_size=3)), searcher=WORDS,
    trials=COUNTS, minutes=POSITIVE, epochs=COUNTS, images=COUNTS, final_epochs=COUNTS,
    winners=st.integers(1, 20), seed=st.integers(0, 2**31), out=st.one_of(st.none(), WORDS),
)  # fmt: skip


@settings(deadline=None)
@given(CONFIGS)
def test_a_configuration_survives_json_and_toml(
    tmp_path_factory: pytest.TempPathFactory, config: RunConfig
) -> None:
    assert config_from(config.to_json()) == config
    path = tmp_path_factory.getbasetemp() / "config.toml"
    path.write_text(config.to_toml(), encoding="utf-8")
    assert config_from(read_config(path)) == replace(config, out=None)  # a folder takes one run


def test_a_toml_file_reads_as_people_write_it(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    lines = (
        'data = "fotos/Blüten 🌸"',
        "ram_kib = 64",
        "minutes = 7.5",
        'objectives = ["val_error", "macs"]',
    )
    path.write_text("\n".join(lines), encoding="utf-8")
    config = config_from(read_config(path))
    assert (config.data, config.ram_kib, config.minutes) == ("fotos/Blüten 🌸", 64, 7.5)
    assert config.objectives == ("val_error", "macs")


@pytest.mark.parametrize("name", ["latency_ms", "ram_kib", "flash_kib", "minutes"])
@pytest.mark.parametrize("value", [0, -3.5, float("nan")])
def test_a_budget_of_nothing_is_refused_by_its_option(name: str, value: float) -> None:
    with pytest.raises(BudgetError, match=f"--{name.replace('_', '-')} .* expected more than zero"):
        RunConfig(data="digits", **{name: value})


@pytest.mark.parametrize("name", ["trials", "epochs", "images", "final_epochs", "winners"])
def test_a_count_of_zero_is_refused_by_its_option(name: str) -> None:
    with pytest.raises(ConfigError, match=f"--{name.replace('_', '-')} 0 was given; expected 1 or more"):
        RunConfig(data="digits", **{name: 0})


@pytest.mark.parametrize(("name", "value"), [("winners", 21), ("seed", -1)])
def test_numbers_out_of_range_are_refused(name: str, value: int) -> None:
    with pytest.raises(ConfigError, match=f"--{name} {value} was given"):
        RunConfig(data="digits", **{name: value})


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("trials", "5"),
        ("trials", 5.5),
        ("trials", True),
        ("ram_kib", "64"),
        ("data", 3),
        ("objectives", "macs"),
        ("objectives", ["macs", 3]),
    ],
)
def test_a_setting_of_the_wrong_type_is_refused(setting: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=f"setting {setting} = .* was given; expected"):
        config_from({"data": "digits", setting: value})


def test_a_misspelled_setting_says_what_was_meant() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'latency_ms'"):
        config_from({"data": "digits", "latency": 5})


@pytest.mark.parametrize("document", [{}, {"data": ""}, {"data": None}])
def test_a_run_needs_data(document: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="no data set was given"):
        config_from(document)


def test_a_missing_or_broken_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent.toml cannot be read: No such file"):
        read_config(tmp_path / "absent.toml")
    for content in (b"data = ", b"\xff\xfe"):
        (tmp_path / "broken.toml").write_bytes(content)
        with pytest.raises(ConfigError, match=r"broken.toml is not TOML"):
            read_config(tmp_path / "broken.toml")


@pytest.mark.parametrize(
    ("given", "limit"), [({}, DEFAULT_TRIALS), ({"minutes": 5}, None), ({"minutes": 5, "trials": 7}, 7)]
)
def test_only_time_or_trials_end_a_search(given: dict[str, Any], limit: int | None) -> None:
    assert RunConfig(data="digits", **given).trial_limit == limit


def test_changing_nothing_leaves_a_setting_as_it_is() -> None:
    config = RunConfig(data="digits", trials=9)
    assert config.changed(trials=None, seed=4) == RunConfig(data="digits", trials=9, seed=4)
