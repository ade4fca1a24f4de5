"""Winners measured on their device: what is kept, what waits, what is refused."""

from __future__ import annotations

import argparse
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from edgenas.cli import measure
from edgenas.errors import ConfigError, MeasurementError, StoreError, UnsupportedError
from edgenas.live import site as site_module
from edgenas.live.following import Follower
from edgenas.live.site import Site
from edgenas.live.standing import standing
from edgenas.profile.device import load_device
from edgenas.profile.protocol import Measurement
from edgenas.profile.runner import runner_for
from edgenas.profile.runners import LocalRunner
from edgenas.profile.runners.local import LiteRTRunner
from edgenas.report.run import read_run
from edgenas.report.summary import summarize
from edgenas.store import Store
from edgenas.winners.measuring import measure_winners
from tests.report.made_up import DESCRIPTION, fill


def answer(self: LocalRunner, models: list[bytes]) -> list[Measurement | None]:
    """A host that answers at once: each model takes as many nanoseconds as it has bytes."""
    return [Measurement(len(model) / 1e6, len(model) / 2e6, len(model) / 5e5, 12) for model in models]


@pytest.fixture
def run(finished_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A finished run of its own; the host answers at once."""
    monkeypatch.setattr(LocalRunner, "measure_batch", answer)
    shutil.copytree(finished_run, tmp_path / "run")
    return tmp_path / "run"


def winners_of(folder: Path) -> list[str]:
    with Store.read(folder) as store:
        return [one.trial_id for one in store.winners() if one.manifest is not None and one.reason is None]


def call(*words: object) -> dict[str, Any]:
    parser = argparse.ArgumentParser()
    measure.add_arguments(parser)
    parser.add_argument("--json", action="store_true")
    document = measure.run(parser.parse_args([str(word) for word in words]))
    measure.show(document)
    return document


def test_winners_are_measured_beside_their_prediction(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    winners = winners_of(run)
    assert len(winners) > 1
    found = call(run)["measured"]
    assert [one["trial"] for one in found] == winners
    for one in found:
        file = run / "winners" / one["trial"] / one["file"]
        assert one["latency_ms"] == file.stat().st_size / 1e6
        with Store.read(run) as store:
            cost = store.trial(one["trial"]).cost
        assert (one["predicted_ms"], one["predicted_low_ms"]) == (cost.latency_ms, cost.latency_low_ms)
    printed = capsys.readouterr()
    assert f"measuring {winners[0]}, then {', '.join(winners[1:])}" in printed.err
    assert "off by" in printed.out and winners[0] in printed.out
    page = (run / "report.html").read_text(encoding="utf-8")
    assert f"Measured on the device ({len(winners)})" in page and page.count(" measured</small>") >= len(
        winners
    )
    with Store.read(run) as store:
        told = {winner["trial"]: winner["measured"] for winner in summarize(store)["winners"]}
        assert told == {one["trial"]: [one] for one in found}
        assert store.meta("measuring") is None


def test_other_runtimes_and_files_stand_beside_and_have_no_prediction(run: Path) -> None:
    one = winners_of(run)[0]
    first = call(run, "--trial", one)["measured"]
    other = call(run, "--trial", one, "--runtime", "onnxruntime")["measured"]
    floats = call(run, "--trial", one, "--file", "model.float32.tflite")["measured"]
    assert [found[0]["file"].rsplit(".", 1)[1] for found in (first, other, floats)] == [
        "tflite",
        "onnx",
        "tflite",
    ]
    assert [found[0]["predicted_ms"] is None for found in (first, other, floats)] == [False, True, True]
    with Store.read(run) as store:
        assert read_run(store).measurements(one) == [*first, *other, *floats]


def test_a_device_that_goes_away_loses_nothing_and_the_next_call_goes_on(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    winners, asked = winners_of(run), []

    def leaves(self: LocalRunner, models: list[bytes]) -> list[Measurement | None]:
        asked.append(len(models))
        if len(asked) == 2:
            raise MeasurementError("the board went away")
        return answer(self, models)

    monkeypatch.setattr(LocalRunner, "measure_batch", leaves)
    with pytest.raises(MeasurementError, match="went away"):
        call(run)
    with Store.read(run) as store:
        assert [one["trial"] for one in store.meta("measured")] == winners[:1]
        assert store.meta("measuring") is None
    assert [one["trial"] for one in call(run)["measured"]] == winners
    assert len(asked) == len(winners) + 1
    call(run)
    assert len(asked) == len(winners) + 1  # nothing is left to measure
    call(run, "--again")
    assert len(asked) == 2 * len(winners) + 1


def test_the_queue_of_the_device_is_seen_while_it_works(run: Path) -> None:
    winners, seen = winners_of(run), []

    def look(queue: dict[str, Any]) -> None:
        with Follower(run) as follower:
            follower.refresh()
            seen.append(standing(follower)["device_queue"])

    with Store.open(run) as store:
        measure_winners(store, runner_for(load_device("host")), on_change=look)
    assert [queue["at"] for queue in seen] == winners
    assert [queue["waiting"] for queue in seen] == [winners[place + 1 :] for place in range(len(winners))]
    assert [queue["measured"] for queue in seen] == list(range(len(winners)))
    with Follower(run) as follower:
        follower.refresh()
        assert standing(follower)["device_queue"] is None


def test_what_a_killed_command_left_behind_is_no_queue(run: Path) -> None:
    queue = {
        "device": "x",
        "runtime": "litert",
        "at": "0",
        "waiting": [],
        "measured": 0,
        "process": os.getpid(),
    }
    with Store.open(run) as store:
        store.set_meta(measuring=queue)
        with Follower(run) as follower:
            follower.refresh()
            assert standing(follower)["device_queue"] is not None
            store.set_meta(measuring={**queue, "process": 1})  # another process wrote it before
            follower.refresh()
            assert standing(follower)["device_queue"] is None
        store.set_meta(measuring=queue)
    with Follower(run) as follower:
        follower.refresh()
        assert standing(follower)["device_queue"] is None


def test_another_machine_and_another_version_are_measured_anew(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = winners_of(run)[0]
    first = call(run, "--trial", one)["measured"][0]
    machine = {"cpu": first["cpu"], "version": "litert of tomorrow"}
    monkeypatch.setattr(LiteRTRunner, "machine", lambda self: machine)
    again = call(run, "--trial", one)["measured"][0]
    assert again["version"] == "litert of tomorrow" and first["version"] != again["version"]
    with Store.read(run) as store:
        assert len(store.meta("measured")) == 1  # the newer one stands for it


def test_the_served_report_shows_measurements_at_once(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site_module, "LOOK_SECONDS", 0.0)
    site = Site(run)
    try:
        assert b"Measured on the device" not in site.report()
        call(run)
        assert b"Measured on the device" in site.report()
    finally:
        site.close()


def test_a_file_that_was_changed_is_not_measured(run: Path) -> None:
    one = winners_of(run)[0]
    for path in (run / "winners" / one).glob("model.int8.tflite"):
        path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(StoreError, match="has changed"):
        call(run, "--trial", one)


def test_what_cannot_be_measured_is_said(run: Path, tmp_path: Path, edgenas: Any) -> None:
    with pytest.raises(StoreError, match=r"trial 9999 was given, .*expected one of "):
        call(run, "--trial", "9999")
    with pytest.raises(UnsupportedError, match=r"file model\.x was asked for.*expected one of model\."):
        call(run, "--file", "model.x")
    begun = tmp_path / "begun"
    with Store.create(begun) as store:
        store.set_meta(status="searching", **{**DESCRIPTION, "config": {}})
        fill(store, trials=3)
    with pytest.raises(ConfigError, match="give the one to measure on"):
        call(begun)
    with pytest.raises(StoreError, match="no winners with files; measure"):
        call(begun, "--device", "host")
    told = edgenas("measure", run, "--device", "nucleo-l4r5zi")
    assert told.returncode == 2 and len(told.stderr.splitlines()) == 1
    assert "no runner reaches device 'nucleo-l4r5zi'" in told.stderr
