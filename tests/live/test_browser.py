"""The page in a real browser."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgenas.live.server import LiveServer
from edgenas.store import Store
from tests.live.chromium import BROWSER, Chromium
from tests.live.conftest import serving

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium here")
READY = "document.documentElement?.dataset.ready === 'yes'"


@pytest.fixture(scope="module")
def browser() -> Iterator[Chromium]:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile, Chromium(Path(profile)) as one:
        yield one


def test_the_page_updates_while_the_run_goes_on_without_an_error(
    browser: Chromium, server: LiveServer, going: Store
) -> None:
    browser.troubles.clear()
    browser.size(1200, 900)
    browser.open(server.url())
    browser.until(READY)
    page = "document.querySelector('main').innerText"
    assert "digits on Arduino Nano 33 BLE Sense" in browser.value(page)
    assert browser.value("document.querySelectorAll('#charts svg').length") == 4
    assert "<script>alert(1)</script>" in browser.value("document.getElementById('lines').textContent")
    assert browser.value("document.querySelectorAll('#trials-table tbody tr').length") == 7
    going.finish_trial("0007", {}, going.trials()[0].result or {})
    browser.until("document.querySelectorAll('#trials-table tbody tr').length === 8")
    going.set_meta(status="done")
    browser.until("document.getElementById('status').textContent === 'finished'")
    assert browser.troubles == []


@pytest.mark.parametrize("dark", [False, True])
def test_it_is_readable_on_a_phone(browser: Chromium, server: LiveServer, dark: bool) -> None:
    browser.size(390, 800, dark=dark)
    browser.open(server.url())
    browser.until(READY)
    assert browser.value("document.documentElement.scrollWidth") <= 390
    assert browser.value("getComputedStyle(document.querySelector('#charts .wide')).display") == "none"
    smallest = "Math.min(...[...document.querySelectorAll('main p, main td, main th, main dd')]"
    size = browser.value(f"{smallest}.map((one) => parseFloat(getComputedStyle(one).fontSize)))")
    assert size >= 12
    paper = browser.value("getComputedStyle(document.body).backgroundColor")
    assert (sum(int(part) for part in paper[4:-1].split(",")[:3]) < 384) == dark


def test_everything_can_be_reached_by_the_keyboard(browser: Chromium, server: LiveServer) -> None:
    browser.size(1200, 900)
    browser.open(server.url())
    browser.until(READY)
    browser.value("document.getElementById('more').hidden = false, 1")
    reached = []
    for _ in range(8):
        browser.press("Tab")
        reached.append(browser.value("document.activeElement.textContent.trim().slice(0, 20)"))
        if reached[-1].startswith("The front as a table"):
            browser.press("Enter")
            assert browser.value("document.querySelector('#front details').open")
    assert reached[0] == "Skip to the front"
    assert "Full report as of no" in reached and any(name.startswith("The front as a t") for name in reached)
    outline = "getComputedStyle(document.querySelector('a[href=\"/report\"]')).outlineStyle"
    browser.value("document.querySelector('a[href=\"/report\"]').focus({focusVisible: true}), 1")
    assert browser.value(outline) == "solid"


def test_older_trials_are_fetched_on_demand(
    browser: Chromium, going: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgenas.live.standing.LAST_TRIALS", 3)
    for server in serving(LiveServer(going.folder, "127.0.0.1", 0, None)):
        browser.open(server.url())
        browser.until(READY)
        assert browser.value("document.querySelectorAll('#trials-table tbody tr').length") == 3
        browser.value("document.getElementById('more').click(), 1")
        browser.until("document.querySelectorAll('#trials-table tbody tr').length === 7")
        assert browser.value("document.getElementById('more').hidden")


def test_the_token_in_the_address_lets_the_browser_in_and_leaves_the_address(
    browser: Chromium, going: Store
) -> None:
    browser.troubles.clear()
    for server in serving(LiveServer(going.folder, "127.0.0.1", 0, "a-token-of-many-characters")):
        browser.open(server.url())
        browser.until(READY)
        assert browser.value("location.search") == "" and browser.value("document.cookie") == ""
    assert browser.troubles == []


def test_the_full_report_opens_without_an_error(browser: Chromium, server: LiveServer) -> None:
    browser.troubles.clear()
    browser.open(server.url() + "report")
    browser.until("document.querySelectorAll('section').length > 8")
    assert browser.troubles == []
