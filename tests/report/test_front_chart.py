"""The front as a chart: the right dots at the right places, labels that can be read."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import combinations, product

import numpy as np
import pytest

from edgenas.arch.spec import ArchSpec
from edgenas.records import TrialRecord
from edgenas.report.axes import Frame, Scale, even_ticks, log_ticks, scale_for
from edgenas.report.front_chart import draw_front, front_chart
from edgenas.report.labels import CHARACTER_WIDTH, LINE_HEIGHT, Labels
from edgenas.report.run import Run, read_run
from edgenas.search.pareto import front_mask
from edgenas.store import Store
from tests.report.html_tree import Element, read_html
from tests.report.made_up import DESCRIPTION, choose_winners, fill, within_budget

WIDE = Frame(940, 420)


def drawn(run: Run, metric: str, frame: Frame = WIDE) -> Element:
    chart = front_chart(run, metric)
    assert chart is not None
    return read_html(f"<html>{draw_front(chart, frame)}</html>").one("svg")


def run_of(store: Store, points: list[tuple[int, float]]) -> Run:
    """A run whose candidates have these MACs and validation accuracies."""
    spec, cost = next(within_budget(np.random.default_rng(0)))
    store.set_meta(**DESCRIPTION)
    for number, (macs, share) in enumerate(points):
        named = ArchSpec("hypermodel", spec.input_shape, 10, (), {"number": number})
        store.begin_trial(f"{number:04d}", named, replace(cost, macs=macs))
        store.finish_trial(f"{number:04d}", {}, {"val_accuracy": share})
    return read_run(store)


def marks(chart: Element, kind: str) -> dict[str, Element]:
    return {mark.attributes["data-trial"]: mark for mark in chart.all("g", kind)}


def centre(mark: Element) -> tuple[float, float]:
    circle = mark.one("circle").attributes
    return float(circle["cx"]), float(circle["cy"])


def test_the_front_is_what_nothing_beats_in_accuracy_and_all_costs(finished: Store) -> None:
    run = read_run(finished)
    done = [trial for trial in run.trials if trial.val_error is not None]
    points = np.array([[t.val_error, t.cost.macs, t.cost.peak_ram_bytes] for t in done], dtype=float)
    expected = {trial.trial_id for trial, on in zip(done, front_mask(points), strict=True) if on}
    assert {trial.trial_id for trial in run.front} == expected
    macs = [trial.cost.macs for trial in run.front]
    assert macs == sorted(macs)


def test_a_chart_marks_the_front_of_its_own_two_axes(new: Store) -> None:
    run = run_of(new, [(1000, 0.5), (2000, 0.7), (3000, 0.6), (4000, 0.9), (5000, 0.9)])
    chart = drawn(run, "macs")
    assert set(marks(chart, "dot")) == {"0000", "0001", "0002", "0003", "0004"}
    assert set(marks(chart, "on")) == {"0000", "0001", "0003"}


def test_dots_stand_right_of_cheaper_and_above_worse_ones(finished: Store) -> None:
    run = read_run(finished)
    for metric in ("macs", "peak_ram_bytes"):
        dots = {name: mark for name, mark in marks(drawn(run, metric), "dot").items() if mark.all("circle")}
        assert len(dots) > 20
        for one, other in combinations(dots, 2):
            first, second = finished.trial(one), finished.trial(other)
            (x1, y1), (x2, y2) = centre(dots[one]), centre(dots[other])
            assert (getattr(first.cost, metric) - getattr(second.cost, metric)) * (x1 - x2) >= 0
            assert ((first.val_error or 0) - (second.val_error or 0)) * (y1 - y2) >= 0


def test_the_line_goes_through_the_front_and_never_falls(finished: Store) -> None:
    chart = drawn(read_run(finished), "macs")
    path = [tuple(map(float, pair.split())) for pair in re.findall(r"[\d.]+ [\d.]+", _line(chart))]
    assert {centre(mark) for mark in marks(chart, "on").values() if mark.all("circle")} <= set(path)
    for (x1, y1), (x2, y2) in zip(path, path[1:], strict=False):
        assert x2 >= x1 and y2 <= y1
        assert x1 == x2 or y1 == y2
    assert path[-1][0] == WIDE.x_range[1]


def _line(chart: Element) -> str:
    return chart.one("path", "front").attributes["d"]


def test_each_dot_says_its_figures(finished: Store) -> None:
    for trial_id, mark in marks(drawn(read_run(finished), "macs"), "dot").items():
        trial: TrialRecord = finished.trial(trial_id)
        share = 100 * (1 - (trial.val_error or 0))
        assert mark.one("title").text.startswith(f"trial {trial_id}: {share:.1f} % after the search, ")


def test_winners_stand_at_the_accuracy_of_their_final_training(finished: Store) -> None:
    run = read_run(finished)
    chart = drawn(run, "macs")
    winners = marks(chart, "winner")
    assert set(winners) == {winner.trial_id for winner in run.kept}
    for winner in run.kept:
        assert winner.float_val is not None
        assert (
            winners[winner.trial_id].one("text").text == f"{winner.trial_id} · {100 * winner.float_val:.1f} %"
        )


def test_one_bad_candidate_does_not_squeeze_the_others(new: Store) -> None:
    run = run_of(new, [(1000 + number, 0.9 + 0.005 * number) for number in range(12)] + [(1500, 0.1)])
    chart = front_chart(run, "macs")
    assert chart is not None and chart.hidden == 1
    drawing = drawn(run, "macs")
    assert [name for name, mark in marks(drawing, "dot").items() if mark.all("path")] == ["0012"]
    heights = [centre(mark)[1] for mark in marks(drawing, "dot").values() if mark.all("circle")]
    assert max(heights) - min(heights) > 0.5 * (WIDE.y_range[0] - WIDE.y_range[1])


def test_what_is_below_the_edge_stands_on_it_even_where_a_winner_got_worse(finished: Store) -> None:
    chart = front_chart(read_run(finished), "macs")
    assert chart is not None
    assert chart.floor <= min(chart.finals.values())
    low = [mark for mark in marks(drawn(read_run(finished), "macs"), "dot").values() if mark.all("path")]
    assert len(low) == chart.hidden > 0
    for mark in low:
        top = float(mark.one("path").attributes["d"].split()[1].partition("h")[0])
        assert top == WIDE.y_range[0] - 9


def test_a_budget_is_a_line_where_it_is_near_and_an_arrow_where_it_is_far(new: Store) -> None:
    run = run_of(new, [(1000, 0.5), (1400, 0.7)])
    near = Run(
        run.folder, {**run.meta, "constraints": [{"metric": "macs", "limit": 1500}]}, run.trials, {}, []
    )
    far = Run(run.folder, {**run.meta, "constraints": [{"metric": "macs", "limit": 9e6}]}, run.trials, {}, [])
    assert len(drawn(near, "macs").all("line", "budget")) == 1
    assert drawn(near, "macs").one("text", "budget").text == "budget 1.5 k"
    assert not drawn(far, "macs").all("line", "budget")
    assert drawn(far, "macs").one("text", "budget").text == "budget 9 M →"
    assert not drawn(run, "macs").all("text", "budget")


@pytest.mark.parametrize("points", [[(1000, 0.5)], [(1000, 1.0), (1000, 1.0)], [(7, 0.0)]])
def test_few_or_equal_candidates_are_drawn_within_the_frame(
    new: Store, points: list[tuple[int, float]]
) -> None:
    chart = drawn(run_of(new, points), "macs")
    for mark in marks(chart, "dot").values():
        x, y = centre(mark)
        assert WIDE.x_range[0] <= x <= WIDE.x_range[1]
        assert WIDE.y_range[1] <= y <= WIDE.y_range[0]


def test_a_wide_span_of_costs_is_drawn_logarithmically_and_says_so(new: Store) -> None:
    chart = drawn(run_of(new, [(10_000, 0.5), (100_000, 0.6), (1_000_000, 0.7)]), "macs")
    assert chart.one("text", "title").text == "MACs (thousands, logarithmic)"
    columns = [centre(mark)[0] for _, mark in sorted(marks(chart, "dot").items())]
    assert columns[1] - columns[0] == pytest.approx(columns[2] - columns[1], abs=0.2)


def test_costs_close_together_are_drawn_linearly(new: Store) -> None:
    chart = drawn(run_of(new, [(1_000_000, 0.5), (2_000_000, 0.6), (3_000_000, 0.7)]), "macs")
    assert chart.one("text", "title").text == "MACs (millions)"


@pytest.mark.parametrize("trials", [30, 200])
def test_labels_of_winners_cover_neither_each_other_nor_the_budget(new: Store, trials: int) -> None:
    new.set_meta(status="done", **DESCRIPTION)
    choose_winners(new, fill(new, trials))
    run = read_run(new)
    for metric, frame in product(("macs", "peak_ram_bytes"), (WIDE, Frame(940, 300), Frame(368, 320))):
        chart = drawn(run, metric, frame)
        boxes = [_box(label) for label in chart.all("text") if " · " in label.text]
        boxes += [_box(label) for label in chart.all("text", "budget")]
        assert len(boxes) >= 3
        for first, second in combinations(boxes, 2):
            assert not _meet(first, second)
        for left, _, right, _ in boxes:
            assert left >= 0 and right <= frame.width


def _box(label: Element) -> tuple[float, float, float, float]:
    x, y = float(label.attributes["x"]), float(label.attributes["y"])
    width = CHARACTER_WIDTH * len(label.text)
    left = x - width if label.attributes["text-anchor"] == "end" else x - width / 2
    return left, y - 11, left + width, y


def _meet(first: tuple[float, ...], second: tuple[float, ...]) -> bool:
    apart_sideways = first[2] <= second[0] or second[2] <= first[0]
    return not apart_sideways and not (first[3] <= second[1] or second[3] <= first[1])


def test_a_label_takes_the_free_side_of_its_point() -> None:
    labels = Labels((0, 0, 400, 400))
    labels.block(150, 100, 250, 190)
    box = labels.place(200, 200, "0007")
    assert box[1] >= 190
    assert (box[2] - box[0], box[3] - box[1]) == pytest.approx((4 * CHARACTER_WIDTH, LINE_HEIGHT))


def test_a_label_at_the_edge_stays_inside() -> None:
    for x, y in ((0, 0), (400, 0), (0, 400), (400, 400)):
        left, top, right, bottom = Labels((0, 0, 400, 400)).place(x, y, "0007 · 91.2 %")
        assert left >= 0 and right <= 400 and top >= 0 and bottom <= 400


@pytest.mark.parametrize(("low", "high"), [(0.5, 0.9), (63.0, 92.0), (0, 1), (1e3, 8e6), (98.41, 98.49)])
def test_ticks_are_round_and_neither_few_nor_many(low: float, high: float) -> None:
    ticks = even_ticks(low, high, 6)
    assert 3 <= len(ticks) <= 9
    assert low <= ticks[0] and ticks[-1] <= high
    steps = np.diff(ticks)
    assert steps == pytest.approx(np.full(len(steps), steps[0]))
    assert f"{steps[0]:.0e}"[0] in "125"


def test_logarithmic_ticks_thin_out_over_many_decades() -> None:
    assert log_ticks(1, 10, 6) == [1, 2, 5, 10]
    assert log_ticks(1, 1000, 6) == [1, 10, 100, 1000]
    assert log_ticks(0.02, 50, 12) == pytest.approx([0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50])


def test_a_scale_keeps_what_lies_beyond_its_ends_on_them() -> None:
    scale = Scale(10, 20, 100, 0)
    assert [scale(value) for value in (10, 15, 20, 5, 99)] == [100, 50, 0, 100, 0]
    assert scale_for([3, 3], 0, 100)(3) == 50
