"""Training curves: every epoch of every final training, nothing made up in between."""

from __future__ import annotations

from math import inf, nan
from typing import Any

import pytest

from edgenas.report.curves import draw_curves
from edgenas.store import Store
from tests.report.conftest import report_of
from tests.report.html_tree import Element, read_html


def drawn(history: list[dict[str, Any]], key: str = "accuracy") -> Element:
    return read_html(f"<html>{draw_curves(history, key, 'Title', 'Name')}</html>")


def points(chart: Element, kind: str) -> list[tuple[float, float]]:
    pairs = chart.one("polyline", kind).attributes["points"].split()
    return [(float(x), float(y)) for x, y in (pair.split(",") for pair in pairs)]


def test_each_final_training_has_its_curves_and_its_outcome(finished: Store, page: Element) -> None:
    figures = page.section("training").all("figure")
    trained = {winner.trial_id: winner for winner in finished.winners() if winner.result}
    assert len(figures) == len(trained) == 4
    for figure in figures:
        caption = figure.one("figcaption").text
        winner = trained[caption.split()[1].rstrip(":,")]
        assert winner.result
        assert f"kept at {100 * winner.result['train_accuracy']:.1f} % on training" in caption
        assert f"and {100 * winner.result['val_accuracy']:.1f} % on validation data" in caption
        assert "30 epochs, stopped early" in caption
        assert ("dropped afterwards" in caption) == (winner.reason is not None)
        loss, accuracy = figure.all("svg")
        for chart in (loss, accuracy):
            assert len(points(chart, "train")) == len(points(chart, "val")) == 30
        assert loss.attributes["aria-label"].startswith("Loss by epoch")


def test_a_curve_rises_where_the_figures_rise() -> None:
    history = [{"accuracy": share, "val_accuracy": share / 2} for share in (0.2, 0.4, 0.3, 0.9)]
    chart = drawn(history)
    for kind in ("train", "val"):
        x, y = zip(*points(chart, kind), strict=True)
        assert list(x) == sorted(x) and len(set(x)) == 4
        assert y[3] < y[1] < y[2] < y[0]
    assert points(chart, "val")[3][1] > points(chart, "train")[3][1]


def test_accuracies_are_in_percent_and_losses_as_they_are() -> None:
    history = [{"accuracy": 0.2, "loss": 2.5}, {"accuracy": 0.9, "loss": 0.5}]
    assert "80 %" in [label.text for label in drawn(history).all("text", "tick")]
    assert "2.5" in [label.text for label in drawn(history, "loss").all("text", "tick")]


def test_epochs_without_a_finite_figure_are_left_out() -> None:
    history = [{"loss": 1.0}, {"loss": nan}, {"loss": inf}, {"loss": None}, {}, {"loss": 0.5}]
    chart = drawn(history, "loss")
    assert len(points(chart, "train")) == 2
    assert not chart.all("polyline", "val")
    assert [label.text for label in chart.all("text", "line-name")] == ["training"]


@pytest.mark.parametrize("history", [[], [{}], [{"loss": nan}]])
def test_without_figures_there_is_no_chart(history: list[dict[str, Any]]) -> None:
    assert draw_curves(history, "loss", "Title", "Name") == ""


def test_one_epoch_is_a_point() -> None:
    assert len(points(drawn([{"accuracy": 0.5, "val_accuracy": 0.5}]), "val")) == 1


def test_names_of_lines_that_end_together_do_not_cover_each_other() -> None:
    chart = drawn([{"accuracy": 0.2, "val_accuracy": 0.2}, {"accuracy": 0.9, "val_accuracy": 0.9}])
    first, second = (float(label.attributes["y"]) for label in chart.all("text", "line-name"))
    assert abs(first - second) >= 12


def test_a_training_that_ran_to_its_end_says_so(finished: Store) -> None:
    winner = finished.winners()[0]
    finished.update_winner(winner.trial_id, result={**(winner.result or {}), "stopped_early": False})
    captions = [caption.text for caption in report_of(finished).section("training").all("figcaption")]
    assert sum("ran to its end" in caption for caption in captions) == 1
