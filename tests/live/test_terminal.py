"""The terminal view, as a frame and as a real command."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import pytest
from rich.console import Console

from edgenas.live.following import Follower
from edgenas.live.standing import standing
from edgenas.live.terminal import frame, watch
from edgenas.store import Store
from tests.conftest import Command
from tests.report.made_up import DESCRIPTION, choose_winners, fill


def drawn(store: Store, width: int = 140, height: int = 44) -> str:
    console = Console(file=io.StringIO(), width=width, height=height, force_terminal=True, color_system=None)
    with Follower(store.folder) as follower:
        follower.refresh()
        with console.capture() as captured:
            console.print(frame(follower, standing(follower), console))
    return captured.get()


@pytest.mark.parametrize(("width", "height"), [(140, 44), (80, 40), (40, 20), (20, 8)])
def test_a_frame_fits_its_terminal(going: Store, width: int, height: int) -> None:
    lines = drawn(going, width, height).splitlines()
    assert max(len(line) for line in lines) <= width


def test_a_frame_says_what_goes_on(going: Store) -> None:
    text = drawn(going)
    for words in (
        "searching (process", "digits on Arduino Nano 33 BLE Sense", "peak RAM ≤ 64.0 KiB",
        "6 of 30 trained", "1 failed", "143 refused", "of the search", "0006", "MACs (", "●", "1 busy",
        "Epoch 1/6 red",
    ):  # fmt: skip
        assert words in text, words


def test_a_frame_shows_what_waits_for_the_device(going: Store) -> None:
    queue = {
        "device": "Lab phone",
        "runtime": "litert",
        "at": "0003",
        "waiting": ["0004", "0006"],
        "measured": 1,
        "process": os.getpid(),
    }
    going.set_meta(measuring=queue)
    assert "Lab phone: 0003 being measured, 2 waiting (0004, 0006), 1 measured" in drawn(going)
    going.set_meta(measuring=None)
    assert "Lab phone" not in drawn(going)


def test_the_chart_marks_every_front_and_winner(tmp_path: Path) -> None:
    with Store.create(tmp_path / "run") as store:
        store.set_meta(status="done", **DESCRIPTION)
        choose_winners(store, fill(store))
        text = drawn(store)
    assert text.count("◆") >= 2  # one in the legend
    assert "finished" in text and "winners: " in text


def test_a_run_without_trials_is_drawn(tmp_path: Path) -> None:
    with Store.create(tmp_path / "run") as store:
        assert "No candidate has been trained yet." in drawn(store)


def test_frames_end_with_the_run(going: Store) -> None:
    going.set_meta(status="done")
    console = Console(file=io.StringIO(), width=100, height=30, force_terminal=True)
    with Follower(going.folder) as follower:
        watch(follower, console, 0.1)
        assert follower.complete


def test_the_command_prints_a_frame_or_a_document(going: Store, edgenas: Command) -> None:
    frame = edgenas("watch", going.folder, "--once")
    assert frame.returncode == 0 and "6 of 30 trained" in frame.stdout, frame.stderr
    document = json.loads(edgenas("watch", going.folder, "--json").stdout)
    assert document["counts"]["completed"] == 6


def test_wrong_use_is_one_line(tmp_path: Path, edgenas: Command) -> None:
    found = edgenas("watch", tmp_path, "--every", "0")
    assert found.returncode == 2 and found.stderr.startswith("edgenas: --every 0 was given; expected 0.1")
