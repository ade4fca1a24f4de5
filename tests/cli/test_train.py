"""`edgenas train` as a user runs it: on a trial with a teacher, on a spec, killed, and wrongly."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from edgenas.cli.main import main
from edgenas.export.manifest import read_manifest
from edgenas.store import Store
from tests.conftest import command

SHORT = ("--epochs", "8", "--optimizer", "adamw", "--learning-rate", "0.02", "--ema", "0.9")


@pytest.fixture(scope="module")
def run(finished_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy, as trainings are added to it."""
    folder = tmp_path_factory.mktemp("train") / "run"
    shutil.copytree(finished_run, folder)
    return folder


def test_a_killed_training_of_a_trial_goes_on_and_is_delivered(
    edgenas: Any, run: Path, tmp_path: Path
) -> None:
    words = ("train", run, "--trial", "0000", "--distill", "best", "--seeds", "2", "--workers", "1", *SHORT)
    process = subprocess.Popen(
        command(*map(str, words)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 240
    while not list((run / "weights").glob("0000.*.0.standing.npz")):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()

    out = tmp_path / "out"
    done = edgenas(*words, "--out", out, "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["trial"] == "0000" and document["teachers"] == ["best"]
    assert document["recipe"]["optimizer"] == "adamw" and document["recipe"]["distill"] == 0.5
    assert len(document["seeds"]) == 2 and sum(seed["delivered"] for seed in document["seeds"]) == 1
    tests = [seed["test_accuracy"] for seed in document["seeds"]]
    assert document["mean_test_accuracy"] == pytest.approx(np.mean(tests))
    assert document["std_test_accuracy"] == pytest.approx(np.std(tests, ddof=1))
    assert abs(document["int8_test_accuracy"] - document["mean_test_accuracy"]) < 0.1
    Interpreter(str(out / "model.int8.tflite")).allocate_tensors()
    manifest = json.loads((out / "manifest.json").read_text())
    assert [seed["seed"] for seed in manifest["description"]["training"]["seeds"]] == [
        seed["seed"] for seed in document["seeds"]
    ]
    assert all("test_accuracy" not in seed for seed in manifest["description"]["training"]["seeds"])
    assert not list((run / "weights").glob("*standing*"))
    assert "Trained for long" in (run / "report.html").read_text()

    again = edgenas(*words, "--json")  # done, so only told again
    assert json.loads(again.stdout) == document


def test_a_spec_is_trained_in_a_run_of_its_own(edgenas: Any, run: Path, tmp_path: Path) -> None:
    with Store.read(run) as store:
        spec, other, *_ = (t.spec for t in sorted(store.trials(), key=lambda trial: trial.val_error or 1.0))
    (tmp_path / "spec.json").write_text(json.dumps(spec.to_json()))
    words = ("train", tmp_path / "spec.json", "--data", "digits", "--out", tmp_path / "own", "--epochs", "10")
    words = (*words, "--schemes", "float16", "--workers", "1")
    # Python is started anew, as a user does, for what frameworks print when they are imported.
    done = subprocess.run(command(*map(str, words)), capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "schemes of 0000 on the front: full-int8" in done.stdout
    (bundle,) = (tmp_path / "own" / "trained").iterdir()
    assert [one.scheme for one in read_manifest(bundle).schemes] == ["full-int8", "float16"]
    assert "int8 file of seed *" in done.stdout and "test images were used once" in done.stdout
    assert len(done.stderr.splitlines()) <= 4  # two bars, nothing of what frameworks greet with
    with Store.read(tmp_path / "own") as store:
        assert [trial.spec for trial in store.trials()] == [spec]
        assert store.meta("status") == "done"
    (tmp_path / "other.json").write_text(json.dumps(other.to_json()))
    another = edgenas(*words[:1], tmp_path / "other.json", *words[2:])
    assert another.returncode == 2 and "holds another run" in another.stderr


WRONG = {
    "no such trial": (("--trial", "9999"), "has no trial '9999'"),
    "optimizer": (("--optimizer", "adam"), "did you mean 'adamw'"),
    "no epochs": (("--epochs", "0"), "epochs=0 was given; expected 1 or more"),
    "no seeds": (("--seeds", "0"), "--seeds 0 was given"),
    "no such teacher": (("--distill", "no.keras"), "teacher no.keras was given; there is no such file"),
    "weight alone": (("--distill-weight", "0.5"), "belong together; give --distill"),
    "average": (("--ema", "1"), "ema=1.0 was given; expected 0 to below 1"),
    "float16": (("--mixed-precision",), "there is no GPU here; leave it out"),
    "no such scheme": (("--schemes", "prunning"), "did you mean 'pruning'"),
    "data": (("--data", "digits"), "has its own; leave it"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_use_gets_one_line(edgenas: Any, run: Path, name: str) -> None:
    words, expected = WRONG[name]
    done = edgenas("train", run, *words)
    assert done.returncode == 2, done.stderr
    assert expected in done.stderr and len(done.stderr.strip().splitlines()) == 1


def test_without_tensorflow_trainings_are_kept_for_where_it_is(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A machine with a GPU may have JAX or PyTorch alone; files are written elsewhere."""
    import keras  # noqa: F401  the backend of this environment is TensorFlow
    import keras_tuner  # noqa: F401

    monkeypatch.setitem(sys.modules, "tensorflow", None)
    assert main(["export", str(run), "--trial", "0000", "--out", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err == (
        "edgenas: TensorFlow, which the files are written with, is not installed here; what was trained "
        f"is kept in {run}: give the same command, or 'edgenas resume', where it is installed\n"
    )
    assert not (tmp_path / "out").exists()
