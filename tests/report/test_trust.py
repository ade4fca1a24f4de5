"""A run whose candidates a supernet scored never calls them trained, and says how far to trust it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edgenas.live.following import Follower
from edgenas.live.standing import standing
from edgenas.oneshot.trust import compared
from edgenas.report.trust import trust_words
from edgenas.store import Store
from tests.report.conftest import report_of
from tests.report.made_up import DESCRIPTION, fill
from tests.report.test_repeat import facts

SUPERNET = {"run": None, "networks": 540, "least_macs": 9_000, "most_macs": 3_074_160, "capped": True,
            "frame": {"s1_stride": 2, "stages": 3},
            "result": {"epochs": 12, "seconds": 90.0, "stopped_early": True}}  # fmt: skip
PAIRS = [
    {
        "trial": f"{place:04d}",
        "score": 0.1 * place,
        "alone": 0.5 + 0.05 * (place if place != 3 else 1.5),
        "macs": 1000 * (place + 3 * (place % 2)),
        "seconds": 20.0 + place,
    }
    for place in range(1, 8)
]


def trust_of(pairs: list[dict[str, Any]]) -> dict[str, Any]:
    return {"pairs": pairs, "failed": 0, **compared(pairs)}


@pytest.fixture
def scored(tmp_path: Path) -> Store:
    with Store.create(tmp_path / "run") as store:
        store.set_meta(status="retraining", **DESCRIPTION, supernet=SUPERNET, trust=trust_of(PAIRS))
        fill(store)
    return Store.read(tmp_path / "run")


def test_the_page_says_scored_and_draws_what_was_trained_alone(scored: Store) -> None:
    page = report_of(scored)
    text = page.text
    assert "28 scored" in text
    assert "All 28 scored candidates as a table" in text
    assert "scored 28 networks of space micro" in text
    for wrong in ("trained candidates", "28 trained", "short training"):
        assert wrong not in text
    section = page.section("trust")
    assert "540 networks of 9,000 to 3,074,160 MACs" in section.text
    assert "All of them have one frame: s1_stride 2, stages 3." in section.text
    assert "were left out, as no budget was given" in section.text
    assert "12 epochs, cut short by the time limit" in section.text
    assert "Kendall correlation of +0.90" in section.text
    titles = [element.text for element in section.all("title")]
    assert "network 0003: score 30.0 %, trained alone 57.5 %" in titles


def test_what_a_supernet_and_the_trainings_alone_took_is_among_the_times(scored: Store) -> None:
    listed = facts(report_of(scored).section("repeat"))
    assert listed["training the supernet"] == "2 min"
    assert listed["training networks alone, for scores"] == "3 min"
    assert "training the network with gates" not in listed


def test_a_supernet_of_an_earlier_run_took_no_time_here(scored: Store) -> None:
    taken = {**SUPERNET, "run": "runs/earlier"}
    with Store.open(scored.folder) as store:
        store.set_meta(supernet=taken)
    listed = facts(report_of(Store.read(scored.folder)).section("repeat"))
    assert "training the supernet" not in listed and "training networks alone, for scores" not in listed


def test_frames_of_several_regions_are_told(scored: Store) -> None:
    frames = [
        {"frame": {"stages": 2}, "least_macs": 9_000, "most_macs": 80_000},
        {"frame": {"stages": 3}, "least_macs": 80_001, "most_macs": 3_074_160},
    ]
    with Store.open(scored.folder) as store:
        store.set_meta(supernet={**SUPERNET, "frames": frames})
    told = report_of(Store.read(scored.folder)).section("trust").text
    assert "They are of 2 frames" in told
    assert "0, up to 80,000 MACs: stages 2; 1, up to 3,074,160 MACs: stages 3." in told


def test_watching_says_scored_too(scored: Store) -> None:
    with Follower(scored.folder) as follower:
        follower.refresh()
        assert standing(follower)["judged"] == "scored"


def test_a_run_that_trained_its_candidates_has_no_such_section(tmp_path: Path) -> None:
    with Store.create(tmp_path / "run") as store:
        store.set_meta(status="retraining", **DESCRIPTION)
        fill(store)
        page = report_of(store)
    assert "28 trained" in page.text
    assert "scored" not in page.text


def test_the_sentence_has_an_interval_where_there_is_one() -> None:
    assert trust_words(None) == ""
    assert "(95 % interval +0.64 to +0.98)" in trust_words(trust_of(PAIRS))
    assert "interval" not in trust_words(trust_of(PAIRS[:4]))
    assert "was not measured" in trust_words(trust_of(PAIRS[:2]))
    assert trust_words({**trust_of(PAIRS), "failed": 1}).endswith("; 1 more could not be trained alone")


def test_scores_that_rank_no_better_than_macs_are_called_so() -> None:
    better = trust_words(trust_of(PAIRS))
    assert "MACs alone rank them with +0.55" in better and "rank them no better" not in better
    worse = trust_words(trust_of([{**pair, "macs": pair["alone"]} for pair in PAIRS]))
    assert "MACs alone rank them with +1.00, so the scores rank them no better" in worse
    assert "--searcher front" in worse
