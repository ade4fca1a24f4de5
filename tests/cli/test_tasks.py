"""A regression from the command line: search, files, tables, report, summary; and what does not fit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import Command

SHORT = ("--space", "dense", "--device", "nucleo-l4r5zi", "--trials", "2", "--winners", "1", "--workers", "1",
         "--epochs", "3", "--final-epochs", "4", "--seeds", "1")  # fmt: skip


@pytest.fixture(scope="module")
def run(edgenas: Command, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "diabetes"
    done = edgenas("search", "--data", "diabetes", "--loss", "huber", *SHORT, "--out", folder)
    assert done.returncode == 0, done.stderr
    (folder / "printed.txt").write_text(done.stdout)
    (folder / "progress.txt").write_text(done.stderr)
    return folder


def test_tables_and_progress_name_the_figure(run: Path) -> None:
    printed = (run / "printed.txt").read_text()
    assert "RMSE test int8" in printed and "figures are RMSE of progression" in printed
    assert "%" not in printed and "accura" not in printed and "image" not in printed
    assert "relative RMSE" in (run / "progress.txt").read_text()


def test_the_report_is_about_a_regression(run: Path) -> None:
    page = (run / "report.html").read_text()
    assert "a regression of progression for <b>diabetes</b>" in page
    assert "progression = output × " in page and "One step of the int8 output" in page
    assert "classifier" not in page and "Validation accuracy" not in page


def test_the_summary_has_figures_by_name(run: Path, edgenas: Command) -> None:
    again = edgenas("resume", run, "--json")
    document = json.loads(again.stdout)
    winner = document["winners"][0]
    assert document["task"]["name"] == "regression" and document["task"]["train_loss"] == "huber"
    assert document["metric"] == "rmse" and 20 < winner["int8_test_rmse"] < 200
    low, high = winner["int8_test_interval"]
    assert low < winner["int8_test_rmse"] < high
    manifest = json.loads((run / "winners" / winner["trial"] / "manifest.json").read_text())
    int8 = next(entry for entry in manifest["artifacts"] if entry["file"] == "model.int8.tflite")
    assert int8["metrics"]["test"]["rmse"] == winner["int8_test_rmse"] and int8["accuracy"] == {}


def test_its_bundle_is_proven_again_on_the_same_data(run: Path, edgenas: Command) -> None:
    folder = next((run / "winners").iterdir())
    done = edgenas("verify", folder, "--data", "diabetes")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "targets of 5 vectors, equal bytes" in done.stdout
    again = [line for line in done.stdout.splitlines() if "RMSE of progression" in line]
    assert len(again) == 4 and all(line.endswith("in the manifest") for line in again)
    assert "differs from Keras" in (folder / "model_card.md").read_text()


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (["--task", "anomaly"], "the classes that are anomalous: --anomalous NAME,NAME"),
        (["--anomalous", "9"], "space 'micro' makes networks that end in softmax or linear"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(
    words: list[str], answer: str, edgenas: Command, tmp_path: Path
) -> None:
    done = edgenas("search", "--data", "digits", *words, "--out", tmp_path / "none")
    assert done.returncode == 2 and done.stdout == ""
    assert answer in done.stderr and done.stderr.strip().count("\n") == 0
