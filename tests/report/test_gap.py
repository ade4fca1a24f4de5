"""Validation against test: the interval, and what is said of either outcome."""

from __future__ import annotations

import json

import pytest

from edgenas.report.intervals import wilson
from edgenas.store import Store
from tests.report.conftest import report_of
from tests.report.html_tree import Element
from tests.report.made_up import DESCRIPTION

KNOWN_INTERVALS = [
    # right, of, lower, upper: Newcombe 1998, table I, method 3
    (81, 263, 0.2553, 0.3662),
    (15, 148, 0.0624, 0.1605),
    (0, 20, 0.0, 0.1611),
    (1, 29, 0.0061, 0.1718),
]


@pytest.mark.parametrize(("right", "images", "low", "high"), KNOWN_INTERVALS)
def test_the_interval_is_wilsons(right: int, images: int, low: float, high: float) -> None:
    assert wilson(right / images, images) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.5, 0.97, 1.0])
@pytest.mark.parametrize("images", [1, 30, 10_000])
def test_the_interval_holds_the_share_and_is_mirrored(share: float, images: int) -> None:
    low, high = wilson(share, images)
    assert 0 <= low <= share <= high <= 1
    assert wilson(1 - share, images) == pytest.approx((1 - high, 1 - low))


def with_accuracies(store: Store, validation: float, test: float) -> Element:
    for winner in store.winners():
        if winner.manifest:
            manifest = json.loads(json.dumps(winner.manifest))
            for artifact in manifest["artifacts"]:
                artifact["accuracy"] = {"validation": validation, "test": test}
            store.update_winner(winner.trial_id, manifest=manifest)
    return report_of(store).section("test")


def test_both_accuracies_and_the_interval_are_shown(finished: Store) -> None:
    section = with_accuracies(finished, 0.93, 0.9)
    low, high = wilson(0.9, 270)
    for row in section.one("table").rows():
        assert row["Validation"] == "93.0 %"
        assert row["Test"] == "90.0 %"
        assert row["Test − validation"] == "−3.0"
        assert row["95 % interval of test"] == f"{100 * low:.1f} to {100 * high:.1f}"
    assert "270 test images" in section.one("caption").text


def test_agreement_is_no_sign_of_overfitting(finished: Store) -> None:
    verdict = with_accuracies(finished, 0.93, 0.9).text
    assert "there is no sign that the search has fitted itself" in verdict
    assert "A test set this small has a wide interval" in verdict


def test_a_large_test_set_is_not_called_small(finished: Store) -> None:
    finished.set_meta(data={**DESCRIPTION["data"], "test": 10_000})
    assert "small" not in with_accuracies(finished, 0.9, 0.9).text.replace("small optimism", "")


def test_a_gap_beyond_the_interval_is_called_by_its_name(finished: Store) -> None:
    verdict = with_accuracies(finished, 0.99, 0.9).text
    assert "3 of 3 winners did better on validation than the test’s interval allows" in verdict
    assert "Trust the test figures" in verdict
    assert "no sign" not in verdict


def test_a_better_test_accuracy_is_no_gap(finished: Store) -> None:
    section = with_accuracies(finished, 0.8, 0.99)
    assert "no sign" in section.text
    assert section.one("table").rows()[0]["Test − validation"] == "+19.0"


def test_before_the_export_nothing_is_claimed(finished: Store) -> None:
    for winner in finished.winners():
        finished.update_winner(winner.trial_id, manifest=None)
    section = report_of(finished).section("test")
    assert "The test set has not been touched yet" in section.text
    assert not section.all("table")
