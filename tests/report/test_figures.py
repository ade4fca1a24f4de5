"""The figures on the page are the store's: winners, files, reasons, candidates, networks."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from edgenas.arch.spec import ArchSpec, Block
from edgenas.export.manifest import Manifest
from edgenas.records import WinnerRecord
from edgenas.report.operations import operation_rows
from edgenas.report.run import read_run
from edgenas.report.wording import describe_spec
from edgenas.search.objective import format_metric
from edgenas.store import Store
from tests.report.conftest import report_of
from tests.report.html_tree import Element
from tests.report.made_up import DESCRIPTION, choose_winners, fill, made_up_cost

USERS_SPEC = ArchSpec("hypermodel", (28, 28, 1), 10, (), {"filters": 16, "act": "<relu>"})


def percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def test_winners_are_those_of_the_store_the_cheapest_first(finished: Store, page: Element) -> None:
    kept = [winner for winner in finished.winners() if winner.reason is None]
    kept.sort(key=lambda winner: finished.trial(winner.trial_id).cost.macs)
    rows = page.section("winners").one("table").rows()
    assert [row["Trial"].split()[0] for row in rows] == [winner.trial_id for winner in kept]
    for row, winner in zip(rows, kept, strict=True):
        assert winner.manifest and winner.result
        manifest, cost = Manifest.from_json(dict(winner.manifest)), finished.trial(winner.trial_id).cost
        int8 = manifest.artifact("model.int8.tflite")
        assert row["Test int8"] == percent(int8.accuracy["test"])
        assert row["Validation int8"] == percent(int8.accuracy["validation"])
        assert row["Validation float"] == percent(winner.result["val_accuracy"])
        assert row["int8 − float"] == "−0.3"
        assert cost.latency_ms and cost.latency_low_ms and cost.latency_high_ms
        ends = (cost.latency_low_ms, cost.latency_high_ms)
        interval = " to ".join(format_metric("latency_ms", end) for end in ends)
        assert row["Latency"] == f"{format_metric('latency_ms', cost.latency_ms)} {interval}"
        assert manifest.tflite_micro
        measured = format_metric("peak_ram_bytes", manifest.tflite_micro.arena_bytes)
        assert (
            row["Peak RAM"] == f"{format_metric('peak_ram_bytes', cost.peak_ram_bytes)} {measured} measured"
        )
        assert row["Flash"] == format_metric("flash_bytes", int8.bytes)
        assert row["MACs"] == format_metric("macs", cost.macs)
        assert row["Params"] == format_metric("params", cost.params)


def test_the_best_is_chosen_by_validation_and_not_by_test(finished: Store) -> None:
    winners = [winner for winner in finished.winners() if winner.reason is None]
    for place, winner in enumerate(winners):
        manifest = json.loads(json.dumps(winner.manifest))
        for artifact in manifest["artifacts"]:
            artifact["accuracy"] = {"validation": 0.5 + 0.1 * place, "test": 0.9 - 0.1 * place}
        finished.update_winner(winner.trial_id, manifest=manifest)
    page = report_of(finished)
    best, test = winners[-1].trial_id, 0.9 - 0.1 * (len(winners) - 1)
    marked = [row["Trial"] for row in page.section("winners").one("table").rows() if "best" in row["Trial"]]
    assert marked == [f"{best} best"]
    assert f"trial {best}, classifies {percent(test)} of the test images" in page.one("header").text


def test_the_tiles_show_the_best_winner_and_its_share_of_the_budget(finished: Store, page: Element) -> None:
    best = read_run(finished).best
    assert best is not None
    tiles = page.one("dl", "tiles")
    assert tiles.attributes["aria-label"] == f"Figures of trial {best.trial_id}"
    cost = best.trial.cost
    assert f"peak RAM {format_metric('peak_ram_bytes', cost.peak_ram_bytes)}" in tiles.text
    assert f"{100 * cost.peak_ram_bytes / (64 * 1024):.0f} % of 64.0 KiB" in tiles.text


def test_every_file_is_listed_with_its_agreement_and_checksum(finished: Store, page: Element) -> None:
    rows = page.section("winners").one("details").one("table").rows()
    artifacts = {
        f"{winner.trial_id}/{artifact.file}": artifact
        for winner in finished.winners()
        if winner.manifest
        for artifact in Manifest.from_json(dict(winner.manifest)).artifacts
    }
    assert {row["File"] for row in rows} == set(artifacts)
    for row in rows:
        artifact = artifacts[row["File"]]
        assert row["Size"] == format_metric("flash_bytes", artifact.bytes)
        assert row["Test accuracy"] == percent(artifact.accuracy["test"])
        assert row["Same class as Keras"] == percent(artifact.parity.agreement)
        assert float(row["Largest difference"]) == pytest.approx(artifact.parity.max_abs_difference, rel=0.1)
        assert artifact.sha256.startswith(row["SHA-256 begins"])


def test_every_trained_candidate_is_in_the_table(finished: Store, page: Element) -> None:
    rows = page.section("front").one("table").rows()
    done = [trial for trial in finished.trials() if trial.val_error is not None]
    assert {row["Trial"]: row["Validation"] for row in rows} == {
        trial.trial_id: percent(1 - (trial.val_error or 0.0)) for trial in done
    }
    shares = [float(row["Validation"].removesuffix(" %")) for row in rows]
    assert shares == sorted(shares, reverse=True)
    costs = {trial.trial_id: trial.cost for trial in done}
    for row in rows:
        assert row["MACs"] == format_metric("macs", costs[row["Trial"]].macs)
        assert row["Peak RAM"] == format_metric("peak_ram_bytes", costs[row["Trial"]].peak_ram_bytes)


def test_candidates_are_counted_by_what_became_of_them(page: Element) -> None:
    tally = page.section("front").one("p", "tally").text
    assert tally == "28 trained · 1 failed · 1 unfinished · 143 refused by budget (peak RAM 143)"


def test_each_winner_has_its_reason_and_its_neighbours(finished: Store, page: Element) -> None:
    entries = [
        element for element in page.section("reasons").one("dl").content if isinstance(element, Element)
    ]
    said = {term.text: meaning.text for term, meaning in zip(entries[::2], entries[1::2], strict=True)}
    for winner in finished.winners():
        name = f"Trial {winner.trial_id}" + (" dropped" if winner.reason else "")
        assert winner.why[1:] in said[name]
        assert f"Not kept: {winner.reason}." in said[name] if winner.reason else "trial" in said[name]


def test_a_neighbour_is_said_with_what_it_costs_and_gives(new: Store) -> None:
    """Of five trials on one front, the middle one is compared with those beside it."""
    new.set_meta(status="retraining", **DESCRIPTION)
    shares = (0.80, 0.85, 0.853, 0.95, 0.96)
    for number, share in enumerate(shares):
        spec = ArchSpec("hypermodel", (28, 28, 1), 10, (), {"filters": number})
        cost = replace(made_up_cost(SMALL), macs=10 ** (number + 3), peak_ram_bytes=1000 * (number + 1))
        new.begin_trial(f"{number:04d}", spec, cost)
        new.finish_trial(f"{number:04d}", {}, {"val_accuracy": share})
    new.save_winner(WinnerRecord("0002", "between its neighbours"))
    items = [item.text for item in report_of(new).section("reasons").all("li")]
    assert items == [
        "Against the next cheaper, trial 0001, it gives +0.3 points of accuracy for 10× the MACs and "
        "1.50× the peak RAM.",
        "The next more expensive, trial 0003, gives +9.7 points of accuracy for 10× the MACs and "
        "1.33× the peak RAM.",
    ]


SMALL = ArchSpec(
    "micro", (8, 8, 1), 3,
    (
        Block("stem", {"filters": 4, "kernel": 3, "stride": 2}),
        Block("ds", {"filters": 4, "kernel": 3, "stride": 1, "skip": True}),
        Block("head", {"classes": 3}),
    ),
    {},
)  # fmt: skip


def test_a_network_is_drawn_layer_by_layer_with_its_costs(finished: Store, page: Element) -> None:
    drawings = page.section("networks").all("details")
    winners, best = read_run(finished).kept, read_run(finished).best
    assert best is not None
    assert len(drawings) == len(winners)
    for drawing, winner in zip(drawings, winners, strict=True):
        assert ("open" in drawing.attributes) == (winner.trial_id == best.trial_id)
        ops, shares = winner.trial.spec.graph().ops, winner.trial.cost.per_op
        rows = drawing.one("tbody").all("tr")[1:]
        assert len(rows) == len(ops) == len(shares)
        for row, op, share in zip(rows, ops, shares, strict=True):
            shape, macs, _, latency = [cell.text for cell in row.all("td")][-4:]
            assert shape == "×".join(map(str, op.out_shape))
            assert macs == (format_metric("macs", op.macs) if op.macs else "–")
            assert share.latency_ms is not None
            assert latency == (format_metric("latency_ms", share.latency_ms) if share.latency_ms else "–")


def test_the_longest_bar_is_the_dearest_layer(finished: Store, page: Element) -> None:
    winner = read_run(finished).kept[0]
    macs = [op.macs for op in winner.trial.spec.graph().ops]
    rows = page.section("networks").one("details").one("tbody").all("tr")[1:]
    bars = [row.all("td")[-3].all("rect") for row in rows]
    widths = [float(rects[1].attributes["width"]) if rects else 0.0 for rects in bars]
    assert widths == pytest.approx([100 * value / max(macs) for value in macs], abs=0.06)


def test_skip_connections_are_drawn_where_the_network_has_them(new: Store) -> None:
    new.set_meta(status="retraining", **DESCRIPTION)
    new.begin_trial("0000", SMALL, made_up_cost(SMALL))
    new.finish_trial("0000", {}, {"val_accuracy": 0.9})
    new.save_winner(WinnerRecord("0000", "the only one"))
    course = report_of(new).section("networks").one("td", "course").one("svg")
    assert course.attributes["aria-label"] == "7 operations in order, 1 skip connection"
    assert len(course.all("path", "skip")) == 1
    assert [row.words for row in operation_rows(new.trial("0000"))] == [
        "conv 3×3 /2", "depthwise 3×3", "conv 1×1", "add", "global pool", "dense", "softmax",
    ]  # fmt: skip


def test_a_network_is_described_in_words() -> None:
    assert describe_spec(SMALL) == [
        "reads inputs of 8×8×1",
        "stem: convolution, 4 filters, kernel 3×3, stride 2",
        "1 depthwise-separable block: 4 filters, kernel 3×3, skip connections where shapes agree",
        "head: global average pooling and a dense layer for 3 classes",
    ]


def test_series_and_features_are_described_in_words() -> None:
    layer = {"activation": "relu", "batch_norm": False}
    head = {"classes": 1, "pool": "last", "activation": "linear"}
    blocks = (
        Block("series", {}),
        Block("tconv", {"filters": 8, "kernel": 5, "stride": 2, "separable": True, "causal": False}),
        Block("lstm", {"units": 12}),
        Block("series_head", head),
    )
    assert describe_spec(ArchSpec("sequence", (40, 3), 1, blocks, {}))[1:] == [
        "reads time step by step",
        "1 temporal convolution block: 8 filters, kernel 5, stride 2, separable",
        "1 LSTM block: units 12",
        "head: last step and a dense layer for 1 output",
    ]
    wide = (Block("flat", {}), *[Block("dense", {"units": 16, **layer})] * 2, Block("reconstruction", {}))
    assert describe_spec(ArchSpec("dense", (8, 8, 1), 64, wide, {}))[1:] == [
        "all values side by side",
        "2 dense layers, each of 16 units, relu",
        "head: a dense layer that gives the input again",
    ]


def test_rows_name_blocks_of_several_words(finished: Store) -> None:
    blocks = (Block("series", {}), Block("series_head", {"classes": 3, "pool": "avg"}))
    spec = ArchSpec("sequence", (40, 3), 3, blocks, {})
    trial = replace(finished.trial("0000"), spec=spec, cost=made_up_cost(spec))
    assert [row.block for row in operation_rows(trial)] == ["0 series", *["1 series head"] * 3]


def test_layers_without_known_latency_show_what_is_known(finished: Store) -> None:
    trial = finished.trial("0000")
    rows = operation_rows(replace(trial, cost=replace(trial.cost, per_op=())))
    assert [row.macs for row in rows] == [op.macs for op in trial.spec.graph().ops]
    assert sum(row.weight_bytes for row in rows) > trial.spec.graph().params // 2
    assert {row.latency_ms for row in rows} == {None}


@pytest.mark.parametrize("shares", [True, False], ids=["costs known", "costs unknown"])
def test_a_users_own_network_is_shown_as_far_as_it_is_known(new: Store, shares: bool) -> None:
    new.set_meta(status="retraining", **DESCRIPTION)
    cost = made_up_cost(SMALL)
    new.begin_trial("0000", USERS_SPEC, cost if shares else replace(cost, per_op=()))
    new.finish_trial("0000", {}, {"val_accuracy": 0.9})
    new.save_winner(WinnerRecord("0000", "the only one"))
    networks = report_of(new).section("networks")
    assert "act = <relu>" in networks.text
    assert len(networks.all("tr")) == (len(cost.per_op) + 2 if shares else 0)
    assert ("known only to the build function" in networks.text) is not shares


def test_unknown_latency_is_said_and_not_shown_as_zero(new: Store) -> None:
    new.set_meta(status="done", **DESCRIPTION)
    front = fill(new, latency=False)
    choose_winners(new, front)
    page = report_of(new)
    winners = page.section("winners")
    assert {row["Latency"] for row in winners.one("table").rows()} == {"–"}
    assert "Nothing is known of latency on arduino-nano-33-ble with tflite-micro" in winners.text
    assert "Latency" not in page.section("front").one("thead").text
    assert "Latency" not in page.section("networks").one("thead").text
    assert "latency" not in page.one("dl", "tiles").text
