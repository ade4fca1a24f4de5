"""A search on a folder of WAVs as a user runs it: one file is damaged, nothing fits in memory."""

from __future__ import annotations

import json
from pathlib import Path

from edgenas.data import LogMel
from tests.conftest import Command
from tests.data.sounds import write_sounds


def test_a_search_on_sounds_larger_than_memory(edgenas: Command, tmp_path: Path) -> None:
    write_sounds(tmp_path / "sounds", 40)
    damaged = tmp_path / "sounds" / "rising" / "007.wav"
    damaged.write_bytes(damaged.read_bytes()[:100])
    words = [
        "search",
        "--data",
        tmp_path / "sounds",
        "--device",
        "nucleo-l4r5zi",
        "--out",
        tmp_path / "runs" / "one",
    ]
    refused = edgenas(*words)
    assert refused.returncode == 2 and "007.wav' cannot be read" in refused.stderr
    short = ("--trials", "3", "--epochs", "3", "--final-epochs", "4", "--winners", "1", "--workers", "1")
    asked = (
        "--corrupt",
        "skip",
        "--memory-gib",
        "0.00001",
        "--class-weights",
        "balanced",
        "--augment",
        "auto,mixup",
    )
    done = edgenas(*words, *short, *asked, "--flash-kib", "24", "--seeds", "1", "--json")
    assert done.returncode == 0, done.stderr
    data = json.loads(done.stdout)["data"]
    assert (data["kind"], data["on_disk"], data["skipped"]) == ("audio", True, [str(damaged)])
    assert data["augment"] == ["time-shift", "masks", "mixup"]
    assert sum(map(sum, data["class_counts"].values())) == 79 and len(data["class_weights"]) == 2
    (manifest,) = (tmp_path / "runs" / "one" / "winners").glob("*/manifest.json")
    described = json.loads(manifest.read_text())["description"]
    front_end = LogMel.from_json(described["preprocessing"]["front_end"])
    assert list(front_end.shape) == data["input_shape"] and front_end.clip_samples == 1600
    assert described["training_data"]["skipped"] == [str(damaged)]
    verified = edgenas("verify", manifest.parent, "--json")
    assert verified.returncode == 0, verified.stdout
    assert (manifest.parent / "c" / "log_mel.c").is_file()
    report = (tmp_path / "runs" / "one" / "report.html").read_text()
    assert "log-mel: 4,000 Hz" in report and "1 WAVs could not be read" in report
    assert (tmp_path / "runs" / ".data").is_dir()


def test_settings_that_do_not_fit_the_data_end_before_anything_is_trained(
    edgenas: Command, tmp_path: Path
) -> None:
    (tmp_path / "t.csv").write_text("a,b,label\n1,2,x\n?,2,y\n")
    refused = edgenas("search", "--data", tmp_path / "t.csv", "--out", tmp_path / "run")
    assert refused.returncode == 2 and "lines 3; fill them in" in refused.stderr
    refused = edgenas("search", "--data", "digits", "--augment", "masks", "--out", tmp_path / "run")
    assert refused.returncode == 2 and "'masks' was given for data of kind image" in refused.stderr
    assert not (tmp_path / "run").exists()
