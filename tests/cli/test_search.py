"""The main job as a user runs it: one command, files that work, a report, a document."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from ai_edge_litert.interpreter import Interpreter

from edgenas.data import load_dataset
from edgenas.data.resize import prepare
from edgenas.search.objective import VAL_ERROR
from edgenas.store import Store

FILES = {
    "model.float32.tflite",
    "model.int8.tflite",
    "model.float32.onnx",
    "model.int8.onnx",
    "manifest.json",
    "README.md",
    "model_card.md",
    "LICENSES.md",
    "c",
    "projects",
    "samples",
    "test_vectors",
}


@pytest.fixture(scope="module")
def document(finished_run: Path) -> dict[str, Any]:
    printed: dict[str, Any] = json.loads((finished_run / "printed.json").read_text())
    return printed


def test_the_document_says_what_came_out(document: dict[str, Any], finished_run: Path) -> None:
    assert document["run"] == str(finished_run)
    assert document["status"] == "done"
    assert document["trials"]["completed"] == 5
    assert document["trials"]["failed"] == 0
    assert document["objectives"] == [VAL_ERROR, "latency_ms"]
    assert document["budgets"] == [{"metric": "peak_ram_bytes", "limit": 48 * 1024}]
    assert sum(winner["best"] for winner in document["winners"]) == 1
    for winner in document["winners"]:
        assert winner["cost"]["peak_ram_bytes"] <= 48 * 1024
        assert winner["cost"]["source"] == "table"
        assert 0 < winner["cost"]["latency_low_ms"] <= winner["cost"]["latency_ms"]
        assert 0 <= winner["int8_test_accuracy"] <= 1


def test_every_winner_has_its_files_with_true_checksums(document: dict[str, Any]) -> None:
    assert document["winners"]
    for winner in document["winners"]:
        folder = Path(winner["folder"])
        assert {path.name for path in folder.iterdir()} == FILES
        assert len(winner["files"]) == 4
        for entry in winner["files"]:
            body = (folder / entry["file"]).read_bytes()
            assert hashlib.sha256(body).hexdigest() == entry["sha256"]
            assert len(body) == entry["bytes"]


def test_the_files_have_the_accuracy_that_is_reported(document: dict[str, Any]) -> None:
    dataset = load_dataset("digits", seed=0)
    winner = document["winners"][0]
    folder = Path(winner["folder"])
    manifest = json.loads((folder / "manifest.json").read_text())
    shape = tuple(manifest["description"]["spec"]["input_shape"])
    images = prepare(dataset.test.x, dataset.normalization, shape)
    reported = {entry["file"]: entry["accuracy"]["test"] for entry in winner["files"]}
    for name in ("model.float32.tflite", "model.int8.tflite"):
        assert np.mean(_litert(folder / name, images) == dataset.test.y) == pytest.approx(reported[name])
    for name in ("model.float32.onnx", "model.int8.onnx"):
        assert np.mean(_onnx(folder / name, images) == dataset.test.y) == pytest.approx(reported[name])


def _litert(path: Path, images: np.ndarray) -> np.ndarray:
    interpreter = Interpreter(model_path=str(path))
    interpreter.allocate_tensors()
    entry, exit_ = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    scale, zero = entry["quantization"]
    found = []
    for image in images:
        values = image[None] if scale == 0 else np.clip(np.round(image[None] / scale) + zero, -128, 127)
        interpreter.set_tensor(entry["index"], values.astype(entry["dtype"]))
        interpreter.invoke()
        found.append(int(interpreter.get_tensor(exit_["index"])[0].argmax()))
    return np.array(found)


def _onnx(path: Path, images: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return np.array([int(session.run(None, {name: image[None]})[0][0].argmax()) for image in images])


def test_nothing_over_budget_was_trained_and_nothing_twice(finished_run: Path) -> None:
    with Store.read(finished_run) as store:
        trials = store.trials()
    assert all(trial.cost.peak_ram_bytes <= 48 * 1024 for trial in trials)
    assert len({trial.spec.arch_id for trial in trials}) == len(trials) == 5


def test_the_resolved_configuration_repeats_the_run(finished_run: Path) -> None:
    from edgenas.config import config_from, read_config

    config = config_from(read_config(finished_run / "config.toml"))
    assert (config.data, config.ram_kib, config.trials, config.seed) == ("digits", 48.0, 5, 0)


def test_the_report_names_the_winners(finished_run: Path, document: dict[str, Any]) -> None:
    page = (finished_run / "report.html").read_text()
    for winner in document["winners"]:
        assert f"Trial {winner['trial']}" in page


def test_no_rubbish_is_left_in_the_run_folder(finished_run: Path) -> None:
    names = {path.name for path in finished_run.iterdir()}
    left = names - {"run.db", "run.lock", "config.toml", "weights", "winners", "report.html", "training.log"}
    assert left <= {"printed.json", "run.db-wal", "run.db-shm"}
    assert not [path for path in finished_run.rglob("*") if path.suffix in (".tmp", ".new")]


def test_a_winner_is_verified_on_its_data_and_a_changed_one_refused(
    edgenas: Any, document: dict[str, Any], tmp_path: Path
) -> None:
    folder = Path(document["winners"][0]["folder"])
    done = edgenas("verify", folder, "--data", "digits", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    measured = [check for check in found["checks"] if "test inputs" in check["detail"]]
    assert found["failed"] == 0 and len(measured) == 4
    assert all("in the manifest" in check["detail"] for check in measured)
    copy = shutil.copytree(folder, tmp_path / "copy")
    with (copy / "model.int8.tflite").open("ab") as file:
        file.write(b"x")
    refused = edgenas("verify", copy)
    assert refused.returncode == 1
    assert refused.stdout.startswith("FAILED") and "model.int8.tflite" in refused.stdout.splitlines()[0]
    (copy / "manifest.json").write_text("{}")
    refused = edgenas("verify", copy)
    assert refused.returncode == 2 and "manifest of schema None was given" in refused.stderr


def test_a_finished_run_is_resumed_without_work(edgenas: Any, finished_run: Path) -> None:
    before = (finished_run / "run.db").stat().st_mtime_ns
    done = edgenas("resume", finished_run, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["trials"]["completed"] == 5
    assert (finished_run / "run.db").stat().st_mtime_ns == before


def test_the_summary_for_people_fits_a_terminal(edgenas: Any, finished_run: Path) -> None:
    done = edgenas("report", finished_run)
    assert done.returncode == 0
    assert "5 networks trained" in done.stdout
    assert str(finished_run / "report.html") in done.stdout


def test_winners_are_exported_to_another_folder(edgenas: Any, finished_run: Path, tmp_path: Path) -> None:
    done = edgenas("export", finished_run, "--out", tmp_path / "models", "--json")
    assert done.returncode == 0, done.stderr
    exported = json.loads(done.stdout)["exported"]
    assert exported
    for entry in exported:
        assert set(entry["files"]) == FILES
        for name in FILES:
            there, copy = finished_run / "winners" / entry["trial"] / name, Path(entry["folder"]) / name
            assert there.is_dir() == copy.is_dir()
            if there.is_file():
                assert copy.read_bytes() == there.read_bytes()


def test_any_trained_candidate_can_be_exported(edgenas: Any, finished_run: Path, tmp_path: Path) -> None:
    with Store.read(finished_run) as store:
        winners = {winner.trial_id for winner in store.winners() if winner.manifest is not None}
        others = [trial for trial in store.trials() if trial.trial_id not in winners]
    other = min(others, key=lambda trial: trial.val_error or 1.0).trial_id
    done = edgenas("export", finished_run, "--trial", other, "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    manifest = json.loads((tmp_path / other / "manifest.json").read_text())
    assert manifest["description"]["weights"] == "search training"
    assert all("test" not in entry["accuracy"] for entry in manifest["artifacts"])


def test_a_winner_is_estimated_as_the_run_said(
    edgenas: Any, finished_run: Path, document: dict[str, Any]
) -> None:
    winner = document["winners"][0]
    done = edgenas("estimate", Path(winner["folder"]) / "model.int8.tflite", "--json")
    assert done.returncode == 0, done.stderr
    cost = json.loads(done.stdout)
    assert list(cost)[:5] == ["device", "runtime", "precision", "source", "latency_ms"]
    assert cost["latency_ms"] == pytest.approx(winner["cost"]["latency_ms"])
    assert cost["macs"] == winner["cost"]["macs"]
    assert cost["peak_ram_bytes"] == winner["cost"]["peak_ram_bytes"]
    assert cost["flash_bytes"] == (Path(winner["folder"]) / "model.int8.tflite").stat().st_size
