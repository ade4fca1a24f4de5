"""The page as a whole: one well-formed, self-contained file, whatever state a run is in."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from edgenas.errors import StoreError
from edgenas.report import write_report
from edgenas.store import Store
from tests.report.conftest import report_of
from tests.report.html_tree import Element, read_html
from tests.report.made_up import DESCRIPTION, choose_winners, fill

SECTIONS = [
    "front",
    "winners",
    "networks",
    "reasons",
    "explained",
    "training",
    "test",
    "problems",
    "repeat",
    "words",
]
HOSTILE = "<script>alert(1)</script>\"'&amp;</title></style>"


def just_begun(store: Store) -> None:
    """Nothing is written down yet."""


def without_trials(store: Store) -> None:
    store.set_meta(status="searching", **DESCRIPTION)


def searching(store: Store) -> None:
    without_trials(store)
    fill(store, 8)


def retraining(store: Store) -> None:
    store.set_meta(status="retraining", **DESCRIPTION)
    choose_winners(store, fill(store))
    for winner in store.winners():
        store.update_winner(winner.trial_id, result=None, recipe=None, reason=None, manifest=None)


def exporting(store: Store) -> None:
    store.set_meta(status="exporting", **DESCRIPTION)
    choose_winners(store, fill(store))
    for winner in store.winners():
        store.update_winner(winner.trial_id, manifest=None)


def done(store: Store) -> None:
    store.set_meta(status="done", **DESCRIPTION)
    choose_winners(store, fill(store))


def done_after_two_hundred(store: Store) -> None:
    store.set_meta(status="done", **DESCRIPTION)
    choose_winners(store, fill(store, 200))


def from_python(store: Store) -> None:
    store.set_meta(data={"name": "arrays", "fingerprint": "sha256:ab"})
    fill(store, 8)


STATES = (
    just_begun, without_trials, searching, retraining, exporting, done, done_after_two_hundred, from_python,
)  # fmt: skip


@pytest.fixture(scope="module", params=STATES, ids=lambda state: state.__name__)
def page_in_any_state(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Element:
    with Store.create(tmp_path_factory.mktemp("state")) as store:
        request.param(store)
        return report_of(store)


def test_every_state_of_a_run_gives_a_whole_page(page_in_any_state: Element) -> None:
    page = page_in_any_state
    assert [section.attributes["id"] for section in page.all("section")] == SECTIONS
    assert all(section.text for section in page.all("section"))
    assert page.one("title").text.startswith("edgenas: ")
    for rubbish in ("None", "nan", "inf", "Traceback", "{", "}"):
        assert not re.search(rf"(?<!\w){rubbish}(?!\w)", page.one("main").text.replace("None: no", "")), (
            rubbish
        )


def test_ids_are_unique_and_labels_lead_somewhere(page_in_any_state: Element) -> None:
    elements = list(page_in_any_state.walk())
    ids = Counter(element.attributes["id"] for element in elements if "id" in element.attributes)
    assert set(ids.values()) == {1}
    labels = [e.attributes["aria-labelledby"] for e in elements if "aria-labelledby" in e.attributes]
    assert labels and set(labels) <= set(ids)


def test_the_page_needs_nothing_from_elsewhere(page_in_any_state: Element) -> None:
    for element in page_in_any_state.walk():
        assert element.tag not in {"iframe", "object", "embed", "base", "form", "img"}
        for name in ("src", "srcset", "action", "data", "xlink:href", "background"):
            assert name not in element.attributes
        assert element.attributes.get("href", "data:").startswith(("data:", "#"))
        assert not [name for name in element.attributes if name.startswith("on")]
    texts = [element.text for tag in ("style", "script") for element in page_in_any_state.all(tag)]
    assert len(texts) == 2
    assert not re.search(r"https?:|url\(|@import|fetch\(|XMLHttp", " ".join(texts))


def test_the_browser_is_told_to_load_nothing(page: Element) -> None:
    policies = [m for m in page.all("meta") if m.attributes.get("http-equiv") == "Content-Security-Policy"]
    assert [policy.attributes["content"].split(";")[0] for policy in policies] == ["default-src 'none'"]


def test_hostile_names_stay_text(finished: Store) -> None:
    finished.set_meta(
        data={**DESCRIPTION["data"], "name": HOSTILE, "class_names": [HOSTILE], "warnings": [HOSTILE]},
        device={"id": HOSTILE, "name": HOSTILE, "runtime": HOSTILE, "note": HOSTILE},
        config={**DESCRIPTION["config"], "data": HOSTILE},
        versions={HOSTILE: HOSTILE},
        machine={HOSTILE: HOSTILE},
        search={"own_seconds": 1.0, "stop_reason": HOSTILE},
    )
    finished.fail_trial("0029", HOSTILE)
    finished.update_winner(finished.winners()[0].trial_id, why=HOSTILE, reason=HOSTILE)
    page = report_of(finished)
    assert len(page.all("script")) == len(page.all("style")) == len(page.one("head").all("title")) == 1
    assert page.one("title").text == f"edgenas: {HOSTILE}"
    for anchor in ("winners", "problems", "reasons", "repeat"):
        assert HOSTILE in page.section(anchor).text


def test_a_long_name_is_shown_whole(new: Store) -> None:
    name = "a-folder-with-a-long-name/" * 12
    new.set_meta(status="searching", **{**DESCRIPTION, "data": {"name": name}})
    assert report_of(new).one("h1").text == f"{name} on Arduino Nano 33 BLE Sense"


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (without_trials, "nothing yet; no candidate has been trained"),
        (searching, "nothing final yet. 6 candidates trained so far"),
        (retraining, "nothing final yet. 28 candidates trained so far"),
        (exporting, "nothing final yet. 3 candidates on the short list; trial"),
        (done, "3 networks, found among 28 trained candidates in 22 min"),
    ],
)
def test_the_head_says_how_far_the_run_is(new: Store, state: Callable[[Store], None], words: str) -> None:
    state(new)
    header = report_of(new).one("header").text
    assert words in header
    assert (f"edgenas resume {new.folder}" in header) == (state is not done)


def test_what_was_asked_for_is_said_in_words(page: Element) -> None:
    header = page.one("header").text
    assert "a classifier for digits (10 classes; inputs of 28×28×1;" in header
    assert "1,257 train, 270 validation, 270 test images" in header
    assert "peak RAM of at most 64.0 KiB" in header
    assert "low in MACs and peak RAM" in header


def test_a_foreign_latency_table_is_warned_of_where_latency_stands(finished: Store) -> None:
    note = "latency table of another machine; measure it with: edgenas sweep --device host"
    finished.set_meta(device={**DESCRIPTION["device"], "note": note})
    page = report_of(finished)
    for place in (page.one("header"), page.section("winners")):
        assert note in place.one("p", "warning").text


def test_no_warning_is_shown_where_the_table_fits(page: Element) -> None:
    assert not page.all("p", "warning")


def test_the_words_of_the_trade_that_are_used_are_explained(page: Element) -> None:
    words = {term.text for term in page.section("words").all("dt")}
    for word in ("Front", "Hypervolume", "int8", "MACs", "Peak RAM", "Flash", "Latency", "Points"):
        assert word in words


def test_problems_are_listed_with_their_reasons(page: Element) -> None:
    problems = page.section("problems")
    assert "2 images occur in training and validation" in problems.text
    assert problems.one("table").rows() == [
        {"Trial": "0004", "Reason": "loss became NaN or infinite in epoch 2; a lower learning rate may help"}
    ]


def test_a_run_without_problems_says_so(new: Store) -> None:
    new.set_meta(status="searching", **{**DESCRIPTION, "data": {**DESCRIPTION["data"], "warnings": []}})
    assert "None: no warning about the data" in report_of(new).section("problems").text


def test_the_file_is_replaced_in_one_step_and_nothing_else_is_left(finished: Store) -> None:
    report = finished.folder / "report.html"
    report.write_text("an older report")
    before = {path.name for path in finished.folder.iterdir()}
    with report.open() as old:
        assert write_report(finished.folder) == report
        assert old.read() == "an older report"
    assert read_html(report.read_text()).one("h1")
    assert {path.name for path in finished.folder.iterdir()} == before


def test_a_report_that_cannot_be_written_leaves_the_old_one_and_no_rubbish(finished: Store) -> None:
    report = finished.folder / "report.html"
    report.mkdir()
    before = {path.name for path in finished.folder.iterdir()}
    with pytest.raises(StoreError, match=r"cannot be written"):
        write_report(finished.folder)
    assert {path.name for path in finished.folder.iterdir()} == before


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "missing"):
        with pytest.raises(StoreError, match="holds no run"):
            write_report(folder)
        assert not list(tmp_path.iterdir())


def test_the_same_run_gives_the_same_page(finished: Store) -> None:
    first = write_report(finished.folder).read_bytes()
    assert write_report(finished.folder).read_bytes() == first


def test_the_report_needs_no_training_framework(finished: Store) -> None:
    program = (
        "import sys; from pathlib import Path; from edgenas.report import write_report;"
        "write_report(Path(sys.argv[1]));"
        "print([m for m in ('tensorflow', 'keras', 'tf_keras', 'onnx', 'ray') if m in sys.modules])"
    )
    printed = subprocess.run(
        [sys.executable, "-c", program, finished.folder], capture_output=True, text=True, check=True
    )
    assert printed.stdout.strip() == "[]"
